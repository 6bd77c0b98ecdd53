import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** What the home store holds beside: manifests, plans, runs, certificates and the public halves of signing keys. */
export const statements = [
  `create table probity.manifest_version (
    version bigint generated always as identity primary key,
    hash text not null,
    canonical jsonb not null,
    mode text not null check (mode in ('observe', 'enforce')),
    applied_at timestamptz not null default now(),
    applied_by text not null
  )`,
  `create index manifest_version_hash on probity.manifest_version (hash)`,

  `create table probity.plan (
    hash text primary key,
    job text not null,
    manifest_hash text not null,
    body jsonb not null,
    created_at timestamptz not null default now()
  )`,

  `create table probity.run (
    run_id text primary key,
    job text not null,
    manifest_hash text not null,
    plan_hash text references probity.plan (hash),
    mode text not null,
    as_of timestamptz not null,
    actor text not null,
    approved_by text,
    state text not null,
    incarnations jsonb not null,
    opened_at timestamptz not null default now(),
    closed_at timestamptz
  )`,
  `create index run_opened on probity.run (opened_at desc)`,

  `create table probity.certificate (
    serial bigint primary key,
    run_id text not null unique references probity.run (run_id),
    document jsonb not null,
    issued_at timestamptz not null default now()
  )`,

  `create table probity.signing_key (
    key_id text primary key,
    public_key text not null,
    first_used_at timestamptz not null default now()
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
