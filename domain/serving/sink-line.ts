import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';

/** What must not be lost with a store: a withdrawal, a hold, the end of a hold. */
export interface SinkEntry {
  /** A UUID. An entry may stand in the sink twice. */
  readonly entry: string;
  /** When it was queued, as ISO 8601. */
  readonly at: string;
  /** The manifest's name of the store that it belongs to. */
  readonly store: string;
  readonly kind: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a line of the sink turned out to be. `torn`: a write that was cut off, and therefore never reported as done. */
export type SinkLine =
  | { readonly kind: 'entry'; readonly entry: SinkEntry }
  | { readonly kind: 'torn' }
  | { readonly kind: 'other key'; readonly key: string }
  | { readonly kind: 'damaged' };

export const SINK_KEY_BYTES = 32;
/** As AES-GCM wants it. Random: far fewer entries than 2^32 are written under one key. */
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 1;
const CIPHER = 'aes-256-gcm';
/** Enough to tell keys apart; says nothing about the key. */
const KEY_ID_LENGTH = 16;

/** Names a key without telling it. */
export function sinkKeyId(key: Buffer): string {
  return createHash('sha256').update('probity sink key').update(key).digest('hex').slice(0, KEY_ID_LENGTH);
}

interface Head {
  readonly v: number;
  readonly entry: string;
  readonly at: string;
  readonly store: string;
  readonly kind: string;
  readonly key: string;
}

/** One line without its line break: what identifies the entry in the clear, and bound to it the encrypted body. */
export function sealLine(entry: SinkEntry, key: Buffer, nonce: Buffer): string {
  const { body, entry: id, at, store, kind } = entry;
  const head: Head = { v: VERSION, entry: id, at, store, kind, key: sinkKeyId(key) };
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(bound(head));
  const box = Buffer.concat([cipher.update(JSON.stringify(body), 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return JSON.stringify({ ...head, nonce: nonce.toString('base64'), box: box.toString('base64') });
}

/** Never throws: whoever reads a sink after a disaster wants to know all of what is there. */
export function openLine(line: string, key: Buffer): SinkLine {
  const parsed = parse(line);
  if (parsed === null) return { kind: line.endsWith('}') ? 'damaged' : 'torn' };
  if (parsed.key !== sinkKeyId(key)) return { kind: 'other key', key: parsed.key };
  const { nonce, box, ...head } = parsed;
  try {
    const bytes = Buffer.from(box, 'base64');
    const decipher = createDecipheriv(CIPHER, key, Buffer.from(nonce, 'base64')).setAAD(bound(head));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8');
    const { entry, at, store, kind } = head;
    return { kind: 'entry', entry: { entry, at, store, kind, body: JSON.parse(text) as SinkEntry['body'] } };
  } catch {
    return { kind: 'damaged' };
  }
}

function bound({ v, entry, at, store, kind, key }: Head): Buffer {
  return Buffer.from(JSON.stringify([v, entry, at, store, kind, key]), 'utf8');
}

function parse(line: string): (Head & { readonly nonce: string; readonly box: string }) | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { v, entry, at, store, kind, key, nonce, box } = value as Partial<Record<string, unknown>>;
  const texts = [entry, at, store, kind, key, nonce, box];
  if (v !== VERSION || !texts.every((it) => typeof it === 'string')) return null;
  return { v, entry, at, store, kind, key, nonce, box } as Head & { nonce: string; box: string };
}
