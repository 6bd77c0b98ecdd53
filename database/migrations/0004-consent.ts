import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/**
 * The consent ledger and what a withdrawal sets in motion. `consent_record` is append-only and says nothing about anybody: who (link) and
 * what (content, with the salt of the commitment) stand in tables from which rows can be deleted, so the chain survives an erasure.
 */
export const statements = [
  // The manifest's purposes as the rules that SQL judges by; a row for each channel (an empty one where none is declared) and regime.
  `create table probity.purpose_rule (
    purpose text not null,
    regime text not null,
    channel text not null,
    basis text not null,
    objection text,
    expires interval,
    double_opt_in boolean not null,
    minimum_age integer,
    zone text not null,
    manifest_hash text not null,
    primary key (purpose, regime, channel)
  )`,

  // `subject`: a subject of the manifest, or a kind of somebody not yet known: 'device', 'email' (SHA-256 of the address).
  `create table probity.consent_link (
    subject text not null,
    key text not null,
    ref uuid not null unique default gen_random_uuid(),
    created_at timestamptz not null default now(),
    primary key (subject, key)
  )`,
  `create table probity.consent_alias (
    ref uuid primary key references probity.consent_link (ref) on delete cascade,
    person uuid not null references probity.consent_link (ref) on delete cascade,
    linked_at timestamptz not null default now()
  )`,
  `create index consent_alias_person on probity.consent_alias (person)`,

  `create table probity.consent_seal (
    seal_id bigint primary key,
    count integer not null check (count > 0),
    root bytea not null,
    head bytea not null,
    sealed_at timestamptz not null,
    -- For each record its number and the beginning of its leaf: names the record where the root only says that one was changed.
    leaves bytea not null
  )`,
  `create sequence probity.consent_record_number`,
  `create table probity.consent_record (
    record_id bigint primary key,
    ref uuid not null,
    received_at timestamptz not null,
    commitment bytea not null,
    seal_id bigint references probity.consent_seal (seal_id)
  )`,
  `create index consent_record_unsealed on probity.consent_record (record_id) where seal_id is null`,
  `create index consent_record_seal on probity.consent_record (seal_id, record_id) where seal_id is not null`,
  `create table probity.consent_content (
    -- No foreign keys on what every record inserts: records are never deleted, the function that writes writes both, and the check of a key cost
    -- as much as the rest of the row.
    record_id bigint primary key,
    ref uuid not null,
    salt bytea not null,
    purpose text not null,
    channel text,
    decision text not null check (decision in ('asked', 'pending', 'granted', 'refused', 'withdrawn', 'objected', 'objection_upheld',
      'objection_rejected', 'restricted', 'restriction_lifted')),
    -- What orders records: the earlier of captured and received.
    at timestamptz not null,
    captured_at timestamptz not null,
    received_at timestamptz not null,
    touchpoint text not null,
    notice text,
    language text,
    given_by text not null check (given_by in ('self', 'parent')),
    proof text,
    actor text not null,
    door text not null check (door in ('command', 'library', 'import', 'table', 'signal', 'replay')),
    -- The basis and the end that held when the record came: a later manifest rescues nothing.
    basis text not null,
    expires_at timestamptz,
    manifest_hash text not null,
    -- Of what was said, so that saying it again changes nothing; null: nothing says it again.
    fingerprint bytea
  )`,
  `create unique index consent_content_fingerprint on probity.consent_content (fingerprint) where fingerprint is not null`,
  `create index consent_content_ref on probity.consent_content (ref, purpose)`,

  `create function probity.refuse_change() returns trigger language plpgsql as $$
  begin
    raise exception 'probity: % is append-only', tg_table_name using errcode = 'PB011';
  end
  $$`,
  // The seal's number is the one thing that comes later, once.
  `create trigger append_only before update on probity.consent_record for each row
    when (old.seal_id is not null or new.seal_id is null or (new.record_id, new.ref, new.received_at, new.commitment)
      is distinct from (old.record_id, old.ref, old.received_at, old.commitment)) execute function probity.refuse_change()`,
  `create trigger append_only_rows before delete on probity.consent_record for each row execute function probity.refuse_change()`,
  `create trigger append_only_table before truncate on probity.consent_record execute function probity.refuse_change()`,
  `create trigger append_only before update on probity.consent_seal for each row execute function probity.refuse_change()`,
  `create trigger append_only_rows before delete on probity.consent_seal for each row execute function probity.refuse_change()`,
  `create trigger append_only_table before truncate on probity.consent_seal execute function probity.refuse_change()`,
  // Content may go (erasure, end of its keep), but never change.
  `create trigger append_only before update on probity.consent_content for each row execute function probity.refuse_change()`,
  `create trigger append_only_table before truncate on probity.consent_content execute function probity.refuse_change()`,

  // How far a table of the company's own has been read. `position` and `cursor` are times of the table's column, as text: of the last
  // reading that came to its end, and of the one under way.
  `create table probity.consent_sync (
    source text primary key,
    position text,
    run_id text,
    cursor text,
    newest_at timestamptz,
    synced_at timestamptz,
    read bigint not null default 0,
    recorded bigint not null default 0,
    known bigint not null default 0,
    rejected bigint not null default 0,
    -- Why rows were not taken → how many.
    reasons jsonb not null default '{}'
  )`,

  // Who is in a segment, and since when: ended in the transaction of a withdrawal, served only together with a permission.
  `create table probity.membership (
    segment text not null,
    purpose text not null,
    subject text not null,
    key text not null,
    since timestamptz not null default now(),
    ended_at timestamptz,
    ended_because text,
    primary key (segment, subject, key, since)
  ) with (fillfactor = 85)`,
  // Of all, ended or not, and with room in each page: so that an end changes a row in its place, and no index.
  `create index membership_person on probity.membership (subject, key, purpose)`,

  // One table for all rights. Says nothing of who asked but its `ref`; free text stands in tables from which rows can be deleted (0011).
  // What a withdrawal inserts is what it knows; the rest is null until somebody has done it.
  `create table probity.request (
    request_id text primary key,
    kind text not null check (kind in ('withdrawal', 'objection', 'restriction', 'erasure', 'access', 'portability', 'rectification')),
    ref uuid not null,
    -- '*': every one. Null: none in particular.
    purpose text,
    -- What was recorded in the ledger; null for what is not recorded there.
    record_id bigint,
    received_at timestamptz not null,
    -- Worked by: never after the last legal day, which rolls past weekends and holidays.
    due_at timestamptz not null,
    state text not null check (state in ('received', 'verifying', 'open', 'suppressed', 'planned', 'approved', 'running', 'closed', 'refused',
      'cancelled')),
    -- Repeats that came while it was open.
    repeats integer not null default 0,
    closed_at timestamptz,
    grounds text[],
    -- Under which the subject may live; null: not yet looked up.
    regimes text[],
    -- When the subject was told that it takes longer.
    extended_at timestamptz,
    -- Doubt about who asks: since when it is open, and how long the others took.
    paused_at timestamptz,
    paused_ms bigint,
    verified_at timestamptz,
    verified_by text,
    refused_by text,
    check (record_id is not null or kind not in ('withdrawal', 'objection', 'restriction')),
    check ((closed_at is not null) = (state in ('closed', 'refused', 'cancelled')))
  )`,
  `create sequence probity.request_number start 1001`,
  `create unique index request_open on probity.request (ref, purpose, kind) nulls not distinct where closed_at is null`,
  `create table probity.request_suppression (
    request_id text not null references probity.request (request_id),
    store text not null,
    suppressed_at timestamptz not null,
    primary key (request_id, store)
  )`,

  // What is still to be told: a workflow to start, a replica to bring up to date. A row goes when it was done.
  `create table probity.outbox (
    outbox_id bigint generated always as identity primary key,
    request_id text not null unique,
    created_at timestamptz not null default now()
  )`,
  `create table probity.replica (store text primary key)`,
  `create table probity.replica_change (
    change_id bigint generated always as identity primary key,
    store text not null references probity.replica (store) on delete cascade,
    subject text not null,
    key text not null,
    purpose text not null,
    created_at timestamptz not null default clock_timestamp()
  )`,
  `create index replica_change_store on probity.replica_change (store, change_id)`,
  `create index replica_change_key on probity.replica_change (store, subject, key)`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
