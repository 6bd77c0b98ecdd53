import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** What the keeper has told, has still to do on its day, and has removed. Home store only. */
export const statements = [
  // Once for each day before a due day, and for each day after it. A due day that moved is another.
  `create table probity.request_warning (
    warning_id uuid primary key default gen_random_uuid(),
    request_id text not null references probity.request (request_id) on delete cascade,
    kind text not null check (kind in ('warn', 'confirm', 'overdue')),
    -- Before it is due; of what is overdue: since.
    days integer not null check (days >= 0),
    due_at timestamptz not null,
    legal_due_at timestamptz not null,
    at timestamptz not null,
    -- False: by then a later one had come, and nobody was told of this one.
    told boolean not null,
    -- None: no webhook was declared when it came.
    alert text not null check (alert in ('none', 'open', 'sent')),
    unique (request_id, kind, days, due_at)
  )`,
  `create index request_warning_open on probity.request_warning (at, warning_id) where alert = 'open'`,

  // Local days of which the nightly work is done.
  `create table probity.keeper_night (day date primary key, done_at timestamptz not null default clock_timestamp())`,

  // What was removed of our own records, as a number: of what is gone, no more is known.
  `create table probity.pruning (
    pruning_id bigint generated always as identity primary key,
    what text not null,
    rows bigint not null check (rows > 0),
    closed_before timestamptz not null,
    at timestamptz not null
  )`,

  // Rows of a store that a law keeps after an erasure, until their day. Outlives its request.
  `create sequence probity.obligation_number start 1`,
  `create table probity.obligation (
    obligation_id text primary key,
    -- Of the plan: a request's number, or a batch's.
    request_id text not null,
    -- The requests whose people have such rows.
    requests text[] not null,
    -- Of the erasure that left them.
    run_id text not null references probity.run (run_id),
    store text not null,
    class integer not null,
    -- [{ table, rule, rows, until }]: as it was last seen.
    tables jsonb not null,
    -- The first end; null: nobody can tell.
    due_at timestamptz,
    -- Not before: held, or could not be done.
    look_at timestamptz,
    waits text,
    started_at timestamptz,
    state text not null default 'open' check (state in ('open', 'discharged')),
    opened_at timestamptz not null default clock_timestamp(),
    discharged_at timestamptz,
    unique (run_id, store, class)
  )`,
  `create index obligation_due on probity.obligation (due_at) where state = 'open'`,
  `create index obligation_requests on probity.obligation using gin (requests)`,
  `create table probity.obligation_run (
    obligation_id text not null references probity.obligation (obligation_id),
    number integer not null,
    run_id text not null unique,
    serial bigint,
    closed_at timestamptz,
    primary key (obligation_id, number)
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
