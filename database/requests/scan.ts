import { sql } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { scanScope, type ScanScope } from '../../domain/requests/scan-scope.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import type { ExpectedRows } from './expected-rows.ts';
import { readRange, type Range, type Reader } from './scan-range.ts';
import { termsOfRun } from './scan-terms.ts';
import { RareWords } from './scan-words.ts';

/** 32 MB of 8 kB pages: some seconds of reading at most, after which nothing of it is repeated, and lanes end at about the same time. */
const RANGE_BLOCKS = 4_096;
/** A range that takes longer is halved. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** Statements at the same time. */
const DEFAULT_LANES = 2;

/** What to search in a store. Asks which columns may be read, and which views are copies. */
export async function readScanScope(store: Store, catalog: Catalog, manifest: Manifest): Promise<ScanScope> {
  const { rows } = await translating(store, () =>
    sql<{ id: string; materialized: boolean; unreadable: readonly string[] }>`
      select n.nspname || '.' || c.relname as id, c.relkind = 'm' and c.relispopulated as materialized,
        array(select a.attname::text from pg_catalog.pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            and not (pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_column_privilege(c.oid, a.attnum, 'select'))) as unreadable
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'f', 'm') and n.nspname || '.' || c.relname = any (${Object.keys(catalog.tables)}::text[])`.execute(
      store.db,
    ),
  );
  return scanScope(catalog, manifest, {
    unreadable: new Set(rows.flatMap(({ id, unreadable }) => unreadable.map((column) => `${id}.${column}`))),
    materialized: new Set(rows.filter(({ materialized }) => materialized).map(({ id }) => id)),
  });
}

export interface ScanOptions {
  /** Also look for names. Only for a run of one person: others have the same. */
  readonly names?: boolean;
  /** Rows that the plan keeps: what stands in them is counted apart. */
  readonly expected?: readonly ExpectedRows[];
  readonly lanes?: number;
  readonly rangeBlocks?: number;
  readonly statementTimeoutMs?: number;
}

export interface ScanProgress {
  readonly rangesDone: number;
  readonly rangesTotal: number;
  /** `schema.table`, just read. */
  readonly tables: readonly string[];
}

/**
 * Searches every table of the scope for the people whose keys stand in `probity.run_key` under `runId`. What it finds goes to `probity.run_hit`, how far
 * it is to `probity.run_scan`, in one transaction per range: called again, it goes on. Yields after each range, for heartbeats. Changes nothing
 * else. Throws `StoreError`; `busy` may be tried again.
 */
export async function* scan(store: Store, scope: ScanScope, runId: string, options: ScanOptions = {}): AsyncGenerator<ScanProgress> {
  const terms = await termsOfRun(store, runId, options.names === true, scope.called);
  await planRanges(store, scope, runId, options.rangeBlocks ?? RANGE_BLOCKS);
  const reader: Reader = {
    store,
    runId,
    words: await RareWords.open(store, runId, terms, scope.called),
    classes: await readClasses(store, runId),
    expected: options.expected ?? [],
    timeoutMs: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
  };
  const tables = new Map(scope.tables.map((table) => [table.table, table]));
  const { open, total } = await readRanges(store, runId);
  const lanes = options.lanes ?? DEFAULT_LANES;
  const reading = new Map<Range, Promise<{ readonly range: Range; readonly error: unknown }>>();
  const read = (range: Range) =>
    readRange(reader, tables.get(range.table_name)!, range).then(
      () => ({ range, error: null }),
      (error: unknown) => ({ range, error }),
    );
  let [next, done] = [0, total - open.length];
  try {
    while (next < open.length || reading.size > 0) {
      for (; next < open.length && reading.size < lanes; next++) reading.set(open[next]!, read(open[next]!));
      const { range, error } = await Promise.race(reading.values());
      reading.delete(range);
      if (error !== null) throw error as Error;
      done += 1;
      yield { rangesDone: done, rangesTotal: total, tables: [range.table_name] };
    }
  } finally {
    // All of them end before one's failure is told: what goes on behind a failed activity could meet its successor.
    await Promise.all(reading.values());
  }
}

/** Only at the first call: later ones find the ranges, though the table may have grown. The last one is open. */
async function planRanges(store: Store, scope: ScanScope, runId: string, blocks: number): Promise<void> {
  const pairs = scope.tables.flatMap(({ table, relations, wholeParent }) =>
    relations.map((relation) => ({ table, relation, wholeParent })),
  );
  await translating(store, () =>
    sql`
      insert into probity.run_scan (run_id, table_name, relation, from_block, to_block)
      select ${runId}, u.table_name, u.relation, s.block, nullif(s.block + ${blocks}, s.last + ${blocks})
      from unnest(${pairs.map(({ table }) => table)}::text[], ${pairs.map(({ relation }) => relation)}::text[], ${pairs.map(({ wholeParent }) => wholeParent)}::boolean[])
        with ordinality as u (table_name, relation, whole, n)
      cross join lateral (
        select g.block, max(g.block) over () as last
        from generate_series(0::bigint, case when u.whole then 0 else greatest(coalesce(pg_relation_size(
          (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace m on m.oid = c.relnamespace where m.nspname || '.' || c.relname = u.relation))
          / current_setting('block_size')::bigint, 0) - 1, 0) end, ${blocks}::bigint) as g (block)) s
      where not exists (select from probity.run_scan x where x.run_id = ${runId} and x.relation = u.relation)
      order by u.n, s.block
      on conflict do nothing`.execute(store.db),
  );
}

async function readClasses(store: Store, runId: string): Promise<ReadonlyMap<number, ReadonlySet<number>>> {
  const { rows } = await translating(store, () =>
    sql<{ person: number; class: number }>`
      select distinct k.person, k.class from probity.run_key k where k.run_id = ${runId}`.execute(store.db),
  );
  return new Map([...Map.groupBy(rows, ({ person }) => person)].map(([person, its]) => [person, new Set(its.map((it) => it.class))]));
}

/** Of the largest tables first: what is left at the end is small, and no lane waits long for another. */
async function readRanges(store: Store, runId: string): Promise<{ readonly open: Range[]; readonly total: number }> {
  const { rows } = await translating(store, () =>
    sql<Range & { done: boolean }>`
      select s.table_name, s.relation, s.from_block, s.to_block, s.snapshot is not null as done
      from probity.run_scan s where s.run_id = ${runId}
      order by count(*) over (partition by s.relation) desc, s.table_name, s.relation, s.from_block`.execute(store.db),
  );
  return { open: rows.filter(({ done }) => !done), total: rows.length };
}
