import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Several requests with one plan, and which request each person of a run is from. Home store only. */
export const statements = [
  // Neither says who a person is: that stands in the stores' run keys.
  `create table probity.run_person (
    run_id text not null,
    person integer not null,
    request_id text not null,
    primary key (run_id, person)
  )`,
  `create index run_person_request on probity.run_person (request_id, run_id)`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
