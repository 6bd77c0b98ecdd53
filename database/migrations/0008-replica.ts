import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** What a store keeps of the home store whose answers it replicates, and the room in which a full refresh is prepared. */
export const statements = [
  // The home store and its rules when its answers were taken in whole; others than now ask for a full refresh before anything is answered.
  `alter table probity.serving add column home text, add column rules_hash text, add column refreshed_at timestamptz`,
  // The incarnation that has got back from the sink what a restore had lost; null: nothing was ever restored. Jobs wait for it.
  `alter table probity.serving add column replayed text`,
  // Unlogged: a refresh that a crash interrupts begins anew.
  `create unlogged table probity.permission_span_next (like probity.permission_span)`,
  `create index permission_span_next_key on probity.permission_span_next (purpose, subject, key)`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
