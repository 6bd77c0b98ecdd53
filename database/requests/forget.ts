import { sql, type RawBuilder } from 'kysely';
import { StoreError, translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import { judgeRuns } from './ended-runs.ts';
import { removeKeys } from './erasure/keys.ts';
import { removePeople } from './run-people.ts';

/** By run, in every store: who people are, where they were found, and how they were looked for. */
const TABLES = ['run_key', 'run_hit', 'run_scan', 'run_search', 'run_word'] as const;
/** A plan is bound within minutes of its first key, or the process that made it has gone. */
const MADE_WITHIN = '2 hours';

/**
 * Forgets in one store whom requests were about that nothing is done for any more, however they ended; people who have left a batch; and keys
 * of obligations that are discharged. Keys of a run that home does not know go when nobody can be at work with them. Safe to repeat, and
 * beside everything else. Returns how many rows went.
 */
export async function forgetEnded(home: Store, store: Store): Promise<number> {
  const own = store.name === home.name;
  // By the store's clock and before home is asked: what is written from now on has not been judged.
  const { rows: times } = await translating(store, () => sql<{ now: string }>`select clock_timestamp()::text as now`.execute(store.db));
  const now = sql`${times[0]!.now}::timestamptz`;
  const runs = await runsIn(store, own ? [...TABLES, 'run_person'] : TABLES);
  const { runs: judged, left } = await judgeRuns(home, runs);
  const standing = (of: string): string[] => judged.flatMap((it) => (it.standing === of ? [it.run] : []));
  const over = [...standing('over'), ...(await abandoned(store, standing('unknown'), now, own))];
  const discharged = await dischargedIn(home, store);
  if (over.length + left.length + discharged.length === 0) return 0;
  return inTransaction(store, {}, async (trx) => {
    let gone = 0;
    const remove = async (statement: RawBuilder<unknown>): Promise<void> => {
      gone += Number((await statement.execute(trx)).numAffectedRows ?? 0n);
    };
    const working = sql`exists (select from probity.lease l where l.run_id = t.run_id and l.expires_at > clock_timestamp())`;
    for (const table of own ? [...TABLES, 'run_person'] : TABLES) {
      const written = DATED.includes(table) ? sql`and t.written_at <= ${now}` : sql``;
      await remove(sql`delete from ${sql.id('probity', table)} t where t.run_id = any (${over}::text[]) ${written} and not ${working}`);
    }
    const leavers = sql`unnest(${left.map(({ run }) => run)}::text[], ${left.map(({ person }) => person)}::integer[]) it (run, person)`;
    await remove(
      sql`delete from probity.run_key t using ${leavers} where t.run_id = it.run and t.person = it.person and t.written_at <= ${now}`,
    );
    await remove(sql`delete from probity.obligation_key t where t.obligation_id = any (${discharged}::text[])`);
    return gone;
  });
}

const DATED: readonly string[] = ['run_key', 'run_person'];

/** Each run once, however many rows it has. */
async function runsIn(store: Store, tables: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const table of tables) for (const run of await distinct(store, table, 'run_id')) found.add(run);
  return [...found].sort();
}

/** From one value of the index to the next. */
async function distinct(store: Store, table: string, column: string): Promise<string[]> {
  const [from, name] = [sql.id('probity', table), sql.id(column)];
  const { rows } = await translating(store, () =>
    sql<{ value: string }>`
      with recursive it (value) as (
        select min(t.${name}) from ${from} t
        union all
        select (select min(t.${name}) from ${from} t where t.${name} > it.value) from it where it.value is not null
      )
      select value from it where value is not null`.execute(store.db),
  );
  return rows.map(({ value }) => value);
}

/** Of runs that home does not know: those of which nothing was written lately. */
async function abandoned(store: Store, runs: readonly string[], now: RawBuilder<unknown>, own: boolean): Promise<string[]> {
  if (runs.length === 0) return [];
  const late = (table: string): RawBuilder<boolean> =>
    sql<boolean>`exists (select from ${sql.id('probity', table)} t where t.run_id = it.run and t.written_at > ${now} - ${MADE_WITHIN}::interval)`;
  const { rows } = await translating(store, () =>
    sql<{ run: string }>`
      select it.run from unnest(${runs}::text[]) it (run)
      where not ${late('run_key')} ${own ? sql`and not ${late('run_person')}` : sql``} order by it.run`.execute(store.db),
  );
  return rows.map(({ run }) => run);
}

async function dischargedIn(home: Store, store: Store): Promise<string[]> {
  const ids = await distinct(store, 'obligation_key', 'obligation_id');
  if (ids.length === 0) return [];
  const { rows } = await translating(home, () =>
    sql<{ id: string }>`
      select o.obligation_id as id from probity.obligation o
      where o.obligation_id = any (${ids}::text[]) and o.state = 'discharged' order by 1`.execute(home.db),
  );
  return rows.map(({ id }) => id);
}

/** The same in all stores that can be reached: the workers do it in the others when they are back. Returns the names of these. */
export async function forgetEverywhere(home: Store, stores: Iterable<Store>): Promise<string[]> {
  return eachReached(stores, async (store) => void (await forgetEnded(home, store)));
}

/** Takes away the keys of a run that has no plan, in all stores that can be reached; those of the others are forgotten when they are old. */
export async function forgetRun(home: Store, stores: Iterable<Store>, run: string): Promise<void> {
  await eachReached(stores, async (store) => {
    await removeKeys(store, run);
    if (store.name === home.name) await removePeople(home, run);
  });
}

async function eachReached(stores: Iterable<Store>, act: (store: Store) => Promise<void>): Promise<string[]> {
  const all = [...new Set(stores)];
  const done = await Promise.allSettled(all.map(act));
  return all.flatMap((store, at) => {
    const one = done[at]!;
    if (one.status === 'fulfilled') return [];
    if (!(one.reason instanceof StoreError)) throw one.reason as Error;
    return [store.name];
  });
}
