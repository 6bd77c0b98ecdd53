import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** The search tells why it expected somebody in a row, and looks for short words for as long as they are rare. */
export const statements = [
  // Such as `floor:RULE` or `purpose:NAME`, see domain/requests/kept.ts; null: nothing explains the hit.
  `alter table probity.run_hit add column kept_by text,
    add constraint run_hit_kept_by check (expected or kept_by is null)`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
