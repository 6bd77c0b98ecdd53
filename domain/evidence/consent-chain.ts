import {
  commitmentOf,
  FIRST_HEAD,
  headOf,
  leafOf,
  readIndex,
  type ConsentContent,
  type ConsentSeal,
  type IndexEntry,
  type SealedRecord,
} from './consent.ts';
import { merkleTree, type MerkleTree } from './merkle.ts';

/** A record with what it says, as far as that is still there. */
export interface ConsentEvidence extends SealedRecord {
  /** Null: not sealed yet. */
  readonly sealId: number | null;
  /** Null when it was erased or its keep has ended. */
  readonly content: ConsentContent | null;
}

export interface ConsentFault {
  readonly fault: 'altered' | 'missing' | 'reordered' | 'surplus';
  readonly of: 'record' | 'content' | 'seal';
  /** Number of the record or seal. */
  readonly number: number;
  /** In which it belongs; null for what is not sealed. */
  readonly sealId: number | null;
}

export interface ConsentTally {
  readonly seals: number;
  readonly records: number;
  readonly unsealed: number;
  /** Records of which the content has gone. */
  readonly pruned: number;
  /** Of the last seal; `FIRST_HEAD` when there is none. */
  readonly head: string;
}

/** Takes seals and records in the order in which they were made: a seal, its records, the next seal …, at last the unsealed records. */
export interface ChainReader {
  /** Each returns the fault that it found, and must not be called after one. */
  readonly seal: (seal: ConsentSeal) => ConsentFault | null;
  readonly record: (record: ConsentEvidence) => ConsentFault | null;
  readonly end: () => ConsentFault | null;
  readonly tally: () => ConsentTally;
}

interface Open {
  readonly seal: ConsentSeal;
  readonly index: readonly IndexEntry[];
  readonly tree: MerkleTree;
  taken: number;
}

/** Recomputes a chain without trusting anything but SHA-256. Of a sealed record it needs no content. Holds one seal's index at a time. */
export function readChain(): ChainReader {
  const sum = { seals: 0, records: 0, unsealed: 0, pruned: 0, head: FIRST_HEAD };
  let open: Open | null = null;
  let last = 0;

  const close = (): ConsentFault | null => {
    if (open === null) return null;
    const { seal, index, tree, taken } = open;
    open = null;
    const missing = index[taken];
    if (missing !== undefined) return { fault: 'missing', of: 'record', number: missing.recordId, sealId: seal.sealId };
    // Each leaf began as the index says: somebody has found a collision of four bytes, or has written another root.
    return tree.root().toString('hex') === seal.root ? null : { fault: 'altered', of: 'seal', number: seal.sealId, sealId: seal.sealId };
  };

  return {
    seal: (seal) => {
      const unfinished = close();
      if (unfinished !== null) return unfinished;
      const expected = sum.seals + 1;
      const fault = (it: ConsentFault['fault'], number: number): ConsentFault => ({ fault: it, of: 'seal', number, sealId: number });
      if (seal.sealId !== expected) return fault(seal.sealId < expected ? 'reordered' : 'missing', expected);
      const index = readIndex(seal.index);
      if (index === null || index.length !== seal.count || headOf(sum.head, seal) !== seal.head) return fault('altered', seal.sealId);
      sum.seals++;
      sum.head = seal.head;
      open = { seal, index, tree: merkleTree(), taken: 0 };
      return null;
    },
    record: (record) => {
      const sealId = open === null ? null : open.seal.sealId;
      const fault = (it: ConsentFault['fault'], of: ConsentFault['of'], number: number): ConsentFault => ({
        fault: it,
        of,
        number,
        sealId,
      });
      if (open !== null && record.sealId === open.seal.sealId) {
        const due = open.index[open.taken];
        if (due === undefined) return fault('surplus', 'record', record.recordId);
        if (due.recordId !== record.recordId) {
          if (open.index.slice(open.taken + 1).some((it) => it.recordId === record.recordId))
            return fault('missing', 'record', due.recordId);
          const seen = open.index.slice(0, open.taken).some((it) => it.recordId === record.recordId);
          return fault(seen ? 'reordered' : 'surplus', 'record', record.recordId);
        }
        const leaf = leafOf(record);
        if (!leaf.toString('hex').startsWith(due.leaf)) return fault('altered', 'record', record.recordId);
        open.tree.add(leaf);
        open.taken++;
      } else {
        const unfinished = close();
        if (unfinished !== null) return unfinished;
        if (record.sealId !== null) return { ...fault('reordered', 'record', record.recordId), sealId: record.sealId };
        if (record.recordId <= last) return fault('reordered', 'record', record.recordId);
        last = record.recordId;
        sum.unsealed++;
      }
      if (record.content !== null && !contentFits(record, record.content)) return fault('altered', 'content', record.recordId);
      sum.records++;
      if (record.content === null) sum.pruned++;
      return null;
    },
    end: close,
    tally: () => ({ ...sum }),
  };
}

function contentFits(record: SealedRecord, content: ConsentContent): boolean {
  const at = content.capturedAt < content.receivedAt ? content.capturedAt : content.receivedAt;
  return (
    content.ref === record.ref &&
    content.receivedAt === record.receivedAt &&
    content.at === at &&
    commitmentOf(record.recordId, content) === record.commitment
  );
}
