import { hash } from 'node:crypto';
import { leafHash, merkleTree } from './merkle.ts';

/** What a record's commitment binds. Times are UTC with six digits of a second: `2026-11-22T01:15:00.123456Z`. */
export interface ConsentContent {
  readonly ref: string;
  /** 16 bytes, hexadecimal. */
  readonly salt: string;
  readonly purpose: string;
  readonly channel: string | null;
  readonly decision: string;
  /** What orders records: the earlier of the two that follow. */
  readonly at: string;
  readonly capturedAt: string;
  readonly receivedAt: string;
  readonly touchpoint: string;
  readonly notice: string | null;
  readonly language: string | null;
  readonly givenBy: string;
  readonly proof: string | null;
  readonly actor: string;
  readonly door: string;
  readonly basis: string;
  readonly expiresAt: string | null;
  readonly manifestHash: string;
}

/** One record of the consent ledger, as far as it proves something. It says nothing about anybody. */
export interface SealedRecord {
  readonly recordId: number;
  /** A random name of whoever it is about. */
  readonly ref: string;
  readonly receivedAt: string;
  /** SHA-256, hexadecimal. */
  readonly commitment: string;
}

/** Merkle root over the records that were sealed together, chained to the seal before it. Hashes are hexadecimal. */
export interface ConsentSeal {
  readonly sealId: number;
  readonly count: number;
  readonly root: string;
  readonly head: string;
  readonly sealedAt: string;
  /** For each record its number and the beginning of its leaf, so that a fault is found at a record; see `sealIndex`. */
  readonly index: string;
}

/** Before the first seal. */
export const FIRST_HEAD = '0'.repeat(64);

/** SHA-256 over the salt and the content as a JSON array, byte for byte as `probity.consent_payload` writes it. */
export function commitmentOf(recordId: number, content: ConsentContent): string {
  const parts = [
    String(recordId),
    ...[content.purpose, content.channel, content.decision, content.capturedAt, content.receivedAt, content.touchpoint, content.notice],
    ...[
      content.language,
      content.givenBy,
      content.proof,
      content.actor,
      content.door,
      content.basis,
      content.expiresAt,
      content.manifestHash,
    ],
  ].map((part, index) => (index === 0 ? part : JSON.stringify(part)));
  return hash('sha256', Buffer.concat([Buffer.from(content.salt, 'hex'), Buffer.from(`[${parts.join(', ')}]`, 'utf8')]), 'hex');
}

/** The leaf of a record in its seal's tree. */
export function leafOf({ recordId, ref, receivedAt, commitment }: SealedRecord): Buffer {
  return leafHash(Buffer.from(JSON.stringify([recordId, ref, receivedAt, commitment]), 'utf8'));
}

/** The head of the chain after a seal. */
export function headOf(previous: string, { sealId, count, root, sealedAt, index }: Omit<ConsentSeal, 'head'>): string {
  return hash('sha256', `${previous}\n${JSON.stringify([sealId, count, root, sealedAt, hash('sha256', index, 'hex')])}`, 'hex');
}

/** Record numbers are below 2^48; four bytes of a leaf tell an altered record from a sound one, the root does the proving. */
const NUMBER_BYTES = 6;
const LEAF_BYTES = 4;
const ENTRY_BYTES = NUMBER_BYTES + LEAF_BYTES;

export interface IndexEntry {
  readonly recordId: number;
  readonly leaf: string;
}

export function indexEntry({ recordId }: Pick<SealedRecord, 'recordId'>, leaf: Buffer): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry.writeUIntBE(recordId, 0, NUMBER_BYTES);
  leaf.copy(entry, NUMBER_BYTES, 0, LEAF_BYTES);
  return entry;
}

/** Null when the text is no index. */
export function readIndex(index: string): IndexEntry[] | null {
  const bytes = Buffer.from(index, 'hex');
  if (bytes.length * 2 !== index.length || bytes.length % ENTRY_BYTES !== 0) return null;
  return Array.from({ length: bytes.length / ENTRY_BYTES }, (_, n) => ({
    recordId: bytes.readUIntBE(n * ENTRY_BYTES, NUMBER_BYTES),
    leaf: bytes.toString('hex', n * ENTRY_BYTES + NUMBER_BYTES, (n + 1) * ENTRY_BYTES),
  }));
}

/** Seals records, in order of their numbers, behind the seal before. */
export function sealOf(
  records: readonly SealedRecord[],
  previous: Pick<ConsentSeal, 'sealId' | 'head'> | null,
  sealedAt: string,
): ConsentSeal {
  const tree = merkleTree();
  const entries = records.map((record) => {
    const leaf = leafOf(record);
    tree.add(leaf);
    return indexEntry(record, leaf);
  });
  const seal = {
    sealId: (previous?.sealId ?? 0) + 1,
    count: records.length,
    root: tree.root().toString('hex'),
    sealedAt,
    index: Buffer.concat(entries).toString('hex'),
  };
  return { ...seal, head: headOf(previous?.head ?? FIRST_HEAD, seal) };
}
