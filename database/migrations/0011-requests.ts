import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** What stands around a request: what was done to it, under which reference it came, and what people wrote. Home store only. */
export const statements = [
  // By which references are hashed: without it, whoever knows the form of a reference could try them all.
  `create table probity.request_secret (
    only_one boolean primary key default true check (only_one),
    secret bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    check (length(secret) = 32)
  )`,
  `insert into probity.request_secret default values`,

  // HMAC-SHA256 of the caller's reference. Several may have joined one request.
  `create table probity.request_reference (
    reference bytea primary key check (length(reference) = 32),
    request_id text not null references probity.request (request_id) on delete cascade,
    -- What was asked under it, so that the same reference for something else is told apart from a repeat.
    fingerprint bytea not null
  )`,
  `create index request_reference_request on probity.request_reference (request_id)`,

  `create table probity.request_event (
    event_id bigint generated always as identity primary key,
    -- No foreign key: what has happened stays as long as its request does, and goes only after it.
    request_id text not null,
    verb text not null,
    -- In which it was afterwards.
    state text not null,
    actor text not null,
    at timestamptz not null,
    -- A word of ours or an article, never free text.
    code text check (length(code) <= 40 and code !~ '[@[:space:]]')
  )`,
  `create index request_event_request on probity.request_event (request_id, event_id)`,
  `create trigger append_only before update on probity.request_event for each row execute function probity.refuse_change()`,
  `create function probity.refuse_event_while_requested() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    if exists (select from probity.request r where r.request_id = old.request_id) then
      raise exception 'probity: request_event is append-only while its request is there' using errcode = 'PB011';
    end if;
    return old;
  end
  $$`,
  `create trigger append_only_rows before delete on probity.request_event for each row execute function probity.refuse_event_while_requested()`,
  `create trigger append_only_table before truncate on probity.request_event execute function probity.refuse_change()`,

  // What people wrote, and where they keep the evidence: may name somebody, so its rows can be deleted. What is gone leaves no trace.
  `create table probity.request_note (
    event_id bigint primary key references probity.request_event (event_id) on delete cascade,
    evidence text,
    note text
  )`,
  `create trigger append_only before update on probity.request_note for each row execute function probity.refuse_change()`,

  `revoke execute on all functions in schema probity from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
