import { sql } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { namedElsewhere, type NamedElsewhere, type PersonName } from '../../domain/retention/elsewhere.ts';
import type { Edge, SubjectPath } from '../../domain/retention/graph.ts';
import { subjectPaths } from '../../domain/retention/graph.ts';
import type { TableHold } from '../../domain/retention/hold.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { nameAlong } from './names.ts';
import { all, any, joins, matches } from './protection.ts';
import type { Condition } from './times.ts';

const ROW = 't';
const LIMITS = { readOnly: true, lockTimeoutMs: 5_000, statementTimeoutMs: 60_000 } as const;

/** Rows that a hold by table names now. Reads only; a column or value that does not fit fails here, before the hold is placed. */
export function countHeldByTable(store: Store, catalog: Catalog, hold: TableHold): Promise<number> {
  return countRows(store, hold.table, matches(hold, ROW, catalog.tables[hold.table]));
}

/** Rows that belong to a subject, by table: every declared table from which a path leads to it, also those with none. Reads only. */
export async function countHeldBySubject(
  store: Store,
  edges: readonly Edge[],
  manifest: Manifest,
  subject: string,
  key: readonly string[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of reached(edges, manifest, store.name, subject)) {
    const paths = subjectPaths(table, edges, manifest, store.name).filter((path) => path.subject === subject);
    counts[table] = await countRows(store, table, any(paths.map((path) => belongs(path, key))));
  }
  return counts;
}

/** Rows of these tables that name somebody of another store. Reads only. */
export async function countNamed(
  store: Store,
  tables: ReadonlyMap<string, readonly NamedElsewhere[]>,
  names: readonly PersonName[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [table, ways] of tables) counts[table] = await countRows(store, table, any(ways.map((way) => namesOne(way, names))));
  return counts;
}

/** Declared tables of the store from which a path leads to the subject, as `schema.table`. */
export function reached(edges: readonly Edge[], manifest: Manifest, store: string, subject: string): string[] {
  return declaredTables(manifest, store).filter((table) =>
    subjectPaths(table, edges, manifest, store).some((path) => path.subject === subject),
  );
}

/** Declared tables of the store from which ways lead to columns that name such a person of another store, by `schema.table`. */
export function reachedElsewhere(
  edges: readonly Edge[],
  manifest: Manifest,
  catalog: Catalog,
  subject: string,
): ReadonlyMap<string, readonly NamedElsewhere[]> {
  const ways = declaredTables(manifest, catalog.store).map(
    (table) => [table, namedElsewhere(table, edges, manifest, catalog).filter((way) => way.subject === subject)] as const,
  );
  return new Map(ways.filter(([, found]) => found.length > 0));
}

function declaredTables(manifest: Manifest, store: string): string[] {
  return Object.keys(manifest.tables)
    .filter((id) => storeOf(id) === store)
    .map(inStore);
}

async function countRows(store: Store, table: string, condition: Condition): Promise<number> {
  const { rows } = await inTransaction(store, LIMITS, (trx) =>
    sql<{ count: number }>`select count(*) as count from ${tableRef(table)} as ${ident(ROW)} where ${condition}`.execute(trx),
  );
  return rows[0]?.count ?? 0;
}

function namesOne(way: NamedElsewhere, names: readonly PersonName[]): Condition {
  const { from, ways, value } = nameAlong(way, ROW);
  const values = names.filter((it) => it.subject === way.subject && it.identity === way.identity).map((it) => it.value);
  const named = sql<boolean>`coalesce(${value} = any(${values}::text[]), false)`;
  return from.length === 0 ? named : sql<boolean>`exists (select 1 from ${sql.join(from)} where ${all([...ways, named])})`;
}

function belongs(path: SubjectPath, key: readonly string[]): Condition {
  const aliases = [ROW, ...path.steps.map((_, index) => `${ROW}_p${index}`)];
  const ways = path.steps.map((step, index) => joins(step, aliases[index] ?? '', aliases[index + 1] ?? ''));
  const last = aliases.at(-1) ?? ROW;
  const same = path.keyColumns.map((column, index) => sql<boolean>`${ident(last, column)}::text = ${key[index] ?? ''}`);
  if (path.steps.length === 0) return all(same);
  const from = sql.join(path.steps.map((step, index) => sql`${tableRef(step.to)} as ${ident(aliases[index + 1] ?? '')}`));
  return sql<boolean>`exists (select 1 from ${from} where ${all([...ways, ...same])})`;
}
