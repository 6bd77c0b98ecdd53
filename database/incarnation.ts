import { sql, type Kysely } from 'kysely';

/*
 * The timeline is taken from the name of the current WAL file: the control file lags behind a promotion until the next checkpoint, and
 * would change the incarnation a second time.
 */

/**
 * Names this very database in its present life: the cluster's identifier and timeline, the database's and the ledger's
 * object ids, and a random epoch. A failover, a restore or a copy changes at least one of them.
 */
export async function incarnation(db: Kysely<unknown>): Promise<string> {
  const { rows } = await sql<{ incarnation: string }>`
    select concat_ws('-',
      (select system_identifier from pg_control_system()),
      substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
      (select oid from pg_database where datname = current_database()),
      'probity.step'::regclass::oid,
      (select epoch from probity.store)) as incarnation`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('The store has no incarnation');
  return row.incarnation;
}
