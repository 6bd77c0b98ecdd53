import { sql, type RawBuilder } from 'kysely';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import type { RequestRow } from './model.ts';

/** A request with where it is in force: what is asked and until when. Says nothing of who asked. */
export interface Request extends RequestRow {
  /** By store, the home store included; empty for what needs no suppression. */
  readonly suppressed: Readonly<Record<string, Date>>;
  /** That it goes with; null: alone. */
  readonly batch: string | null;
  /** Stores that have not followed yet. */
  readonly waiting: readonly string[];
}

export interface RequestEvent {
  readonly verb: string;
  readonly state: string;
  readonly actor: string;
  readonly at: Date;
  readonly code: string | null;
}

/** The columns of a row `r` as `RequestRow` names them. */
export function requestColumns(): RawBuilder<unknown> {
  return sql`r.request_id as id, r.kind, r.purpose, coalesce(r.grounds, '{}') as grounds, r.state, r.received_at as "receivedAt", r.due_at as "dueAt",
    r.regimes, r.repeats, r.extended_at as "extendedAt", r.paused_at as "pausedAt", coalesce(r.paused_ms, 0) as "pausedMs",
    r.verified_at as "verifiedAt", r.verified_by as "verifiedBy", r.refused_by as "refusedBy", r.closed_at as "closedAt"`;
}

/** By time left, the open ones first; `id` null lists them all. */
export async function readRequests(home: Store, options: { readonly id: string | null; readonly limit: number }): Promise<Request[]> {
  const { rows } = await translating(home, () =>
    sql<
      RequestRow & {
        readonly batch: string | null;
        readonly suppressed: Readonly<Record<string, string>>;
        readonly waiting: readonly string[];
      }
    >`
      select ${requestColumns()}, r.batch_id as batch,
        case when r.record_id is null then '{}' else (
          select coalesce(jsonb_object_agg(s.store, s.suppressed_at), '{}') from probity.request_suppression s where s.request_id = r.request_id)
          || jsonb_build_object(${home.name}::text, coalesce((
            select c.received_at from probity.consent_record c where c.record_id = r.record_id), r.received_at)) end as suppressed,
        array(select p.store from probity.replica p where r.state = 'open' and r.record_id is not null and not exists (
          select from probity.request_suppression s where s.request_id = r.request_id and s.store = p.store) order by p.store) as waiting
      from probity.request r where ${options.id}::text is null or r.request_id = ${options.id}
      order by r.closed_at is not null, r.due_at, r.request_id limit ${options.limit}`.execute(home.db),
  );
  return rows.map((row) => ({
    ...row,
    suppressed: Object.fromEntries(Object.entries(row.suppressed).map(([store, at]) => [store, new Date(at)])),
  }));
}

/** Requests by their numbers; those that there are. */
export async function readRows(home: Store, ids: readonly string[]): Promise<RequestRow[]> {
  const { rows } = await translating(home, () =>
    sql<RequestRow>`
      select ${requestColumns()} from probity.request r where r.request_id = any (${ids}::text[]) order by r.request_id`.execute(home.db),
  );
  return rows;
}

/** What was done to a request, the oldest first; of one that goes with a batch also what the batch waits for. No free text: that stands apart, and may be gone. */
export async function readEvents(home: Store, requestId: string): Promise<RequestEvent[]> {
  const { rows } = await translating(home, () =>
    sql<RequestEvent>`
      select e.verb, e.state, e.actor, e.at, e.code from probity.request_event e
      where e.request_id = ${requestId} or (e.verb in ('wait', 'dismiss', 'redact', 'again') and e.request_id = (
        select r.batch_id from probity.request r where r.request_id = ${requestId}))
      order by e.event_id`.execute(home.db),
  );
  return rows;
}

/** By which references are hashed. Never leaves the process. */
export async function referenceSecret(home: Store): Promise<Buffer> {
  const { rows } = await translating(home, () => sql<{ secret: Buffer }>`select s.secret from probity.request_secret s`.execute(home.db));
  const [row] = rows;
  if (row === undefined) throw new Error('the home store has lost the secret of its references');
  return row.secret;
}
