import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Which plan a run is of, and since when it is said whose it is. Home store only. */
export const statements = [
  `create index plan_run on probity.plan ((body ->> 'run'))`,
  `alter table probity.run_person add column written_at timestamptz not null default now()`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
