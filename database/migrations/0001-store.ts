import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** What every store needs: incarnation, leases, the ledger and legal holds. */
export const statements = [
  `create schema if not exists probity`,

  // One row. \`epoch\` changes when somebody declares a restore; with the oids it makes up the store's incarnation.
  `create table probity.store (
    only_row boolean primary key default true check (only_row),
    epoch uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now()
  )`,
  `insert into probity.store default values`,

  // \`(table_name, fence)\` is unique so that a new fence needs the full row lock and waits for every batch in flight,
  // while renewing \`expires_at\` does not.
  `create table probity.lease (
    table_name text primary key,
    run_id text not null,
    fence bigint not null,
    expires_at timestamptz not null,
    unique (table_name, fence)
  )`,

  `create table probity.step (
    run_id text not null,
    lane integer not null,
    seq integer not null check (seq > 0),
    kind text not null,
    body jsonb,
    next_cursor jsonb,
    head text,
    primary key (run_id, lane, seq)
  )`,

  // Names this very database in its present life: a failover, a restore or a copy changes at least one part. The timeline is taken from the
  // name of the current WAL file: the control file lags behind a promotion until the next checkpoint, and would change it a second time.
  `create function probity.incarnation() returns text
    language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
    select concat_ws('-',
      (select system_identifier from pg_control_system()),
      substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
      (select oid from pg_database where datname = current_database()),
      'probity.step'::regclass::oid,
      (select epoch from probity.store))
  $$`,

  `create table probity.hold (
    hold_id text primary key,
    table_name text,
    conditions jsonb,
    subject text,
    subject_key text[],
    reason text not null,
    actor text not null,
    placed_at timestamptz not null default now(),
    ends_at timestamptz,
    released_at timestamptz,
    released_by text,
    release_reason text,
    check ((table_name is null) <> (subject is null)),
    check ((subject is null) = (subject_key is null))
  )`,
  `create index hold_subject on probity.hold (subject, subject_key) where subject is not null and released_at is null`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
