import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Several requests with one plan, which request each person of a run is from, and when a workflow was started last. Home store only. */
export const statements = [
  // Neither says who a person is: that stands in the stores' run keys.
  `create table probity.run_person (
    run_id text not null,
    person integer not null,
    request_id text not null,
    primary key (run_id, person)
  )`,
  `create index run_person_request on probity.run_person (request_id, run_id)`,

  `create sequence probity.batch_number start 1001`,
  `create table probity.request_batch (
    batch_id text primary key,
    -- Chosen by somebody, or all that a pre-approved envelope lets pass.
    origin text not null check (origin in ('manual', 'envelope')),
    actor text not null,
    created_at timestamptz not null default clock_timestamp(),
    -- Open: its plan was dropped. What it is about moves together with it.
    state text not null check (state in ('open', 'planned', 'approved', 'running', 'closed')),
    closed_at timestamptz,
    check ((closed_at is null) = (state <> 'closed'))
  )`,
  // Whom the batch's plan was made for, also after they have left it.
  `create table probity.request_batch_member (
    batch_id text not null references probity.request_batch (batch_id) on delete cascade,
    request_id text not null references probity.request (request_id) on delete cascade,
    primary key (batch_id, request_id)
  )`,
  `create index request_batch_member_request on probity.request_batch_member (request_id)`,
  // The batch that a request goes with; null: alone.
  `alter table probity.request add column batch_id text references probity.request_batch (batch_id)`,
  `create index request_batch_current on probity.request (batch_id) where batch_id is not null`,

  // What stands under a batch's number is as append-only as what stands under a request's.
  ...['refuse_while_requested', 'refuse_event_while_requested'].map(
    (name) => `create or replace function probity.${name}() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    if exists (select from probity.request r where r.request_id = old.request_id)
      or exists (select from probity.request_batch b where b.batch_id = old.request_id) then
      raise exception 'probity: % is append-only while its request is there', tg_table_name using errcode = 'PB011';
    end if;
    return old;
  end
  $$`,
  ),

  // So that a workflow which fails at once is not started again at once.
  `create table probity.request_start (
    request_id text primary key,
    started_at timestamptz not null
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
