import { sql } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import type { Edge, SubjectPath } from '../../domain/retention/graph.ts';
import { subjectPaths } from '../../domain/retention/graph.ts';
import type { TableHold } from '../../domain/retention/hold.ts';
import type { Manifest } from '../../manifest/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { all, any, joins, matches } from './protection.ts';
import type { Condition } from './times.ts';

const ROW = 't';
const LIMITS = { readOnly: true, lockTimeoutMs: 5_000, statementTimeoutMs: 60_000 } as const;

/** Rows that a hold by table names now. Reads only; a column or value that does not fit fails here, before the hold is placed. */
export async function countHeldByTable(store: Store, catalog: Catalog, hold: TableHold): Promise<number> {
  return inTransaction(store, LIMITS, async (trx) => {
    const { rows } = await sql<{ count: number }>`
      select count(*) as count from ${tableRef(hold.table)} as ${ident(ROW)} where ${matches(hold, ROW, catalog.tables[hold.table])}`.execute(
      trx,
    );
    return rows[0]?.count ?? 0;
  });
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
    counts[table] = await inTransaction(store, LIMITS, async (trx) => {
      const { rows } = await sql<{ count: number }>`
        select count(*) as count from ${tableRef(table)} as ${ident(ROW)} where ${any(paths.map((path) => belongs(path, key)))}`.execute(
        trx,
      );
      return rows[0]?.count ?? 0;
    });
  }
  return counts;
}

/** Declared tables of the store from which a path leads to the subject, as `schema.table`. */
export function reached(edges: readonly Edge[], manifest: Manifest, store: string, subject: string): string[] {
  return Object.keys(manifest.tables)
    .filter((id) => id.startsWith(`${store}.`))
    .map((id) => id.slice(store.length + 1))
    .filter((table) => subjectPaths(table, edges, manifest, store).some((path) => path.subject === subject));
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
