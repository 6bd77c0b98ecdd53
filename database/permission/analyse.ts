import { sql } from 'kysely';
import { ident } from '../identifiers.ts';
import { StoreError, translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';

/*
 * Until the server analyses tables that have just grown, it plans views and look-ups as if they were empty. It does so by itself, but only
 * within minutes, and until then a view of a million people may take half a minute a query.
 */

/**
 * Whether the planner knows of what was taken in. `refused`: our role neither owns a table nor has MAINTAIN on it (Postgres 17 and later);
 * `later`: a lock was in the way for too long, or the database went away; the server's own turn will come.
 */
export type Analysed = 'not needed' | 'done' | 'refused' | 'later';

/** What an import, or a reading of a table, brings rows into. Not the queues: they are as good as empty most of the time. */
const TABLES = [
  'consent_link',
  'consent_alias',
  'consent_record',
  'consent_content',
  'permission_span',
  'request',
  'request_suppression',
] as const;
/** Of what the planner believes the ledger to have. From here on autovacuum would analyse too (its `autovacuum_analyze_scale_factor`). */
const SHARE = 0.1;
/** Fewer records are found quickly by any plan. */
const LEAST_RECORDS = 1_000;
/** Another ANALYZE takes a second or two; autovacuum gives way within one. A vacuum by hand is not waited for. */
const LOCK_TIMEOUT_MS = 5_000;

/**
 * Analyses the ledger's tables when a considerable share of them is new: `recorded` entries, and `known` ones that the planner has not heard
 * of, as after an import that was interrupted. Never throws: what was recorded stays recorded.
 */
export async function analyseLedger(
  home: Store,
  { recorded, known }: { readonly recorded: number; readonly known: number },
): Promise<Analysed> {
  try {
    const tables = await translating(home, () => ledgerTables(home));
    const believed = tables.find(({ name }) => name === 'consent_record')?.rows ?? 0;
    const fresh = Math.max(recorded, recorded + known - believed);
    if (fresh < LEAST_RECORDS || fresh < SHARE * believed) return 'not needed';
    let outcome: Analysed = tables.every(({ allowed }) => allowed) ? 'done' : 'refused';
    for (const { name } of tables.filter(({ allowed }) => allowed)) if (!(await analyseTable(home, name))) outcome = 'later';
    return outcome;
  } catch {
    return 'later';
  }
}

/** In a transaction of its own: what waits for one table keeps no lock on another. False: a lock was in the way. */
async function analyseTable(home: Store, name: string): Promise<boolean> {
  try {
    await inTransaction(home, { lockTimeoutMs: LOCK_TIMEOUT_MS }, (trx) => sql`analyze ${ident('probity', name)}`.execute(trx));
    return true;
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'busy') return false;
    throw error;
  }
}

/** The planner's number of rows, and whether ANALYZE would do anything: to whoever may not it says a warning and skips the table. */
async function ledgerTables(home: Store): Promise<readonly { readonly name: string; readonly rows: number; readonly allowed: boolean }[]> {
  const { rows } = await sql<{ name: string; rows: number; allowed: boolean }>`
    select c.relname as name, greatest(c.reltuples, 0)::bigint as rows,
      pg_has_role(c.relowner, 'usage') or pg_has_role(d.datdba, 'usage')
        or case when current_setting('server_version_num')::integer >= 170000 then has_table_privilege(c.oid, 'maintain') else false end as allowed
    from pg_class c cross join pg_database d
    where c.relnamespace = 'probity'::regnamespace and c.relname = any (${TABLES}::text[]) and d.datname = current_database()
    order by c.relname`.execute(home.db);
  return rows;
}
