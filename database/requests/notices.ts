import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely';
import { SERVICE, type Actor } from '../../domain/requests/actor.ts';
import { nextAttempt, PAGE_PEOPLE, type News, type Notice, type NoticeState, type ToTell } from '../../domain/requests/notices.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import { addEvents } from './events.ts';
import { noticeRanges } from './notice-people.ts';
import { tellWorkers } from './verbs.ts';

const DURABLE = { settings: { synchronous_commit: 'on' } } as const;

export type NoticePolicy = Manifest['requests']['notices'];

export interface NewNotices {
  /** Number of the request, or of the batch. */
  readonly request: string;
  readonly run: string;
  readonly news: News;
  readonly told: readonly ToTell[];
  readonly policy: NoticePolicy;
}

/**
 * Writes down who is to be told, with the pages of people for each; what was written before stays, so that it may be repeated. A recipient that
 * knows nobody of them is not told. The home store has the keys of the run. Returns all notices of the request, by recipient.
 */
export async function openNotices(home: Store, { request, run, news, told, policy }: NewNotices): Promise<Notice[]> {
  const before = new Set((await readNotices(home, request)).filter((it) => it.run === run && it.news === news).map((it) => it.recipient));
  for (const it of told.filter(({ recipient }) => !before.has(recipient))) {
    const ranges = await noticeRanges(home, { run, ...it }, PAGE_PEOPLE);
    if (ranges.length === 0) continue;
    const people = ranges.reduce((sum, range) => sum + range.people, 0);
    await inTransaction(home, DURABLE, async (trx) => {
      const { rows } = await sql<{ id: string }>`
        insert into probity.notice (request_id, run_id, recipient, news, way, classes, identities, people, patience_days, silent_after_days, next_attempt_at)
        values (${request}, ${run}, ${it.recipient}, ${news}, ${it.way}, ${[...it.classes]}, ${[...it.identities]}, ${people},
          ${policy.patienceDays}, ${policy.silentAfterDays},
          case when ${it.way}::text = 'webhook' then clock_timestamp() end)
        on conflict (request_id, run_id, news, recipient) do nothing returning notice_id as id`.execute(trx);
      const [opened] = rows;
      if (opened === undefined) return;
      await sql`
        insert into probity.notice_page (notice_id, page, first_person, last_person)
        select ${opened.id}::uuid, r.page, r.first, r.last
        from unnest(${ranges.map(({ first }) => first)}::integer[], ${ranges.map(({ last }) => last)}::integer[]) with ordinality
          r (first, last, page)
        order by r.page`.execute(trx);
    });
  }
  return readNotices(home, request);
}

function noticeColumns(): RawBuilder<unknown> {
  return sql`n.notice_id as id, n.request_id as request, n.run_id as run, n.recipient, n.news, n.way, n.classes, n.identities, n.people,
    (select count(*) from probity.notice_page p where p.notice_id = n.notice_id) as pages, n.state, n.attempts, n.opened_at as "openedAt",
    n.patience_days as "patienceDays", n.silent_after_days as "silentAfterDays",
    n.first_attempt_at as "firstAttemptAt", n.last_attempt_at as "lastAttemptAt", n.next_attempt_at as "nextAttemptAt",
    n.settled_at as "settledAt", n.settled_by as "settledBy", n.problem`;
}

/** Of a request or a batch, by recipient. */
export async function readNotices(home: Store, request: string): Promise<Notice[]> {
  const { rows } = await translating(home, () =>
    sql<Notice>`
      select ${noticeColumns()} from probity.notice n where n.request_id = ${request} order by n.recipient, n.opened_at, n.notice_id`.execute(
      home.db,
    ),
  );
  return rows;
}

const UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';

/** By its id or that of one of its pages. */
export async function readNotice(home: Store, id: string): Promise<Notice | null> {
  const uuid = sql`case when ${id}::text ~ ${UUID} then ${id}::uuid end`;
  const { rows } = await translating(home, () =>
    sql<Notice>`select ${noticeColumns()} from probity.notice n 
      where n.notice_id = ${uuid} or n.notice_id = (select p.notice_id from probity.notice_page p where p.page_id = ${uuid})`.execute(
      home.db,
    ),
  );
  return rows[0] ?? null;
}

/** Those that nobody has settled, the oldest first. */
export async function openTasks(home: Store, limit: number): Promise<Notice[]> {
  const { rows } = await translating(home, () =>
    sql<Notice>`
      select ${noticeColumns()} from probity.notice n where n.settled_at is null
      order by n.opened_at, n.recipient, n.notice_id limit ${limit}`.execute(home.db),
  );
  return rows;
}

/**
 * Webhooks of a request that are due, each counted as tried before it is: whoever dies in between is followed by another attempt, not by silence.
 * Two at the same time share them.
 */
export async function claimDue(home: Store, request: string): Promise<Notice[]> {
  return inTransaction(home, DURABLE, async (trx) => {
    const { rows } = await sql<Notice & { readonly now: Date }>`
      select ${noticeColumns()}, clock_timestamp() as now from probity.notice n
      where n.request_id = ${request} and n.way = 'webhook' and n.state = 'open' and n.next_attempt_at <= clock_timestamp()
      order by n.recipient, n.notice_id for update of n skip locked`.execute(trx);
    for (const { id, attempts, firstAttemptAt, patienceDays, now } of rows) {
      const next = nextAttempt({ attempts: attempts + 1, first: firstAttemptAt ?? now, now, patienceDays });
      await sql`
        update probity.notice set attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, ${now}), last_attempt_at = ${now},
          next_attempt_at = ${next}
        where notice_id = ${id}`.execute(trx);
    }
    return rows;
  });
}

/** Milliseconds until the next attempt at a webhook of a request; null: there is none. */
export async function untilNext(home: Store, request: string): Promise<number | null> {
  const { rows } = await translating(home, () =>
    sql<{ ms: number | null }>`
      select (extract(epoch from min(n.next_attempt_at) - clock_timestamp()) * 1000)::float8 as ms
      from probity.notice n where n.request_id = ${request} and n.settled_at is null`.execute(home.db),
  );
  const ms = rows[0]?.ms ?? null;
  return ms === null ? null : Math.max(0, Math.ceil(ms));
}

export interface NoticePage {
  /** What the receiver knows a repetition by. */
  readonly id: string;
  /** From 1. */
  readonly page: number;
  readonly first: number;
  readonly last: number;
  readonly delivered: boolean;
}

export async function readPages(home: Store, notice: string): Promise<NoticePage[]> {
  const { rows } = await translating(home, () =>
    sql<NoticePage>`
      select p.page_id as id, p.page, p.first_person as first, p.last_person as last, p.delivered_at is not null as delivered
      from probity.notice_page p where p.notice_id = ${notice} order by p.page`.execute(home.db),
  );
  return rows;
}

/** A page has arrived; with the last one the notice is sent, or acknowledged when all were. */
export async function recordDelivered(home: Store, notice: Notice, page: NoticePage, acknowledged: boolean): Promise<void> {
  await inTransaction(home, DURABLE, async (trx) => {
    await lock(trx, notice.id);
    await sql`
      update probity.notice_page set delivered_at = coalesce(delivered_at, clock_timestamp()), acknowledged = acknowledged or ${acknowledged}
      where notice_id = ${notice.id} and page = ${page.page}`.execute(trx);
    const { rows } = await sql<{ delivered: boolean; acknowledged: boolean }>`
      select bool_and(p.delivered_at is not null) as delivered, bool_and(p.acknowledged) as acknowledged
      from probity.notice_page p where p.notice_id = ${notice.id}`.execute(trx);
    if (rows[0]?.delivered !== true) return;
    await sql`
      update probity.notice set state = 'sent', next_attempt_at = null, problem = null where notice_id = ${notice.id} and state = 'open'`.execute(
      trx,
    );
    if (rows[0].acknowledged) await settleIn(trx, notice.id, 'acknowledged', SERVICE);
  });
}

/** What went wrong, in a word of ours; it is tried again when it is due. */
export async function recordProblem(home: Store, notice: string, problem: string): Promise<void> {
  await translating(home, () =>
    sql`update probity.notice set problem = ${problem} where notice_id = ${notice} and settled_at is null`.execute(home.db),
  );
}

/** That the company's own code was called. */
export async function recordCall(home: Store, notice: string): Promise<void> {
  await translating(home, () =>
    sql`
      update probity.notice set attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, clock_timestamp()),
        last_attempt_at = clock_timestamp(), problem = null
      where notice_id = ${notice} and settled_at is null`.execute(home.db),
  );
}

export type Settling = Extract<NoticeState, 'acknowledged' | 'told' | 'given_up'>;

/** Settles a notice, for the record; the last one of a request lets its work go on. False: it was settled before, or is not there. */
export async function settleNotice(home: Store, id: string, state: Settling, actor: Pick<Actor, 'name'>): Promise<boolean> {
  return inTransaction(home, DURABLE, (trx) => settleIn(trx, id, state, actor));
}

/** What was given up is to be told all the same. */
export async function reopenNotice(home: Store, id: string): Promise<void> {
  await translating(home, () =>
    sql`
      update probity.notice set state = 'open', settled_at = null, settled_by = null,
        next_attempt_at = case when way = 'webhook' then clock_timestamp() end
      where notice_id = ${id} and state = 'given_up'`.execute(home.db),
  );
}

const VERBS: Readonly<Record<Settling, string>> = { acknowledged: 'acknowledge', told: 'tell', given_up: 'give_up' };
/** As the events allow it. */
const LONGEST_CODE = 40;

export async function settleIn(trx: Transaction<unknown>, id: string, state: Settling, { name }: Pick<Actor, 'name'>): Promise<boolean> {
  await lock(trx, id);
  const { rows } = await sql<{ request: string; recipient: string; news: News; run: string }>`
    update probity.notice set state = ${state}, settled_at = clock_timestamp(), settled_by = ${name}, next_attempt_at = null, problem = null
    where notice_id = ${id} and settled_at is null returning request_id as request, recipient, news, run_id as run`.execute(trx);
  const [settled] = rows;
  if (settled === undefined) return false;
  const { request, recipient, news, run } = settled;
  const { rows: left } = await sql`select from probity.notice n where n.request_id = ${request} and n.settled_at is null limit 1`.execute(
    trx,
  );
  const planned = news === 'erasure';
  const now = planned ? 'running' : await stateOf(trx, request);
  const event = { id: request, verb: VERBS[state], state: now, actor: name, at: null, evidence: null, note: null };
  await addEvents(trx, [{ ...event, code: recipient.slice(0, LONGEST_CODE) }]);
  if (!planned) {
    await forgetTold(trx, run);
    return true;
  }
  // Somebody still waits for the others: that is what the last event says.
  if (left.length > 0) await addEvents(trx, [{ ...event, verb: 'wait', actor: SERVICE.name, code: WAITS_FOR_RECIPIENTS }]);
  else await tellWorkers(trx, request);
  return true;
}

async function stateOf(trx: Transaction<unknown>, request: string): Promise<string> {
  const { rows } = await sql<{ state: string }>`select r.state from probity.request r where r.request_id = ${request}`.execute(trx);
  return rows[0]?.state ?? 'closed';
}

/** Nothing is done after it: once all have been told, nobody needs to know who it was. */
async function forgetTold(trx: Transaction<unknown>, run: string): Promise<void> {
  const open = sql`exists (select from probity.notice n where n.run_id = ${run} and n.settled_at is null)`;
  await sql`delete from probity.run_key k where k.run_id = ${run} and not ${open}`.execute(trx);
  await sql`delete from probity.run_person p where p.run_id = ${run} and not ${open}`.execute(trx);
}

/** Why a request waits, as its events say it. */
export const WAITS_FOR_RECIPIENTS = 'recipients';
/** Said again no sooner, so that a month of waiting stays readable. */
const SAID_LATELY = '1 hour';

/** Writes down that a request waits for recipients. False, and nothing is written, when they have all been settled meanwhile. */
export async function waitForRecipients(home: Store, request: string): Promise<boolean> {
  return inTransaction(home, DURABLE, async (trx) => {
    const { rows } = await sql<{ settled: boolean }>`
      select n.settled_at is not null as settled from probity.notice n where n.request_id = ${request}
      order by n.notice_id for no key update`.execute(trx);
    if (rows.every(({ settled }) => settled)) return false;
    const { rows: said } = await sql<{ lately: boolean }>`
      select e.verb = 'wait' and e.code = ${WAITS_FOR_RECIPIENTS} and e.at > clock_timestamp() - ${SAID_LATELY}::interval as lately
      from probity.request_event e where e.request_id = ${request} order by e.event_id desc limit 1`.execute(trx);
    if (said[0]?.lately !== true)
      await addEvents(trx, [
        {
          id: request,
          verb: 'wait',
          state: 'running',
          actor: SERVICE.name,
          at: null,
          code: WAITS_FOR_RECIPIENTS,
          evidence: null,
          note: null,
        },
      ]);
    return true;
  });
}

/** Of two that settle the last two notices one sees that nothing is left: they come one after the other. */
async function lock(trx: Kysely<unknown>, id: string): Promise<void> {
  await sql`
    select from probity.notice n where n.request_id = (select it.request_id from probity.notice it where it.notice_id = ${id})
    order by n.notice_id for no key update`.execute(trx);
}
