import { canonicalHash } from '../canonical.ts';
import type { ErasureScope, RequestKind, StoreErasure } from './model.ts';

/** What carrying out a request would do: stored, hashed, and approved by its hash. Says nothing of who it is about. */
export interface ErasurePlan {
  readonly job: 'requests';
  readonly organisation: string;
  /** The manifest in force when it was planned. */
  readonly manifest: string;
  readonly mode: 'observe' | 'enforce';
  readonly asOf: string;
  readonly timezone: string;
  /** Its number, such as `R-1001`. */
  readonly request: string;
  readonly kind: RequestKind;
  readonly grounds: readonly string[];
  readonly purpose: string | null;
  /** What ends for the person, and what goes on. */
  readonly scope: ErasureScope;
  /** Under which the keys of the people stand in every store until it closes. */
  readonly run: string;
  readonly stores: readonly StorePlan[];
}

export interface StorePlan {
  readonly erasure: StoreErasure;
  /** People who are held as a whole. */
  readonly heldPeople: number;
  /** Rows by outcome and table, with the keys that steps record. */
  readonly counts: Readonly<Record<string, number>>;
  readonly tables: readonly PlannedTable[];
  /** `create index concurrently …`, for references that are read whole. */
  readonly missingIndexes: readonly string[];
  /** A rough guess. */
  readonly seconds: number;
}

/** Rows of a table by what becomes of them. */
export interface PlannedTable {
  /** `schema.table` */
  readonly table: string;
  readonly erased: number;
  readonly masked: number;
  /** Rows of it, whosoever they are, that lose a reference. */
  readonly detached: number;
  /** Stay, since a purpose that goes on covers them and nothing in them is to be masked. */
  readonly kept: number;
  /** Rows under the floor, and the end of the last of them, ISO 8601; null when nobody can tell. */
  readonly floor: { readonly rows: number; readonly until: string | null } | null;
  /** By hold. */
  readonly held: Readonly<Record<string, number>>;
  readonly pinned: number;
  readonly shared: number;
}

export function erasurePlanHash(plan: ErasurePlan): string {
  return canonicalHash(plan);
}

/** Rows that a plan would change. */
export function changedRows(plan: ErasurePlan): number {
  return plan.stores.flatMap(({ tables }) => tables).reduce((sum, { erased, masked, detached }) => sum + erased + masked + detached, 0);
}

/** `store.schema.table: a sentence that says what to do`, for what makes a plan impossible. */
export function planProblems(plan: ErasurePlan): string[] {
  return plan.stores.flatMap(({ erasure }) => erasure.problems.map(({ message }) => message));
}

// A person goes on living while somebody decides: a few more rows are still what was meant.
const DRIFT_SHARE = 0.1;
const DRIFT_ROWS = 100;

/** Whether carrying it out now would do something else, or noticeably more, than what was shown. */
export function planDrifted(shown: ErasurePlan, now: ErasurePlan): boolean {
  const what = (plan: ErasurePlan): string => canonicalHash(plan.stores.map(({ erasure }) => erasure));
  return what(shown) !== what(now) || changedRows(now) > changedRows(shown) * (1 + DRIFT_SHARE) + DRIFT_ROWS;
}
