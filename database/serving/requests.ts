import { sql } from 'kysely';
import { inTransaction, type Store } from '../store.ts';

export interface Suppression {
  /** Stores in which the purpose may still see the person, for as long as their lease lasts. */
  readonly waiting: readonly string[];
  /** False when there is no such request (any more). */
  readonly known: boolean;
}

/**
 * Looks whether every replica has heard of a request, and marks it when all have. Replicators say so themselves; a store that was added
 * later, or had nothing to change, has heard of it when it caught up with a later time.
 */
export async function suppress(home: Store, requestId: string): Promise<Suppression> {
  return inTransaction(home, {}, async (trx) => {
    const { rows } = await sql<{ state: string }>`
      select state from probity.request where request_id = ${requestId} for update`.execute(trx);
    if (rows[0] === undefined) return { waiting: [], known: false };
    await sql`
      insert into probity.request_suppression (request_id, store, suppressed_at)
      select r.request_id, p.store, clock_timestamp() from probity.request r cross join probity.replica p
      where r.request_id = ${requestId} and p.caught_up_at > r.received_at and not exists (
        select from probity.consent_group(array[r.ref]) g
        join probity.replica_change c on c.store = p.store and c.subject = g.subject and c.key = g.key)
      order by p.store on conflict do nothing`.execute(trx);
    const { rows: waiting } = await sql<{ store: string }>`
      select p.store from probity.replica p where not exists (
        select from probity.request_suppression s where s.request_id = ${requestId} and s.store = p.store)
      order by p.store`.execute(trx);
    if (waiting.length === 0) {
      await sql`update probity.request set state = 'suppressed' where request_id = ${requestId} and state = 'open' and record_id is not null`.execute(
        trx,
      );
    }
    return { waiting: waiting.map(({ store }) => store), known: true };
  });
}
