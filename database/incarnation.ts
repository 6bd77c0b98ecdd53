import { sql, type Kysely } from 'kysely';

/** Names this very database in its present life, as `probity.incarnation()` does; the store must have our schema. */
export async function incarnation(db: Kysely<unknown>): Promise<string> {
  const { rows } = await sql<{ incarnation: string }>`select probity.incarnation() as incarnation`.execute(db);
  return rows[0]!.incarnation;
}
