import { sql } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { KEPT, type KeptHits } from '../../domain/requests/kept.ts';
import type { ScanHits, ScanResult } from '../../domain/requests/scan.ts';
import type { ScanScope } from '../../domain/requests/scan-scope.ts';
import type { Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import { readScanScope } from './scan.ts';
import { notSearched } from './scan-terms.ts';

/** What was found in a store until now, of all that there is to search in it. */
export async function readScan(store: Store, manifest: Manifest, runId: string): Promise<ScanResult> {
  return scanResult(store, await readScanScope(store, await readCatalog(store), manifest), runId);
}

/** What was found until now, in counts and names. */
export async function scanResult(store: Store, scope: ScanScope, runId: string): Promise<ScanResult> {
  const { rows } = await translating(store, () =>
    sql<{ table: string; column: string; identity: string; expected: boolean; rows: number }>`
      select h.table_name as table, h.column_name as column, h.identity, h.expected,
        count(distinct (h.relation, h.location)) as rows
      from probity.run_hit h where h.run_id = ${runId} group by 1, 2, 3, 4 order by 1, 2, 3`.execute(store.db),
  );
  const ranges = await translating(store, () =>
    sql<{ table: string; done: number; total: number; snapshots: readonly string[] | null }>`
      select s.table_name as table, count(s.snapshot) as done, count(*) as total, array_agg(distinct s.snapshot) filter (where s.snapshot is not null) as snapshots
      from probity.run_scan s where s.run_id = ${runId} group by s.table_name order by s.table_name`.execute(store.db),
  );
  const searched = await notSearched(store, runId);
  const standings = new Map(scope.tables.map(({ table, standing }) => [table, standing]));
  const hits = (only: (row: (typeof rows)[number]) => boolean): ScanHits[] =>
    rows.filter(only).map(({ table, column, identity, rows: count }) => ({
      table,
      standing: standings.get(table) ?? 'unclassified',
      column,
      identity,
      rows: count,
    }));
  return {
    store: scope.store,
    columnsScanned: scope.columnsTotal - scope.notScanned.length,
    columnsTotal: scope.columnsTotal,
    rangesDone: ranges.rows.reduce((sum, { done }) => sum + done, 0),
    rangesTotal: ranges.rows.reduce((sum, { total }) => sum + total, 0),
    hits: hits((row) => !row.expected),
    expected: hits((row) => row.expected),
    kept: await keptHits(store, scope, runId),
    dismissed: [],
    notScanned: scope.notScanned,
    notSearched: searched.not,
    searchedByName: searched.called,
    outside: scope.outside,
    snapshots: Object.fromEntries(ranges.rows.map(({ table, snapshots }) => [table, snapshots ?? []])),
  };
}

async function keptHits(store: Store, { tables }: ScanScope, runId: string): Promise<readonly KeptHits[]> {
  const keys = tables.flatMap(({ table, named }) =>
    named.flatMap(({ identity, columns }) => (identity === KEY_IDENTITY ? [{ table, column: columns.join(', ') }] : [])),
  );
  const { rows } = await translating(store, () =>
    sql<KeptHits>`
      select h.table_name as table, h.kept_by as why, count(distinct (h.relation, h.location)) as rows
      from probity.run_hit h
      where h.run_id = ${runId} and h.expected and h.kept_by <> ${KEPT.reference} and not (h.identity = ${KEY_IDENTITY} and exists (
        select from unnest(${keys.map(({ table }) => table)}::text[], ${keys.map(({ column }) => column)}::text[]) k (t, c)
        where k.t = h.table_name and k.c = h.column_name))
      group by 1, 2 order by 1, 2`.execute(store.db),
  );
  return rows;
}

/** Before the tables in which the scan found somebody, or did not end, are searched again: forgets what it found there and where it was. */
export async function forgetHits(store: Store, runId: string): Promise<void> {
  await inTransaction(store, {}, async (trx) => {
    await sql`
      delete from probity.run_scan s where s.run_id = ${runId}
        and exists (select from probity.run_hit h where h.run_id = s.run_id and h.table_name = s.table_name and not h.expected)`.execute(
      trx,
    );
    await sql`
      delete from probity.run_hit h where h.run_id = ${runId}
        and not exists (select from probity.run_scan s where s.run_id = h.run_id and s.table_name = h.table_name)`.execute(trx);
  });
}

/** At the close of a run, with its keys. */
export async function removeScan(store: Store, runId: string): Promise<void> {
  await inTransaction(store, {}, async (trx) => {
    await sql`delete from probity.run_search where run_id = ${runId}`.execute(trx);
    await sql`delete from probity.run_word where run_id = ${runId}`.execute(trx);
    await sql`delete from probity.run_scan where run_id = ${runId}`.execute(trx);
    await sql`delete from probity.run_hit where run_id = ${runId}`.execute(trx);
  });
}
