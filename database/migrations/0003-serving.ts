import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** What every store needs to answer "may this purpose use this person's data now?" where the data is. */
export const statements = [
  // When the ledger of the home store, judged by the rules in force, allows (or, where absence allows, denies) a purpose. `key` is the
  // subject's key as text; several columns make a JSON array. In the home store derived in the transaction of each record, elsewhere a replica.
  `create table probity.permission_span (
    purpose text not null,
    subject text not null,
    key text not null,
    -- A regime of the manifest; '*' where all regimes agree.
    regime text not null,
    -- Channels for which it holds; empty where every_channel.
    channels text[] not null,
    -- A denial of the purpose as a whole. An allowing span of any channel allows the purpose as a whole.
    every_channel boolean not null,
    allows boolean not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    -- False when a decision ended it. What holds now is open: so a clock that is set back brings no ended permission to life.
    open boolean not null,
    -- The subject must have been of this age (years) at this time; null: no such condition.
    of_age_at timestamptz,
    of_age integer,
    check (from_at < until_at)
  )`,
  `create index permission_span_key on probity.permission_span (purpose, subject, key)`,

  // Views and permissions answer only while this database is the one that was opened, and (in a replica) hears from the home store.
  `create table probity.serving (
    only_row boolean primary key default true check (only_row),
    incarnation text,
    valid_until timestamptz not null default '-infinity',
    -- Of the home store when it was read last.
    replicated_at timestamptz,
    -- Whether the manifest names a sink outside the store.
    sink boolean not null default false
  )`,
  `insert into probity.serving default values`,

  // `clock_timestamp`: a long transaction must notice that the lease has run out. Called once a statement, as `(select …)`.
  `create function probity.serving_open() returns boolean
    language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
    select exists (select from probity.serving where incarnation = probity.incarnation() and valid_until > clock_timestamp())
  $$`,

  // Withdrawals, holds and the like that are not yet in the sink outside the store. A row goes when it is.
  `create table probity.sink_queue (
    entry_id bigint generated always as identity primary key,
    -- Tells a repeat in the sink: an entry may be written twice.
    entry uuid not null default gen_random_uuid(),
    body jsonb not null,
    created_at timestamptz not null default now()
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
