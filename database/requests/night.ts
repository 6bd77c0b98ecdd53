import { sql } from 'kysely';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';

/** What is done once a night, each from a time of its own. */
export type NightTask = 'night' | 'envelope';

/** Whether the nightly work of a local day, `YYYY-MM-DD`, is done. */
export async function isNightDone(home: Store, day: string, task: NightTask = 'night'): Promise<boolean> {
  const { rows } = await translating(home, () =>
    sql`select from probity.keeper_night where day = ${day}::date and task = ${task}`.execute(home.db),
  );
  return rows.length > 0;
}

/** Nights are remembered for as long as a clock may be set back. */
const REMEMBERED = '60 days';

export async function nightDone(home: Store, day: string, task: NightTask = 'night'): Promise<void> {
  await translating(home, () =>
    sql`
      with old as (delete from probity.keeper_night n where n.day < ${day}::date - ${REMEMBERED}::interval)
      insert into probity.keeper_night (task, day) values (${task}, ${day}::date) on conflict do nothing`.execute(home.db),
  );
}
