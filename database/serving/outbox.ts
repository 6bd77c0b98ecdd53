import { sql } from 'kysely';
import { noLoopFaults, type LoopFaults } from '../faults.ts';
import { inTransaction, type Store } from '../store.ts';

/** Starts at a time: each is one call to Temporal, which must have room for others while thousands wait; the rows stay locked meanwhile. */
const ROWS_AT_ONCE = 10;
/** A request without a workflow and without an outbox row for this long has been forgotten by somebody: Temporal, or a restore. */
const FORGOTTEN = '1 minute';

/**
 * Starts what committed requests ask for. A row goes when `start` has returned, so a crash in between starts it again, which `start` must
 * take for done. Several dispatchers share the rows. Returns how many were started; throws what `start` throws, and the row stays.
 */
export async function dispatchOutbox(
  home: Store,
  start: (requestId: string) => Promise<void>,
  faults: LoopFaults = noLoopFaults,
): Promise<number> {
  return inTransaction(home, {}, async (trx) => {
    const { rows } = await sql<{ id: string; request: string }>`
      select o.outbox_id::text as id, o.request_id as request from probity.outbox o
      order by o.outbox_id limit ${ROWS_AT_ONCE} for update skip locked`.execute(trx);
    if (rows.length === 0) return 0;
    await faults('outbox before start');
    await Promise.all(rows.map(({ request }) => start(request)));
    await faults('outbox after start');
    await sql`delete from probity.outbox where outbox_id = any (${rows.map(({ id }) => id)}::bigint[])`.execute(trx);
    return rows.length;
  });
}

/** Open requests behind `after` that nobody has told of any more, oldest number first. */
export async function forgottenRequests(home: Store, after: string, limit: number): Promise<string[]> {
  const { rows } = await sql<{ request: string }>`
    select r.request_id as request from probity.request r
    where r.state = 'open' and r.record_id is not null and r.closed_at is null and r.request_id > ${after} and r.received_at < clock_timestamp() - ${FORGOTTEN}::interval
      and not exists (select from probity.outbox o where o.request_id = r.request_id)
    order by r.request_id limit ${limit}`.execute(home.db);
  return rows.map(({ request }) => request);
}
