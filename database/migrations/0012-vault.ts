import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Whom requests are about, encrypted, and who looked; who may decide, and what was decided. All of it in the home store. */
export const statements = [
  `create table probity.request_vault (
    request_id text primary key references probity.request (request_id) on delete cascade,
    -- The master key that wraps the data key; the data key is this row's alone.
    key_id text not null,
    wrapped_key bytea,
    nonce bytea,
    ciphertext bytea,
    sealed_at timestamptz not null default clock_timestamp(),
    -- No end is kept: it is the request's close and the window that the manifest in force declares.
    destroyed_at timestamptz,
    check (num_nulls(wrapped_key, nonce, ciphertext) = case when destroyed_at is null then 0 else 3 end)
  )`,
  // A nonce together with its key is used once.
  `create unique index request_vault_nonce on probity.request_vault (nonce) where nonce is not null`,
  `create index request_vault_sealed on probity.request_vault (key_id, request_id) where destroyed_at is null`,

  // No foreign keys below: what has happened stays as long as its request does, and goes only after it.
  `create function probity.refuse_while_requested() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    if exists (select from probity.request r where r.request_id = old.request_id) then
      raise exception 'probity: % is append-only', tg_table_name using errcode = 'PB011';
    end if;
    return old;
  end
  $$`,
  `create table probity.vault_look (
    look_id bigint generated always as identity primary key,
    request_id text not null,
    actor text not null,
    roles text[] not null,
    at timestamptz not null default clock_timestamp()
  )`,
  `create index vault_look_request on probity.vault_look (request_id, look_id)`,
  ...appendOnly('vault_look', 'refuse_while_requested'),
  // As it was given: people write names into reasons, so its rows can be deleted, and that somebody looked stays.
  `create table probity.vault_look_note (
    look_id bigint primary key references probity.vault_look (look_id) on delete cascade,
    why text not null check (why ~ '\\S')
  )`,
  `create trigger append_only before update on probity.vault_look_note for each row execute function probity.refuse_change()`,

  `create table probity.actor (
    actor text primary key,
    roles text[] not null check (cardinality(roles) > 0),
    -- Finds the row; known to whoever reads the table, unlike the token.
    token_id text not null unique,
    token_hash bytea not null check (length(token_hash) = 32),
    expires_at timestamptz not null,
    revoked_at timestamptz
  )`,
  `create table probity.actor_change (
    change_id bigint generated always as identity primary key,
    actor text not null,
    change text not null check (change in ('added', 'rotated', 'revoked')),
    roles text[] not null,
    expires_at timestamptz not null,
    by text not null,
    at timestamptz not null default clock_timestamp()
  )`,
  `create index actor_change_actor on probity.actor_change (actor, change_id)`,
  ...appendOnly('actor_change', 'refuse_change'),

  // The plans that a request had; the last one counts. Null: the one before was dropped.
  `create table probity.request_plan (
    plan_number bigint generated always as identity primary key,
    request_id text not null,
    plan_hash text,
    at timestamptz not null default clock_timestamp()
  )`,
  `create index request_plan_request on probity.request_plan (request_id, plan_number)`,
  ...appendOnly('request_plan', 'refuse_while_requested'),

  `create table probity.request_decision (
    decision_id bigint generated always as identity primary key,
    request_id text not null,
    plan_hash text not null,
    decision text not null check (decision in ('approve', 'reject', 'dismiss')),
    about text,
    actor text not null,
    -- The signed statement, as it was signed.
    statement jsonb not null,
    signature text not null,
    unique nulls not distinct (request_id, plan_hash, actor, decision, about)
  )`,
  ...appendOnly('request_decision', 'refuse_while_requested'),
];

function appendOnly(table: string, onDelete: string): string[] {
  return [
    `create trigger append_only before update on probity.${table} for each row execute function probity.refuse_change()`,
    `create trigger append_only_rows before delete on probity.${table} for each row execute function probity.${onDelete}()`,
    `create trigger append_only_table before truncate on probity.${table} execute function probity.refuse_change()`,
  ];
}

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
