import type { Unit } from '../../domain/retention/plan.ts';
import type { StepRequest } from '../ledger.ts';
import type { Lease } from '../lease.ts';
import type { Pacing } from './pace.ts';
import type { Target } from './target.ts';

/** One lane's share of one pass over one table. */
export interface LaneWork {
  readonly runId: string;
  readonly target: Target;
  readonly tableIndex: number;
  readonly pass: number;
  readonly lane: number;
  readonly lanes: number;
  readonly units: readonly Unit[];
  readonly lease: Lease;
  readonly incarnation: string;
  readonly pacing: Pacing;
  /** Steps of this lane that the caller knows to be committed; fewer in the ledger mean that the store was restored. */
  readonly knownSteps: number;
}

/** How long a step may wait for locks, and how long a statement of it may take; milliseconds. */
export type StepLimits = Pick<StepRequest, 'lockTimeoutMs' | 'statementTimeoutMs'>;

/** What the ledger asks of a step that belongs to this work. */
export function stepRequest(work: LaneWork, lane: number, seq: number, kind: string, limits: StepLimits): StepRequest {
  const { runId, pass, target, lease, incarnation } = work;
  return { runId, lane, seq, kind, pass, cutOff: target.plan.cutOff, lease, incarnation, ...limits };
}
