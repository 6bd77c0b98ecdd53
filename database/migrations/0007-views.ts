import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** What purpose-bound views need: a secret of each purpose, by which the same person has another pseudonym under every purpose. */
export const statements = [
  // Read by the owner of the views alone. Whoever knows a secret can tell which key stands behind a pseudonym.
  `create table probity.pseudonym_key (
    purpose text primary key,
    secret bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    created_at timestamptz not null default now(),
    check (length(secret) = 32)
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
