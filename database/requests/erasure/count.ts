import { sql } from 'kysely';
import type { PlannedTable } from '../../../domain/requests/plan.ts';
import { endOfKeep } from '../../../domain/time.ts';
import { activeHolds } from '../../holds.ts';
import { ident, tableRef } from '../../identifiers.ts';
import { inTransaction, type Store } from '../../store.ts';
import { missingIndexes, type MissingIndex } from '../../../domain/requests/indexes.ts';
import { lookAt, type Look, type Reached } from './judge.ts';
import type { People } from './keys.ts';
import { lookedAt, maskedRows, settle } from './look.ts';
import { columnOf } from './reach.ts';
import { maskedColumnsOf } from './shown.ts';
import { createRows, ROWS, isRow, type RowCount } from './rows.ts';
import type { ErasureTarget } from './target.ts';

/** What an erasure would do. The counts have the keys that its steps record. */
export interface ErasureCount {
  readonly people: number;
  /** Of these, held as a whole. */
  readonly heldPeople: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly tables: readonly PlannedTable[];
  /** Which way led to how many rows that no shorter way had reached. */
  readonly reached: readonly Reached[];
  readonly missingIndexes: readonly MissingIndex[];
  /** A rough guess from the counts. */
  readonly seconds: number;
}

/** Whether anything is left of what an erasure was to do. */
export interface ErasureCheck {
  /** Rows that would still be deleted or masked. */
  readonly remaining: number;
  readonly counts: Readonly<Record<string, number>>;
  /** As of which it is true. */
  readonly snapshot: string;
}

// A plan over a large store may take minutes, and waits for nobody's lock longer than it must.
const LIMITS = { isolation: 'repeatable read', lockTimeoutMs: 10_000, statementTimeoutMs: 600_000 } as const;

/** Counts what an erasure of these people would do: by the very conditions of its steps, in one snapshot, changing and locking nothing. */
export async function countErasure(target: ErasureTarget, people: People): Promise<ErasureCount> {
  return looking(target.store, async (trx) => {
    const look = await lookAt(trx, target, people, await activeHolds(trx), false);
    const reached = await settle(look, new Set());
    const { rows, counts } = await lookedAt(look);
    const tables = await Promise.all(look.target.tables.map((_, index) => tableCount(look, index, rows, reached)));
    const missing = missingIndexes(
      target.tables.flatMap(({ plan }) => (plan === null ? [] : [plan])),
      target.catalog,
    );
    const number = await sql<{ people: number }>`
      select count(distinct k.person) as people from probity.run_key as k
      where k.run_id = ${people.runId} and k.class = ${people.class} and (${people.chunk}::integer is null or k.chunk = ${people.chunk})`.execute(
      trx,
    );
    return {
      people: number.rows[0]?.people ?? 0,
      heldPeople: look.held.people.length,
      counts,
      tables: tables.filter((it) => it !== null),
      reached,
      missingIndexes: missing,
      seconds: estimate(target, rows, missing),
    };
  });
}

/**
 * Re-reads every row of these people that the erasure is about: nothing is left to be deleted or masked but what is held, kept or pinned. More
 * may be left when rows came meanwhile, or when what pinned a row has gone with people of a later chunk: then the chunk is to be taken again.
 */
export async function verifyErasure(target: ErasureTarget, people: People): Promise<ErasureCheck> {
  return looking(target.store, async (trx) => {
    const look = await lookAt(trx, target, people, await activeHolds(trx), false);
    await settle(look, new Set());
    const { counts, remaining } = await lookedAt(look);
    const { rows } = await sql<{ snapshot: string }>`select pg_current_snapshot()::text as snapshot`.execute(trx);
    return { remaining, counts, snapshot: rows[0]?.snapshot ?? '' };
  });
}

/** A look that changes nothing: from here on Postgres itself refuses every change but to the temporary table. */
export async function looking<T>(store: Store, look: (trx: Look['trx']) => Promise<T>): Promise<T> {
  return inTransaction(store, LIMITS, async (trx) => {
    await createRows(trx);
    await sql`set transaction read only`.execute(trx);
    return look(trx);
  });
}

async function tableCount(
  look: Look,
  index: number,
  counts: readonly RowCount[],
  reached: readonly Reached[],
): Promise<PlannedTable | null> {
  const { name } = look.target.tables[index]!;
  const own = counts.filter((row) => row.tbl === index);
  if (own.length === 0) return null;
  const all = (some: (row: RowCount) => number, outcome?: RowCount['outcome']): number =>
    own.reduce((total, row) => total + (outcome === undefined || row.outcome === outcome ? some(row) : 0), 0);
  const sum = (outcome: RowCount['outcome']): number => all((row) => row.rows - (outcome === 'delete' ? 0 : maskedRows(row)), outcome);
  const ways = reached.filter(({ table, rows }) => table === name && rows > 0).map(({ way, rows }) => ({ way, rows }));
  const held = own.filter((row) => row.outcome === 'held').map((row) => [row.why?.replace(/^hold:/, '') ?? '', row.rows] as const);
  return {
    table: name,
    erased: sum('delete'),
    masked: all(maskedRows),
    needed: all(maskedRows, 'pinned'),
    columns: maskedColumnsOf(look.target.tables[index]!, {
      kept: all((row) => row.rows, 'mask') > 0,
      pinned: all((row) => row.touched, 'pinned') > 0,
      named: all((row) => row.named) > 0,
    }),
    detached: all((row) => row.detached),
    kept: sum('keep'),
    floor: sum('floor') === 0 ? null : { rows: sum('floor'), until: await floorEnd(look, index) },
    held: Object.fromEntries(held),
    pinned: sum('pinned'),
    shared: sum('shared'),
    twice: own.reduce((total, row) => total + (row.outcome === 'delete' ? 0 : row.twice), 0),
    ways: ways.length < 2 ? [] : ways,
  };
}

/** The end of the last row's floor, as the store's clock and the manifest's zone tell it. */
async function floorEnd({ trx, target }: Look, index: number): Promise<string | null> {
  const { name, plan } = target.tables[index]!;
  const floor = plan?.floor ?? null;
  if (floor === null) return null;
  const zone = target.manifest.timezone;
  const value = ident('t', floor.after);
  const { baseType } = columnOf(target.catalog, name, floor.after);
  const instant = baseType === 'timestamptz' ? value : sql`${value}::timestamp at time zone ${zone}`;
  const { rows } = await sql<{ last: Date | null; odd: boolean }>`
    select max(${instant}) filter (where isfinite(${value})) as last, coalesce(bool_or(isfinite(${value}) is not true), false) as odd
    from ${ROWS} as x, ${tableRef(name)} as t where x.tbl = ${sql.lit(index)} and x.outcome = 'floor' and ${isRow('t')}`.execute(trx);
  const [row] = rows;
  if (row === undefined || row.last === null || row.odd) return null;
  return endOfKeep(row.last, floor, zone).toISOString();
}

/** Seconds a row, and a row of a table that is read whole for each chunk; measured on two cores, and no better than an order of magnitude. */
const PER_ROW = 15e-6;
const PER_ROW_READ = 0.3e-6;
/** A step's own cost. */
const PER_STEP = 0.05;

function estimate(target: ErasureTarget, rows: readonly RowCount[], missing: readonly MissingIndex[]): number {
  const changed = rows.reduce((sum, row) => sum + (row.outcome === 'keep' ? 0 : row.rows), 0);
  const read = missing.reduce((sum, { table }) => sum + Math.max(0, target.catalog.tables[table]?.estimatedRows ?? 0), 0);
  return PER_STEP + changed * PER_ROW + read * PER_ROW_READ;
}
