import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** A request for a copy waits, once the copy is made, for somebody to hand it over. Home store only. */
export const statements = [
  `alter table probity.request drop constraint request_state_check`,
  `alter table probity.request add constraint request_state_check check (state in ('received', 'verifying', 'open', 'suppressed',
    'planned', 'approved', 'running', 'copied', 'closed', 'refused', 'cancelled'))`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
