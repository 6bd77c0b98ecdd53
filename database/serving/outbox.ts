import { sql } from 'kysely';
import { translating } from '../errors.ts';
import { noLoopFaults, type LoopFaults } from '../faults.ts';
import { inTransaction, type Store } from '../store.ts';

/** Starts at a time: each is one call to Temporal, which must have room for others while thousands wait; the rows stay locked meanwhile. */
const ROWS_AT_ONCE = 10;
/** A request without a workflow and without an outbox row for this long has been forgotten by somebody: Temporal, or a restore. */
const FORGOTTEN = '1 minute';
/** A hold may end by itself: what waits for it looks so often. */
const HELD = '1 day';

/** A request with what is to be done for it: to be carried out, or to be followed until it is in force everywhere. */
export interface StartedRequest {
  readonly request: string;
  readonly approved: boolean;
}

const APPROVED = sql<boolean>`coalesce(r.state in ('approved', 'running'), false)`;
/** Not one that waits for a person: what the person does starts it again. */
const WORKED_ON = sql<boolean>`coalesce((
  select e.verb <> 'wait' or e.code = 'held' and e.at < clock_timestamp() - ${HELD}::interval
  from probity.request_event e where e.request_id = r.request_id order by e.event_id desc limit 1), true)`;

/** Lets what waits for the end of holds look again: some may have been released. */
export async function wakeHeld(home: Store): Promise<void> {
  await translating(home, () =>
    sql`
      insert into probity.outbox (request_id)
      select r.request_id from probity.request r where r.state = 'running' and (
        select e.verb = 'wait' and e.code = 'held' from probity.request_event e
        where e.request_id = r.request_id order by e.event_id desc limit 1)
      order by r.request_id on conflict (request_id) do nothing`.execute(home.db),
  );
}

/**
 * Starts what committed requests ask for. A row goes when `start` has returned, so a crash in between starts it again, which `start` must
 * take for done. Several dispatchers share the rows. Returns how many were started; throws what `start` throws, and the row stays.
 */
export async function dispatchOutbox(
  home: Store,
  start: (request: StartedRequest) => Promise<void>,
  faults: LoopFaults = noLoopFaults,
): Promise<number> {
  return inTransaction(home, {}, async (trx) => {
    const { rows } = await sql<{ id: string; request: string; approved: boolean }>`
      select o.outbox_id::text as id, o.request_id as request, ${APPROVED} as approved
      from probity.outbox o left join probity.request r on r.request_id = o.request_id
      order by o.outbox_id limit ${ROWS_AT_ONCE} for update of o skip locked`.execute(trx);
    if (rows.length === 0) return 0;
    await faults('outbox before start');
    await Promise.all(rows.map(({ request, approved }) => start({ request, approved })));
    await faults('outbox after start');
    await sql`delete from probity.outbox where outbox_id = any (${rows.map(({ id }) => id)}::bigint[])`.execute(trx);
    return rows.length;
  });
}

/** Requests behind `after` for which something is to be done and that nobody has told of any more, oldest number first. */
export async function forgottenRequests(home: Store, after: string, limit: number): Promise<StartedRequest[]> {
  const { rows } = await sql<StartedRequest>`
    select r.request_id as request, ${APPROVED} as approved from probity.request r
    where (r.state = 'open' and r.record_id is not null or r.state = 'approved' or r.state = 'running' and ${WORKED_ON})
      and r.closed_at is null and r.request_id > ${after} and r.received_at < clock_timestamp() - ${FORGOTTEN}::interval
      and not exists (select from probity.outbox o where o.request_id = r.request_id)
    order by r.request_id limit ${limit}`.execute(home.db);
  return rows;
}
