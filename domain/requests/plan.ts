import { canonicalHash } from '../canonical.ts';
import { beyondShown } from '../drift.ts';
import type { ErasureScope, RequestKind, StoreErasure } from './model.ts';

/** What carrying out requests would do: stored, hashed, and approved by its hash. Says nothing of who they are about. */
export interface ErasurePlan {
  readonly job: 'requests';
  readonly organisation: string;
  /** The manifest in force when it was planned. */
  readonly manifest: string;
  readonly mode: 'observe' | 'enforce';
  readonly asOf: string;
  readonly timezone: string;
  /** Its number, such as `R-1001`; of several requests that of their batch, such as `B-1001`. */
  readonly request: string;
  /** `membersHash` of the requests: what was approved is about these and no others. */
  readonly members: string;
  /** One for each request, of whom no two are the same even where somebody has asked twice. */
  readonly people: number;
  /** What was asked for, each once. */
  readonly asks: readonly PlannedAsk[];
  readonly classes: readonly PlannedClass[];
  /** Under which the keys of the people stand in every store until it closes. */
  readonly run: string;
  /** Who shares a number or a name with people of the plan and was not taken for them; left out where there is nobody. */
  readonly apart?: readonly PlannedDoubt[];
  /** What is known of people of the plan and will not be searched for; left out where there is none. */
  readonly unsearched?: readonly Unsearched[];
  /** What people of the plan have and is nobody's, so that rows which name it stay; left out where there is none. */
  readonly shared?: readonly PlannedDoubt[];
  /** One for each store and class, by store. */
  readonly stores: readonly StorePlan[];
}

export interface PlannedDoubt {
  readonly subject: string;
  readonly identity: string;
  /** Of the plan. */
  readonly people: number;
  readonly rows: number;
}

/** An identity that a person has rejected, that several have, or that no subject has as which the people are known. Never its value. */
export interface Unsearched {
  /** Its name; `contact.email` of one that was rejected or is shared. */
  readonly identity: string;
  readonly why: 'rejected' | 'shared' | 'undeclared';
  readonly people: number;
}

export interface PlannedAsk {
  readonly kind: RequestKind;
  readonly grounds: readonly string[];
  readonly purpose: string | null;
  readonly people: number;
}

/** People for whom the same ends and the same goes on, by the same manifest. Its place is the `class` of their keys. */
export interface PlannedClass {
  readonly subject: string;
  /** Hash of the manifest that was in force when they asked; null: none was applied then, so that of the plan counts. */
  readonly before: string | null;
  /** What ends for them, and what goes on. */
  readonly scope: ErasureScope;
  readonly people: number;
}

export interface StorePlan {
  /** Of `classes`. */
  readonly class: number;
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
  /** Rows that get new values and stay. */
  readonly masked: number;
  /** Of these, rows that would go if rows that stay did not need them. */
  readonly needed: number;
  /** What masked rows hold afterwards. */
  readonly columns: readonly MaskedColumn[];
  /** Rows of it, whosoever they are, that lose a reference. */
  readonly detached: number;
  /** Stay, since a purpose that goes on covers them and nothing in them is to be masked. */
  readonly kept: number;
  /** Rows under the floor, and the end of the last of them, ISO 8601; null when nobody can tell. */
  readonly floor: { readonly rows: number; readonly until: string | null } | null;
  /** By hold. */
  readonly held: Readonly<Record<string, number>>;
  /** Would go, and stay as they are since rows that stay need them: nothing in them says who anybody was. */
  readonly pinned: number;
  readonly shared: number;
  /** Rows that are masked and lose a reference, too. */
  readonly twice: number;
  /** By which way from the row to the person, where several ways led to some: rows that no shorter one had reached. */
  readonly ways: readonly { readonly way: string; readonly rows: number }[];
}

export interface MaskedColumn {
  readonly column: string;
  /** `null`, `'erased-…' (made from the row’s key)`, `false`: never what a row has held. */
  readonly becomes: string;
}

const WHY_UNSEARCHED = {
  rejected: 'which somebody has rejected',
  shared: 'which is not only theirs',
  undeclared: 'which no subject has that they are',
} as const;

/** `contact.email, which somebody has rejected (1 person)` */
export function unsearchedText({ identity, why, people }: Unsearched): string {
  return `${identity}, ${WHY_UNSEARCHED[why]} (${people} ${people === 1 ? 'person' : 'people'})`;
}

export function erasurePlanHash(plan: ErasurePlan): string {
  return canonicalHash(plan);
}

/** Rows that a plan would change. */
export function changedRows(plan: ErasurePlan): number {
  return plan.stores
    .flatMap(({ tables }) => tables)
    .reduce((sum, { erased, masked, detached, twice }) => sum + erased + masked + detached - twice, 0);
}

/** Rows that a plan is about: each ends erased, masked, or stays for a reason. Those that only lose a reference are nobody's of it. */
export function namedRows({ erased, masked, kept, floor, held, pinned, shared }: PlannedTable): number {
  return erased + masked + kept + (floor?.rows ?? 0) + Object.values(held).reduce((sum, rows) => sum + rows, 0) + pinned + shared;
}

/** `store.schema.table: a sentence that says what to do`, for what makes a plan impossible. */
export function planProblems(plan: ErasurePlan): string[] {
  return [...new Set(plan.stores.flatMap(({ erasure }) => erasure.problems.map(({ message }) => message)))];
}

/** Names of the stores of a plan, each once, in its order. */
export function planStores(plan: ErasurePlan): string[] {
  return [...new Set(plan.stores.map(({ erasure }) => erasure.store))];
}

/** Of the numbers of requests, in whatever order they come. */
export function membersHash(requests: readonly string[]): string {
  return canonicalHash([...requests].sort());
}

/** Whether carrying it out now would do something else, to other people, or noticeably more, than what was shown. */
export function planDrifted(shown: ErasurePlan, now: ErasurePlan): boolean {
  const what = ({ members, classes, stores }: ErasurePlan): string =>
    canonicalHash({ members, classes, stores: stores.map(({ class: of, erasure }) => ({ of, erasure })) });
  return what(shown) !== what(now) || masksDiffer(shown, now) || beyondShown(changedRows(shown), changedRows(now));
}

/** Whether a column would hold something else than was shown; of columns of which both tell. */
function masksDiffer(shown: ErasurePlan, now: ErasurePlan): boolean {
  const masks = ({ stores }: ErasurePlan): Map<string, string> =>
    new Map(
      stores.flatMap(({ class: of, erasure, tables }) =>
        tables.flatMap(({ table, columns }) =>
          columns.map((it): [string, string] => [JSON.stringify([of, erasure.store, table, it.column]), it.becomes]),
        ),
      ),
    );
  const then = masks(shown);
  return [...masks(now)].some(([column, becomes]) => then.has(column) && then.get(column) !== becomes);
}
