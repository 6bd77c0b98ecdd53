import { sql, type Kysely } from 'kysely';
import { KEY_WAITS } from '../../domain/requests/waits.ts';
import { translating } from '../errors.ts';
import { noLoopFaults, type LoopFaults } from '../faults.ts';
import { inTransaction, type Store } from '../store.ts';

/** Starts at a time: each is one call to Temporal, which must have room for others while thousands wait; the rows stay locked meanwhile. */
const ROWS_AT_ONCE = 10;
/** So many starts wait a second or two for each other. */
const MANY = 100;
const SETTLED_AT_ONCE = 10_000;
/** A request without a workflow and without an outbox row for this long has been forgotten by somebody: Temporal, or a restore. */
const FORGOTTEN = '1 minute';
/** A hold may end by itself: what waits for it looks so often. */
const HELD = '1 day';

/**
 * Whether an approved request is being carried out only Temporal knows, and it is not asked: it is started again so often, which does nothing
 * where it runs. One that fails at once does so no more often than that.
 */
const AGAIN = '10 minutes';

/** A request with what is to be done for it: to be carried out, or to be followed until it is in force everywhere. */
export interface StartedRequest {
  readonly request: string;
  readonly approved: boolean;
}

/** What workflows are about: requests that go alone, and batches, of which the requests go together. */
const WORK = sql`(
  select q.request_id as id, q.state, q.record_id is not null as recorded, q.received_at as since, q.closed_at from probity.request q
  where q.batch_id is null or q.state not in ('approved', 'running', 'closed')
  union all
  select b.batch_id, b.state, false, b.created_at, b.closed_at from probity.request_batch b) r`;
const APPROVED = sql<boolean>`coalesce(r.state in ('approved', 'running'), false)`;
/** A recipient has said something since, and nobody has noticed. */
const TOLD = sql<boolean>`not exists (select from probity.notice n where n.request_id = r.id and n.settled_at is null)`;
/** Something that was done; not that it comes due, which changes nothing of what it waits for. */
const DONE = sql<boolean>`e.verb not in ('warn', 'overdue')`;
/** Not one that waits for a person: what the person does starts it again. */
const WORKED_ON = sql<boolean>`coalesce((
  select e.verb <> 'wait' or e.code = any (${[...KEY_WAITS]}::text[]) or e.code in ('held', 'recipients') and e.at < clock_timestamp() - ${HELD}::interval or e.code = 'recipients' and ${TOLD}
  from probity.request_event e where e.request_id = r.id and ${DONE} order by e.event_id desc limit 1), true)`;

/** Lets what waits for the end of holds look again: some may have been released. */
export async function wakeHeld(home: Store): Promise<void> {
  await translating(home, () =>
    sql`
      insert into probity.outbox (request_id)
      select r.id from ${WORK} where r.state = 'running' and (
        select e.verb = 'wait' and e.code = 'held' from probity.request_event e
        where e.request_id = r.id and ${DONE} order by e.event_id desc limit 1)
      order by r.id on conflict (request_id) do nothing`.execute(home.db),
  );
  // The keeper looks within the hour.
  await translating(home, () =>
    sql`update probity.obligation set look_at = null where state = 'open' and waits = 'held' and look_at is not null`.execute(home.db),
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
    // A withdrawal that is in force everywhere leaves nothing to follow: thousands of them must not keep a plan waiting.
    await sql`
      delete from probity.outbox o where o.outbox_id in (
        select it.outbox_id from probity.outbox it join probity.request r on r.request_id = it.request_id
        where r.state not in ('open', 'approved', 'running')
          and (select count(*) from (select from probity.outbox limit ${MANY + 1}) few) > ${MANY} order by it.outbox_id limit ${SETTLED_AT_ONCE} for update of it skip locked)`.execute(
      trx,
    );
    const { rows } = await sql<{ id: string; request: string; approved: boolean }>`
      select o.outbox_id::text as id, o.request_id as request, coalesce(
        (select ${APPROVED} from probity.request r where r.request_id = o.request_id),
        (select ${APPROVED} from probity.request_batch r where r.batch_id = o.request_id), false) as approved
      from probity.outbox o
      order by o.outbox_id limit ${ROWS_AT_ONCE} for update of o skip locked`.execute(trx);
    if (rows.length === 0) return 0;
    await faults('outbox before start');
    await Promise.all(rows.map(({ request, approved }) => start({ request, approved })));
    await faults('outbox after start');
    await noteStarts(trx, rows);
    await sql`delete from probity.outbox where outbox_id = any (${rows.map(({ id }) => id)}::bigint[])`.execute(trx);
    return rows.length;
  });
}

/** Requests behind `after` for which something is to be done and that nobody has told of any more, oldest number first. */
export async function forgottenRequests(home: Store, after: string, limit: number): Promise<StartedRequest[]> {
  const { rows } = await sql<StartedRequest>`
    select r.id as request, ${APPROVED} as approved from ${WORK}
    where (r.state = 'open' and r.recorded or r.state = 'approved' or r.state = 'running' and ${WORKED_ON})
      and r.closed_at is null and r.id > ${after} and r.since < clock_timestamp() - ${FORGOTTEN}::interval
      and not exists (select from probity.outbox o where o.request_id = r.id)
      and not exists (select from probity.request_start s where s.request_id = r.id and s.started_at > clock_timestamp() - ${AGAIN}::interval)
    order by r.id limit ${limit}`.execute(home.db);
  return rows;
}

/** Says that workflows were started now: those that end at once are not started again at once. */
export async function noteStarts(db: Kysely<unknown>, started: readonly StartedRequest[]): Promise<void> {
  const carried = started.filter(({ approved }) => approved).map(({ request }) => request);
  if (carried.length === 0) return;
  await sql`
    insert into probity.request_start (request_id, started_at)
    select it.id, clock_timestamp() from unnest(${carried}::text[]) it (id) order by it.id
    on conflict (request_id) do update set started_at = excluded.started_at`.execute(db);
}
