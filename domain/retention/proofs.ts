import type { EvidenceRecord } from '../evidence/chain.ts';

/** Where the ledger keeps what consent records say; its own retention is a part of every run over all tables. */
export const PROOFS_TABLE = 'probity.consent_content';
/** Of the home store's chains: behind the lanes of tables, of which there are 32 at most. */
export const PROOFS_LANE = 1_000;
/** Kinds of its steps. */
export const PROOFS_PRUNED = 'proofs';
export const PROOFS_CLOSED = 'proofs closed';

/** What became of the proofs in a run; null where it did not look at them. */
export interface ProofsOutcome {
  readonly store: string;
  readonly cutOff: string;
  /** Contents of consent records that went. */
  readonly pruned: number;
  /** Contents whose time has come, but that an answer still rests on, or a legal hold or an open request keeps. */
  readonly kept: number;
  readonly held: number;
  readonly requested: number;
  /** False: the run did not come to the end of the ledger. */
  readonly closed: boolean;
}

/** Told from the evidence alone. */
export function proofsOutcome(records: readonly EvidenceRecord[]): ProofsOutcome | null {
  const own = records.filter(({ body }) => body.lane === PROOFS_LANE);
  const [first] = own;
  if (first === undefined) return null;
  const sum = (outcome: string): number => own.reduce((total, { body }) => total + (body.counts[outcome] ?? 0), 0);
  return {
    store: first.body.store,
    cutOff: first.body.cutOff ?? '',
    pruned: sum('erased'),
    kept: sum('kept:answer'),
    held: sum('kept:hold'),
    requested: sum('kept:request'),
    closed: own.some(({ body }) => body.kind === PROOFS_CLOSED),
  };
}

/** What the certificate says of it. */
export function proofsStatement({ store, cutOff, pruned, kept, held, requested, closed }: ProofsOutcome): string {
  const stays = [
    ...(kept > 0 ? [`${kept} stay because an answer rests on them`] : []),
    ...(held > 0 ? [`${held} stay under a legal hold`] : []),
    ...(requested > 0 ? [`${requested} stay for an open request`] : []),
  ];
  const said = [`${pruned} contents of consent records that had been out of force since before ${cutOff} were pruned`, ...stays].join(', ');
  return `${store}.${PROOFS_TABLE}: ${said}${closed ? '' : '; the run did not come to their end'}`;
}
