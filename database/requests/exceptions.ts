import { sql, type Kysely } from 'kysely';
import type { ExceptionCode } from '../../domain/requests/envelope.ts';
import type { RequestState } from '../../domain/requests/state.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import { addEvents } from './events.ts';

/** A request, or a batch, that the night did not carry out. */
export interface Exception {
  readonly id: string;
  readonly code: ExceptionCode;
}

/** Of an event, and of what makes it one of the past. */
const SAID = sql`('except', 'plan', 'revise', 'approve')`;

/** Writes down why they were left, each reason once, not again every night. */
export async function recordExceptions(
  home: Store,
  exceptions: readonly Exception[],
  { actor, at }: { readonly actor: string; readonly at: Date },
): Promise<void> {
  if (exceptions.length === 0) return;
  await inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const { rows } = await sql<Exception & { state: RequestState }>`
      select it.id, it.code, it.state from (
        select g.id, g.code, coalesce(r.state, b.state) as state
        from unnest(${exceptions.map(({ id }) => id)}::text[], ${exceptions.map(({ code }) => code)}::text[]) g (id, code)
        left join probity.request r on r.request_id = g.id left join probity.request_batch b on b.batch_id = g.id) it
      left join lateral (
        select e.verb, e.code from probity.request_event e where e.request_id = it.id and e.verb in ${SAID} order by e.event_id desc limit 1
      ) last on true
      where it.state is not null and (last.verb is distinct from 'except' or last.code is distinct from it.code) order by it.id`.execute(
      trx,
    );
    await addEvents(trx, rows.map(({ id, code, state }) => ({ id, verb: 'except', state, actor, at, code, evidence: null, note: null }))); // prettier-ignore
  });
}

export interface ListedException extends Exception {
  readonly at: Date;
  /** Of the request; of a batch that of the first of its requests. Null: all have left it. */
  readonly dueAt: Date | null;
}

/** What the night has left for a person, and nobody has planned, approved or ended since; by the time left. */
export async function listExceptions(home: Store, limit: number): Promise<ListedException[]> {
  const { rows } = await translating(home, () =>
    sql<ListedException>`
      select it.id, last.code, last.at, it."dueAt" from (
        select r.request_id as id, r.due_at as "dueAt" from probity.request r where r.closed_at is null
        union all
        select b.batch_id, (select min(r.due_at) from probity.request r where r.batch_id = b.batch_id)
        from probity.request_batch b where b.closed_at is null) it
      cross join lateral (
        select e.verb, e.code, e.at from probity.request_event e where e.request_id = it.id and e.verb in ${SAID} order by e.event_id desc limit 1
      ) last
      where last.verb = 'except' order by it."dueAt", it.id limit ${limit}`.execute(home.db),
  );
  return rows;
}

/** Of these requests those that one of these actors has opened, by whichever way leads to it. */
export async function openedByAnyOf(db: Kysely<unknown>, requests: readonly string[], actors: readonly string[]): Promise<string[]> {
  const names = actors.map((actor) => actor.toLowerCase());
  const { rows } = await sql<{ id: string }>`
    select r.request_id as id from probity.request r
    where r.request_id = any (${requests}::text[]) and (
      exists (select from probity.request_event e where e.request_id = r.request_id and e.verb in ('open', 'repeat')
        and lower(trim(e.actor)) = any (${names}::text[]))
      or exists (select from probity.consent_content c where c.record_id = r.record_id and lower(trim(c.actor)) = any (${names}::text[])))
    order by r.request_id`.execute(db);
  return rows.map(({ id }) => id);
}
