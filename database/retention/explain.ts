import { sql } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { storeEdges } from '../../domain/retention/graph.ts';
import type { Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { activeHolds, NO_HOLDS } from '../holds.ts';
import { ident, tableRef } from '../identifiers.ts';
import { schemaState } from '../migrate.ts';
import { inTransaction, type Store } from '../store.ts';
import { ROW, type Change } from './change.ts';
import { countOutcomes, keptByReason } from './count.ts';
import { purgeOrder } from './planner.ts';
import { compileRule, type Scope } from './predicates.ts';
import { any } from './protection.ts';

/** A row that stays, by its key. Keys are personal data: for the operator's own terminal, never for a log. */
export interface KeptRow {
  readonly key: Readonly<Record<string, string>>;
  readonly reason: string;
}

export interface Explanation {
  readonly cutOff: Date;
  /** Rows that the rule takes. */
  readonly takes: number;
  /** Rows that stay although their time has passed or cannot be judged, by reason. */
  readonly kept: Readonly<Record<string, number>>;
  readonly rows: readonly KeptRow[];
}

// Enough to recognise a row by, few enough for a line.
const COLUMNS_WITHOUT_KEY = 3;
// Reading waits only for DDL.
const LOCK_MS = 5_000;

/** Which rows of a table its rule would take or cannot judge, and that stay: counts by reason, and the keys of the first `limit`. */
export async function explainKept(store: Store, manifest: Manifest, table: string, asOf: Date, limit: number): Promise<Explanation> {
  const catalog = await readCatalog(store);
  const rule = manifest.tables[`${store.name}.${table}`]?.retention;
  const found = catalog.tables[table];
  if (rule === null || rule === undefined || found === undefined)
    throw new Error(`${store.name}.${table} has no rule or is not in the database`);
  const holds = (await schemaState(store, false)) === 'missing' ? NO_HOLDS : await activeHolds(store.db);
  const edges = storeEdges(catalog, manifest);
  const order = purgeOrder(edges, manifest, store.name, null);
  const scope: Scope = { store: store.name, manifest, catalog, edges, holds, asOf, earlier: order.slice(0, order.indexOf(table)) };
  const predicates = compileRule(scope, table, ROW);
  const change: Change = { scope, table, unit: table, unitOid: found.oid, action: rule.then, predicates };
  const reasons = [...predicates.odd, ...predicates.protectedBy];
  return inTransaction(store, { readOnly: true, isolation: 'repeatable read', lockTimeoutMs: LOCK_MS }, async (trx) => {
    const counts = await countOutcomes(trx, change, null);
    const takes = counts.filter((count) => count.outcome === 'take').reduce((sum, count) => sum + count.rows, 0);
    const kept = keptByReason(counts);
    const base = { cutOff: predicates.cutOff, takes, kept };
    if (reasons.length === 0 || limit === 0 || Object.keys(kept).length === 0) return { ...base, rows: [] };
    const branches = reasons.map(({ condition, label }) => sql`when ${condition} then ${label}`);
    const candidates = any([predicates.expired, ...predicates.odd.map((reason) => reason.condition)]);
    const key = keyColumns(catalog, table);
    const pairs = key.flatMap((column) => [sql`${column}::text`, sql`${ident(ROW, column)}::text`]);
    const { rows } = await sql<KeptRow>`
      select q.key as key, q.reason as reason
      from (
        select jsonb_build_object(${sql.join(pairs)}) as key, case ${sql.join(branches, sql` `)} end as reason
        from ${tableRef(table)} as ${ident(ROW)} where ${candidates}
      ) as q
      where q.reason is not null
      limit ${limit}`.execute(trx);
    return { ...base, rows };
  });
}

/** The primary key, or the shortest unique key; a table without either is told apart by its first columns. */
function keyColumns(catalog: Catalog, table: string): readonly string[] {
  const found = catalog.tables[table];
  const shortest = [...(found?.uniques ?? [])].sort((a, b) => a.length - b.length)[0];
  return found?.primaryKey ?? shortest ?? found?.columns.slice(0, COLUMNS_WITHOUT_KEY).map((column) => column.name) ?? [];
}
