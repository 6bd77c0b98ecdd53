import { sql, type Transaction } from 'kysely';
import { inTransaction, type Store } from '../store.ts';

export interface Suppression {
  /** Stores in which the purpose may still see the person, for as long as their lease lasts. */
  readonly waiting: readonly string[];
  /** False when there is no such request (any more). */
  readonly known: boolean;
}

/** So many at a time: rows that are locked for some milliseconds. */
const AT_ONCE = 1_000;

/**
 * Looks whether every replica has heard of a request, and marks it when all have. Replicators say so themselves; a store that was added
 * later, or had nothing to change, has heard of it when it caught up with a later time.
 */
export async function suppress(home: Store, requestId: string): Promise<Suppression> {
  return inTransaction(home, {}, async (trx) => {
    const { rows } = await sql<{ state: string }>`
      select state from probity.request where request_id = ${requestId} for update`.execute(trx);
    if (rows[0] === undefined) return { waiting: [], known: false };
    await mark(trx, [requestId]);
    const { rows: waiting } = await sql<{ store: string }>`
      select p.store from probity.replica p where not exists (
        select from probity.request_suppression s where s.request_id = ${requestId} and s.store = p.store)
      order by p.store`.execute(trx);
    return { waiting: waiting.map(({ store }) => store), known: true };
  });
}

/** The same for all that wait for it: thousands that came at once need not wait for as many workflows. Returns how many are now marked. */
export async function suppressReady(home: Store): Promise<number> {
  let marked = 0;
  for (let after = ''; ;) {
    const page = await inTransaction(home, {}, async (trx) => {
      const { rows } = await sql<{ id: string }>`
        select r.request_id as id from probity.request r
        where r.state = 'open' and r.record_id is not null and r.request_id > ${after} order by r.request_id limit ${AT_ONCE}
        for update skip locked`.execute(trx);
      const ids = rows.map(({ id }) => id);
      return { last: ids.at(-1), marked: ids.length === 0 ? 0 : await mark(trx, ids) };
    });
    marked += page.marked;
    if (page.last === undefined) return marked;
    after = page.last;
  }
}

/** Of requests whose rows are locked. */
async function mark(trx: Transaction<unknown>, ids: readonly string[]): Promise<number> {
  await sql`
    insert into probity.request_suppression (request_id, store, suppressed_at)
    select r.request_id, p.store, clock_timestamp() from probity.request r cross join probity.replica p
    where r.request_id = any (${ids}::text[]) and p.caught_up_at > r.received_at and not exists (
      select from probity.consent_group(array[r.ref]) g
      join probity.replica_change c on c.store = p.store and c.subject = g.subject and c.key = g.key)
    order by r.request_id, p.store on conflict do nothing`.execute(trx);
  const { numAffectedRows } = await sql`
    update probity.request r set state = 'suppressed'
    where r.request_id = any (${ids}::text[]) and r.state = 'open' and r.record_id is not null and not exists (
      select from probity.replica p where not exists (
        select from probity.request_suppression s where s.request_id = r.request_id and s.store = p.store))`.execute(trx);
  return Number(numAffectedRows ?? 0n);
}
