import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** A plan of a purge needs nothing but SELECT: the view of whose rows no purge takes calls this function, which runs with its caller's rights. */
export const statements = [`grant execute on function probity.consent_group(uuid[]) to public`];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
