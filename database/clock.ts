import { sql } from 'kysely';
import { translating } from './errors.ts';
import type { Store } from './store.ts';

/** The store's own time. Cut-offs are computed from it, never from the clock of whoever happens to run a job. */
export async function clockOf(store: Store): Promise<Date> {
  const { rows } = await translating(store, () => sql<{ now: Date }>`select clock_timestamp() as now`.execute(store.db));
  const [row] = rows;
  if (row === undefined) throw new Error('The store did not tell its time');
  return row.now;
}
