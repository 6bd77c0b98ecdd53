import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Since when the keys of a run stand, so that those of a plan that was never made can be told from those of one that is being made. */
export const statements = [`alter table probity.run_key add column written_at timestamptz not null default now()`];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
