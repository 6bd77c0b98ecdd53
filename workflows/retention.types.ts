import type { OpenedPlan } from '../domain/retention/opened.ts';

/** What starts a purge; the workflow's id names the run. Ids and times only. */
export interface RetentionInput {
  readonly actor: string;
  /** ISO 8601; a past day to purge as of. Null: the schedule's time or now, whichever is earlier. */
  readonly asOf: string | null;
  /** `store.schema.table` ids; null purges every table that has a rule. */
  readonly only: readonly string[] | null;
  /** Plan and report, change nothing, whatever the manifest's mode. */
  readonly dryRun: boolean;
  /** Set by continue-as-new alone. */
  readonly resume?: RetentionState;
}

/** What a purge knows between two activities; carried through continue-as-new. */
export interface RetentionState {
  readonly plan: OpenedPlan;
  readonly approvedBy: string | null;
  table: number;
  pass: number;
  fence: number | null;
  /** Indexes of the current table's units that the pass works on; null means all. */
  units: readonly number[] | null;
  /** Steps known to be committed, by lane, of the current table's store. */
  steps: Record<string, number>;
  lanesDone: readonly number[];
  /** Rows changed, by table index. */
  changed: Record<string, number>;
  changedInPass: number;
  /** Tables that ended in an error: index and kind. */
  failed: Record<string, string>;
  /** A store was not what it was, and a person let the run go on. */
  restored: boolean;
  /** The consent ledger's own retention, which comes behind the tables. */
  proofs: 'open' | 'done' | 'failed' | 'not asked for';
}

export type RetentionStage =
  'planning' | 'waiting for approval' | 'running' | 'paused' | 'outside the window' | 'proofs' | 'parked' | 'closing' | 'closed';

/** The answer to the `progress` query. */
export interface RetentionProgress {
  readonly stage: RetentionStage;
  readonly planHash: string | null;
  readonly approvedBy: string | null;
  readonly table: number;
  readonly pass: number;
  readonly planned: readonly number[];
  readonly changed: readonly number[];
  readonly until: string | null;
  readonly failed: Readonly<Record<string, string>>;
}

export interface RetentionResult {
  readonly runId: string;
  readonly planHash: string;
  readonly outcome: 'observed' | 'complete' | 'incomplete' | 'cancelled';
  /** Rows of other tables included. */
  readonly planned: number;
  readonly changed: number;
  /** Contents of consent records that the ledger's own retention pruned, or in mode observe would; null: it was not part of the run, or could not be counted. */
  readonly proofs: number | null;
  readonly serial: number | null;
}

export interface Approval {
  readonly planHash: string;
  readonly actor: string;
}
