import { canonicalJson, sha256 } from '../canonical.ts';

/** Where every chain begins, before its first record. */
export const GENESIS = '0'.repeat(64);

/** What one step did, as its store's ledger recorded it in the transaction of its effect. No row, no key, only counts. */
export interface EvidenceBody {
  readonly run: string;
  readonly store: string;
  readonly lane: number;
  readonly seq: number;
  readonly kind: string;
  readonly table: string;
  readonly pass: number;
  /** Physical range or partition that the step covered, in the strategy's own words. */
  readonly range: string | null;
  readonly cutOff: string | null;
  /** Rows by outcome, such as `{ erased: 12000 }` or `{ 'held:H-12': 37 }`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Transaction id in the store. */
  readonly transaction: string;
  readonly at: string;
}

export interface EvidenceRecord {
  readonly body: EvidenceBody;
  readonly head: string;
}

/** The head of a chain after a record: SHA-256 over the head before it and the record's canonical JSON. */
export function nextHead(previous: string, body: EvidenceBody): string {
  return sha256(`${previous}\n${canonicalJson(body)}`);
}

/** Names a chain: one per store, run and lane. */
export interface ChainHead {
  readonly store: string;
  readonly lane: number;
  readonly length: number;
  readonly head: string;
}

/** The heads of all chains in a list of records, ordered by store and lane. */
export function chainHeads(records: readonly EvidenceRecord[]): ChainHead[] {
  const heads = new Map<string, ChainHead>();
  for (const { body, head } of records)
    heads.set(`${body.store}\n${body.lane}`, { store: body.store, lane: body.lane, length: body.seq, head });
  return [...heads.values()].sort((a, b) => (a.store < b.store ? -1 : a.store > b.store ? 1 : a.lane - b.lane));
}

export type ChainFault = {
  readonly fault: 'altered' | 'missing' | 'reordered' | 'surplus';
  readonly store: string;
  readonly lane: number;
  readonly seq: number;
};

/**
 * The first record that does not continue its chain, or null when every chain ends in its signed head.
 * `heads` come from the certificate, whose signature the caller has checked.
 */
export function firstFault(records: readonly EvidenceRecord[], heads: readonly ChainHead[]): ChainFault | null {
  for (const signed of heads) {
    const lane = records.filter((record) => record.body.store === signed.store && record.body.lane === signed.lane);
    const name = { store: signed.store, lane: signed.lane };
    let head = GENESIS;
    for (const [index, record] of lane.entries()) {
      const seq = index + 1;
      if (seq > signed.length) return { fault: 'surplus', ...name, seq: record.body.seq };
      if (record.body.seq !== seq) {
        const elsewhere = lane.some((other) => other.body.seq === seq);
        return { fault: elsewhere ? 'reordered' : 'missing', ...name, seq };
      }
      head = nextHead(head, record.body);
      if (head !== record.head) return { fault: 'altered', ...name, seq };
    }
    if (lane.length < signed.length) return { fault: 'missing', ...name, seq: lane.length + 1 };
    if (head !== signed.head) return { fault: 'altered', ...name, seq: signed.length };
  }
  const known = new Set(heads.map((head) => `${head.store}\n${head.lane}`));
  const surplus = records.find((record) => !known.has(`${record.body.store}\n${record.body.lane}`));
  return surplus === undefined ? null : { fault: 'surplus', store: surplus.body.store, lane: surplus.body.lane, seq: surplus.body.seq };
}
