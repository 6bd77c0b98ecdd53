import { sql } from 'kysely';
import { SERVICE } from '../../domain/requests/actor.ts';
import { clockOf } from '../../domain/requests/manifest-clock.ts';
import { warningsBy, type Warning } from '../../domain/requests/warnings.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import { addEvents } from './events.ts';
import type { RequestRow } from './model.ts';
import { requestColumns } from './read.ts';

/** Thousands of withdrawals come on one day and are due on one day. */
const ROWS_AT_ONCE = 1_000;
/** What is due later has no warning yet: the first comes 14 days before. A day more, for months and clock changes. */
const AHEAD = '15 days';
/** Receipt is confirmed within ten business days, whatever holidays lie between; of older requests it is too late to say so. */
const CONFIRMED_WITHIN = '25 days';

/** A warning that has just been written down, to be logged. Says nothing of who asked. */
export interface Told {
  readonly request: string;
  readonly kind: Warning['kind'];
  readonly days: number;
}

export interface WarnedRequests {
  readonly told: readonly Told[];
  /** When the next warning comes, of what was looked at; null: nothing is near. */
  readonly next: Date | null;
}

interface Candidate extends RequestRow {
  readonly confirmed: boolean;
}

/**
 * Writes down each warning of open requests that has come and was not yet: as an event, and for the webhook when there is one. Safe to repeat
 * and to run twice at the same time.
 */
export async function warnRequests(home: Store, manifest: Manifest, now: Date): Promise<WarnedRequests> {
  const told: Told[] = [];
  let next: Date | null = null;
  for (let after = ''; ;) {
    const rows = await candidates(home, now, after);
    const last = rows.at(-1);
    if (last === undefined) return { told, next };
    const found: (Omit<Warning, 'due'> & { readonly id: string; readonly due: Date; readonly legal: Date })[] = [];
    for (const row of rows) {
      const clock = clockOf(manifest, row, now);
      const { come, next: soon } = warningsBy(now, { clock, confirmed: row.confirmed });
      found.push(...come.map((it) => ({ ...it, id: row.id, legal: it.kind === 'confirm' ? it.due : clock.due })));
      if (soon !== null && (next === null || soon < next)) next = soon;
    }
    told.push(...(await write(home, found, manifest.requests.alerts !== null, now)));
    after = last.id;
  }
}

async function candidates(home: Store, now: Date, after: string): Promise<Candidate[]> {
  const { rows } = await translating(home, () =>
    sql<Candidate>`
      select ${requestColumns()}, exists (
        select from probity.request_event e where e.request_id = r.request_id and e.verb in ('reply', 'confirm')) as confirmed
      from probity.request r
      where r.closed_at is null and r.request_id > ${after}
        and (r.due_at <= ${now}::timestamptz + ${AHEAD}::interval or r.received_at >= ${now}::timestamptz - ${CONFIRMED_WITHIN}::interval)
      order by r.request_id limit ${ROWS_AT_ONCE}`.execute(home.db),
  );
  return rows;
}

async function write(
  home: Store,
  found: readonly (Omit<Warning, 'due'> & { readonly id: string; readonly due: Date; readonly legal: Date })[],
  webhook: boolean,
  now: Date,
): Promise<Told[]> {
  if (found.length === 0) return [];
  return inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const { rows } = await sql<Told & { readonly told: boolean; readonly state: string; readonly first: boolean }>`
      with made as (
        insert into probity.request_warning (request_id, kind, days, due_at, legal_due_at, at, told, alert)
        select r.request_id, it.kind, it.days, it.due, it.legal, ${now}, it.told, case when it.told and ${webhook}::boolean then 'open' else 'none' end
        from jsonb_to_recordset(${JSON.stringify(found)}::jsonb)
          it (id text, kind text, days integer, due timestamptz, legal timestamptz, told boolean)
        join probity.request r on r.request_id = it.id and r.closed_at is null
        order by r.request_id, it.kind, it.days desc
        on conflict (request_id, kind, days, due_at) do nothing
        returning request_id, kind, days, due_at, told
      )
      select m.request_id as request, m.kind, m.days, m.told, r.state, not exists (
        select from probity.request_warning w where w.request_id = m.request_id and w.kind = m.kind and w.due_at = m.due_at) as first
      from made m join probity.request r on r.request_id = m.request_id order by m.request_id, m.kind, m.days desc`.execute(trx);
    const told = rows.filter((row) => row.told);
    // Who is late hears of it each day; that it happened is one event.
    const events = told.filter(({ kind, first }) => kind !== 'overdue' || first);
    await addEvents(
      trx,
      events.map(({ request: id, kind, days, state }) => ({
        id,
        verb: kind === 'overdue' ? 'overdue' : 'warn',
        state,
        actor: SERVICE.name,
        at: now,
        code: kind === 'warn' ? `due_in_${days}_${days === 1 ? 'day' : 'days'}` : kind === 'confirm' ? 'confirm_receipt' : null,
        evidence: null,
        note: null,
      })),
    );
    return told.map(({ request, kind, days }) => ({ request, kind, days }));
  });
}

/** What the webhook is told of one warning. */
export interface Alert {
  /** The same in every repeat of this warning. */
  readonly id: string;
  readonly request: string;
  readonly kind: string;
  readonly level: Warning['kind'];
  readonly days: number;
  readonly due: Date;
  readonly legalDue: Date;
}

/** Warnings that the webhook has not been told, the oldest first. */
export async function openAlerts(home: Store, limit: number): Promise<Alert[]> {
  const { rows } = await translating(home, () =>
    sql<Alert>`
      select w.warning_id as id, w.request_id as request, r.kind, w.kind as level, w.days, w.due_at as due, w.legal_due_at as "legalDue"
      from probity.request_warning w join probity.request r on r.request_id = w.request_id
      where w.alert = 'open' order by w.at, w.request_id, w.warning_id limit ${limit}`.execute(home.db),
  );
  return rows;
}

export async function alertSent(home: Store, id: string): Promise<void> {
  await translating(home, () =>
    sql`update probity.request_warning set alert = 'sent' where warning_id = ${id} and alert = 'open'`.execute(home.db),
  );
}
