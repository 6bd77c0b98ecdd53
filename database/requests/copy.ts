import { sql, type RawBuilder, type Transaction } from 'kysely';
import { StoreError } from '../errors.ts';
import type { Catalog } from '../../domain/catalog.ts';
import { copyColumns, documentParts, type CopyColumn, type CopyKind } from '../../domain/requests/copy.ts';
import { erasureGraph } from '../../domain/requests/graph.ts';
import type { StoreErasure, TableErasure } from '../../domain/requests/model.ts';
import { erasureWays } from '../../domain/requests/ways.ts';
import { storeEdges } from '../../domain/retention/graph.ts';
import { endOfKeep } from '../../domain/time.ts';
import type { Manifest } from '../../manifest/model.ts';
import { NO_HOLDS } from '../holds.ts';
import { ident, tableRef } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { shownRow } from './copy-columns.ts';
import type { Look } from './erasure/judge.ts';
import { jsonSteps } from './erasure/json-paths.ts';
import { enterAll } from './erasure/look.ts';
import { countRows, createRows, isRow, ROWS } from './erasure/rows.ts';

/** One thing by which a person is known: a subject's key (`key`), or one of its identities. */
export interface CopyKey {
  readonly subject: string;
  readonly identity: string;
  readonly parts: readonly string[];
}

export interface StoreCopy {
  readonly store: Store;
  readonly manifest: Manifest;
  readonly catalog: Catalog;
  /** One for each kind of subject that the person is, of everything. */
  readonly erasures: readonly StoreErasure[];
  readonly kind: CopyKind;
  /** Null: unknown. */
  readonly regime: string | null;
  readonly keys: readonly CopyKey[];
}

/** A table of which rows are in the copy. */
export interface CopiedTable {
  /** `schema.table` */
  readonly table: string;
  /** As what: the kind of subject. */
  readonly subject: string;
  /** Those of them that are in the copy stand in its rows, in this order. */
  readonly columns: readonly CopyColumn[];
  /** Theirs, as an erasure would count them, and rows of nobody or others whose documents name them. */
  readonly theirs: number;
  readonly naming: number;
  /** The earliest and the latest time at which a row was captured; null where nothing says so. */
  readonly captured: { readonly from: string; readonly to: string } | null;
  /** When the last row leaves its retention, and its floor; ISO 8601. */
  readonly endsAt: string | null;
  readonly floorUntil: string | null;
}

/** The values of a row as JSON, in the order of the columns that are in the copy; null: withheld. */
export type CopiedRow = readonly (string | null)[];

/** Where a copy goes, piece by piece: nothing is kept in memory. */
export interface CopySink {
  readonly begin: (table: CopiedTable) => Promise<void>;
  readonly rows: (rows: readonly CopiedRow[], table: CopiedTable) => Promise<void>;
  /** By column: in how many rows something was withheld that is, or may be, another person's. */
  readonly end: (table: CopiedTable, withheld: Readonly<Record<string, number>>) => Promise<void>;
}

/** A million wide rows must not fill the memory: so many stand in it at a time. */
export const ROWS_AT_A_TIME = 500;
const RUN = 'copy';
// As long as a plan of an erasure may look; nobody's lock is waited for longer than it must.
const LIMITS = {
  isolation: 'repeatable read',
  lockTimeoutMs: 10_000,
  statementTimeoutMs: 600_000,
  settings: { timezone: 'UTC', datestyle: 'ISO, YMD', intervalstyle: 'iso_8601', bytea_output: 'hex', extra_float_digits: '1' },
} as const;

/**
 * Reads what a store holds about a person, in one snapshot, and hands it on table by table and some rows at a time. Whose rows they are is
 * asked by the very statements of an erasure. Leaves nothing in the store, its keys neither. Returns the time of the snapshot.
 */
export async function copyStore(copy: StoreCopy, sink: CopySink): Promise<Date> {
  for (const erasure of copy.erasures) refuse(copy, erasure);
  try {
    return await inTransaction(copy.store, LIMITS, async (trx) => {
      await createRows(trx);
      await enterKeys(trx, copy.keys);
      await sql`set transaction read only`.execute(trx);
      const { rows } = await sql<{ now: Date }>`select now() as now`.execute(trx);
      const { now } = rows[0]!;
      const ways = waysOfAll(copy);
      for (const erasure of copy.erasures) await copySubject(copy, erasure, { trx, now, ways }, sink);
      throw new Copied(now);
    });
  } catch (error) {
    if (error instanceof Copied) return error.at;
    throw error;
  }
}

/** Ends the transaction without leaving the keys in it: a process that is killed leaves none either. */
class Copied extends Error {
  readonly at: Date;

  constructor(at: Date) {
    super('the store was read');
    this.at = at;
  }
}

/** Seen by this transaction alone. */
async function enterKeys(trx: Transaction<unknown>, keys: readonly CopyKey[]): Promise<void> {
  for (const { subject, identity, parts } of keys) {
    await sql`
      insert into probity.run_key (run_id, chunk, person, subject, identity, parts, class)
      values (${RUN}, ${subjectOrdinal(keys, subject)}, 0, ${subject}, ${identity}, ${parts}::text[], 0) on conflict do nothing`.execute(
      trx,
    );
  }
}

/** The same address may be that of a person as two kinds of subject; keys of a run differ by their chunk. */
function subjectOrdinal(keys: readonly CopyKey[], subject: string): number {
  return [...new Set(keys.map((it) => it.subject))].indexOf(subject);
}

/** Tables from which rows lead to a subject of any kind: what is not this person's there is somebody else's. */
function waysOfAll({ manifest, catalog }: StoreCopy): ReadonlySet<string> {
  return new Set(
    Object.keys(manifest.subjects).flatMap((subject) => [...erasureWays(erasureGraph(subject, catalog, manifest)).ways.keys()]),
  );
}

interface Snapshot {
  readonly trx: Transaction<unknown>;
  readonly now: Date;
  readonly ways: ReadonlySet<string>;
}

async function copySubject(copy: StoreCopy, erasure: StoreErasure, { trx, now, ways }: Snapshot, sink: CopySink): Promise<void> {
  const { store, manifest, catalog } = copy;
  const target = {
    store,
    manifest,
    catalog,
    edges: storeEdges(catalog, manifest),
    erasure,
    // No hold and no floor changes whose a row is.
    tables: erasure.tables.map((plan) => ({
      name: plan.table,
      live: catalog.tables[plan.table]!,
      // Nobody has asked for anything to go: what several own is theirs, too, and what only mentions them is not.
      plan: { ...plan, floor: null, ways: plan.ways.map((way) => ({ ...way, together: [] })), mentions: [] },
      masks: null,
      detachable: [],
    })),
  };
  const who = { runId: RUN, class: 0, chunk: null, subject: erasure.subject, without: [], heldAnywhere: [] };
  const look: Look = { trx, target, who, held: { people: [], holds: [] }, holds: NO_HOLDS, now, locking: false };
  await enterAll(look, new Set());
  const counts = await countRows(trx);
  for (const [index, plan] of erasure.tables.entries()) {
    const own = counts.filter(({ tbl }) => tbl === index);
    if (own.length === 0) continue;
    const declared = manifest.tables[`${store.name}.${plan.table}`]!;
    const columns = copyColumns(copy.kind, catalog.tables[plan.table]!, declared, manifest, copy.regime);
    if (columns.every(({ leftOut }) => leftOut !== null)) continue;
    const sum = (naming: boolean): number => own.reduce((total, it) => total + ((it.outcome === 'other') === naming ? it.rows : 0), 0);
    const times = await timesOf(look, index, plan);
    const table: CopiedTable = { table: plan.table, subject: erasure.subject, columns, theirs: sum(false), naming: sum(true), ...times };
    await sink.begin(table);
    await sink.end(table, await copyRows(copy, look, { index, table, ways }, sink));
  }
  await sql`delete from ${ROWS}`.execute(trx);
}

interface Reading {
  readonly index: number;
  readonly table: CopiedTable;
  readonly ways: ReadonlySet<string>;
}

async function copyRows(copy: StoreCopy, look: Look, { index, table, ways }: Reading, sink: CopySink): Promise<Record<string, number>> {
  const { trx } = look;
  const columns = table.columns.filter(({ leftOut }) => leftOut === null);
  const { lateral, values, redacted } = shownRow(copy, look, index, columns, ways.has(table.table));
  const primary = copy.catalog.tables[table.table]!.primaryKey ?? [];
  const order = primary.length > 0 ? primary.map((name) => ident('t', name)) : [sql`x.oid`, sql`x.tid`];
  await sql`
    declare probity_copy no scroll cursor for
    select ${sql.join(values.map((value, at) => sql`${value} as ${ident(`c${at}`)}`))},
      ${sql.join(redacted.map((value, at) => sql`${value} as ${ident(`d${at}`)}`))}
    from ${ROWS} as x join ${tableRef(table.table)} as t on ${isRow('t')} ${lateral}
    where x.tbl = ${sql.lit(index)} order by ${sql.join(order)}`.execute(trx);
  const withheld: Record<string, number> = {};
  for (let more = true; more;) {
    const { rows } = await sql<Record<string, string | number | null>>`fetch forward ${sql.lit(ROWS_AT_A_TIME)} from probity_copy`.execute(
      trx,
    );
    for (const row of rows)
      for (const [at, { name }] of columns.entries()) {
        const some = Number(row[`d${at}`]);
        if (some > 0) withheld[name] = (withheld[name] ?? 0) + some;
      }
    if (rows.length > 0) await sink.rows(rows.map((row) => columns.map((_, at) => row[`c${at}`] as string | null)), table); // prettier-ignore
    more = rows.length === ROWS_AT_A_TIME;
  }
  await sql`close probity_copy`.execute(trx);
  return withheld;
}

const TIMES: readonly string[] = ['timestamptz', 'timestamp', 'date'];

/** Since when rows were captured, and when the last of them goes. */
async function timesOf(look: Look, index: number, plan: TableErasure): Promise<Pick<CopiedTable, 'captured' | 'endsAt' | 'floorUntil'>> {
  const { trx, target } = look;
  const { timezone, tables } = target.manifest;
  const { capturedAt, retention, floor } = tables[`${target.store.name}.${plan.table}`]!;
  const typeOf = (name: string): string => target.catalog.tables[plan.table]!.columns.find((it) => it.name === name)?.baseType ?? '';
  const instant = (name: string | null): RawBuilder<unknown> => {
    if (name === null || !TIMES.includes(typeOf(name))) return sql`null::timestamptz`;
    const value = ident('t', name);
    const at = typeOf(name) === 'timestamptz' ? value : sql`${value}::timestamp at time zone ${timezone}`;
    return sql`case when isfinite(${value}) then ${at} end`;
  };
  const after = retention !== null && 'column' in retention.after ? retention.after.column : null;
  const { rows } = await sql<{ first: Date | null; last: Date | null; after: Date | null; floor: Date | null }>`
    select min(${instant(capturedAt)}) as first, max(${instant(capturedAt)}) as last, max(${instant(after)}) as after,
      max(${instant(floor?.after ?? null)}) as floor
    from ${ROWS} as x join ${tableRef(plan.table)} as t on ${isRow('t')} where x.tbl = ${sql.lit(index)}`.execute(trx);
  const found = rows[0]!;
  return {
    captured: found.first === null || found.last === null ? null : { from: found.first.toISOString(), to: found.last.toISOString() },
    endsAt:
      found.after === null || retention === null
        ? null
        : endOfKeep(found.after, { keep: retention.keep, from: null }, timezone).toISOString(),
    floorUntil: found.floor === null || floor === null ? null : endOfKeep(found.floor, floor, timezone).toISOString(),
  };
}

/** A path that nobody can follow might lead to somebody else. */
function refuse({ store, catalog, manifest }: StoreCopy, erasure: StoreErasure): void {
  for (const { table } of erasure.tables) {
    const part = documentParts(table, catalog, manifest).find(({ path }) => jsonSteps(path) === null);
    if (part === undefined) continue;
    const sentence = `the path in ${part.column} is more than names, numbers and [*]: check the manifest`;
    throw new StoreError({ store: store.name, table, code: 'PB004', kind: 'schema', retryable: false, sentence });
  }
}
