import { sql } from 'kysely';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';

/** Whether the nightly work of a local day, `YYYY-MM-DD`, is done. */
export async function isNightDone(home: Store, day: string): Promise<boolean> {
  const { rows } = await translating(home, () => sql`select from probity.keeper_night where day = ${day}::date`.execute(home.db));
  return rows.length > 0;
}

/** Nights are remembered for as long as a clock may be set back. */
const REMEMBERED = '60 days';

export async function nightDone(home: Store, day: string): Promise<void> {
  await translating(home, () =>
    sql`
      with old as (delete from probity.keeper_night n where n.day < ${day}::date - ${REMEMBERED}::interval)
      insert into probity.keeper_night (day) values (${day}::date) on conflict do nothing`.execute(home.db),
  );
}
