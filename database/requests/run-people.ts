import { sql, type Kysely } from 'kysely';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';

export interface RunPerson {
  /** Ordinal within the run, as `probity.run_key` numbers people. */
  readonly person: number;
  readonly request: string;
}

/** Says in the home store which request each person of a run is from; instead of what was said before. */
export async function writePeople(home: Store, runId: string, people: readonly RunPerson[]): Promise<void> {
  await inTransaction(home, {}, async (trx) => {
    await sql`delete from probity.run_person where run_id = ${runId}`.execute(trx);
    await sql`
      insert into probity.run_person (run_id, person, request_id)
      select ${runId}, it.person, it.request
      from unnest(${people.map(({ person }) => person)}::integer[], ${people.map(({ request }) => request)}::text[]) it (person, request)
      order by it.person`.execute(trx);
  });
}

/** By ordinal; empty once the run's keys have gone. */
export async function runPeople(home: Kysely<unknown>, runId: string): Promise<RunPerson[]> {
  const { rows } = await translating('home', () =>
    sql<RunPerson>`
      select p.person, p.request_id as request from probity.run_person p where p.run_id = ${runId} order by p.person`.execute(home),
  );
  return rows;
}

/** With the run's keys. */
export async function removePeople(home: Store, runId: string): Promise<void> {
  await translating(home, () => sql`delete from probity.run_person where run_id = ${runId}`.execute(home.db));
}
