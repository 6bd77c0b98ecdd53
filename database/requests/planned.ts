import { sql, type Transaction } from 'kysely';
import { isBatch } from '../../domain/requests/batch.ts';
import { membersHash } from '../../domain/requests/plan.ts';
import { isOver, move, type RequestState, type RequestVerb } from '../../domain/requests/state.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import { addEvents } from './events.ts';
import type { RequestRow } from './model.ts';
import { requestColumns } from './read.ts';
import { tellWorkers } from './verbs.ts';

/** What one plan is about: a request, or the requests of a batch. They move together, in one transaction. */
export interface Planned {
  /** `R-…` or `B-…` */
  readonly id: string;
  readonly state: RequestState;
  /** By number. Of a batch: without those who have left it. */
  readonly rows: readonly RequestRow[];
}

/** Null: there is none of this number. */
export async function readPlanned(home: Store, id: string): Promise<Planned | null> {
  return translating(home, () => inTransaction(home, { readOnly: true, isolation: 'repeatable read' }, (trx) => planned(trx, id, sql``)));
}

async function planned(trx: Transaction<unknown>, id: string, locking: ReturnType<typeof sql>): Promise<Planned | null> {
  const batch = isBatch(id)
    ? (await sql<{ state: RequestState }>`select state from probity.request_batch b where b.batch_id = ${id} ${locking}`.execute(trx))
        .rows[0]
    : null;
  if (batch === undefined) return null;
  const among = batch === null ? sql`r.request_id = ${id}` : sql`r.batch_id = ${id}`;
  const { rows } = await sql<RequestRow>`
    select ${requestColumns()} from probity.request r where ${among} order by r.request_id ${locking}`.execute(trx);
  const state = batch?.state ?? rows[0]?.state;
  return state === undefined ? null : { id, state, rows };
}

/** Somebody has changed a request meanwhile, so that it cannot move, or is not among those that were planned. The message names it and says why. */
export class MovedOn extends Error {}

export interface Moving {
  readonly verb: RequestVerb;
  readonly actor: string;
  readonly at: Date;
  readonly code: string | null;
  /** Those whom the plan is about must be these: `membersHash`. Left out: whoever they are. */
  readonly members?: string;
}

/** Somebody waits; whoever holds a row holds it for a statement. Milliseconds. */
const LOCK_TIMEOUT_MS = 5_000;

/**
 * Does one thing to all requests of a plan, each by `move()`, or to none. `along` runs in the same transaction, with the rows locked and as they
 * were. Throws `MovedOn`.
 */
export async function movePlanned(
  home: Store,
  id: string,
  moving: Moving,
  along: (trx: Transaction<unknown>, rows: readonly RequestRow[]) => Promise<void> = async () => undefined,
): Promise<RequestState> {
  const { verb, actor, at, code, members } = moving;
  return inTransaction(home, { lockTimeoutMs: LOCK_TIMEOUT_MS, settings: { synchronous_commit: 'on' } }, async (trx) => {
    const among = isBatch(id) ? sql`r.batch_id = ${id}` : sql`r.request_id = ${id}`;
    await lockPeople(trx, among);
    const found = await planned(trx, id, sql`for update`);
    if (found === null) throw new MovedOn(`${id}: there is nothing left of it`);
    const { rows } = found;
    // A plan is dropped also where all have left.
    if (rows.length === 0 && verb !== 'revise') throw new MovedOn(`${id}: all requests have left it`);
    if (members !== undefined && membersHash(rows.map((row) => row.id)) !== members)
      throw new MovedOn(`${id}: somebody has left it since it was planned`);
    await along(trx, rows);
    const state = (await moveRows(trx, rows, { verb, actor, at, code }))[0] ?? 'open';
    if (isBatch(id)) await moveBatch(trx, id, state, { verb, actor, at, code });
    if (verb === 'approve') await tellWorkers(trx, id);
    return state;
  });
}

/** Recorders lock a person before a person's request: so we do too. */
export async function lockPeople(trx: Transaction<unknown>, among: ReturnType<typeof sql>): Promise<void> {
  await sql`
    select probity.lock_consents(it.refs) from (
      select array_agg(distinct r.ref order by r.ref) as refs from probity.request r where ${among} and r.record_id is not null) it
    where it.refs is not null`.execute(trx);
}

/** Moves rows that are locked; one statement however many they are. Returns the states that they are in now, each once. */
export async function moveRows(
  trx: Transaction<unknown>,
  rows: readonly RequestRow[],
  { verb, actor, at, code }: Omit<Moving, 'members'>,
): Promise<RequestState[]> {
  const moved = rows.map((row) => {
    const found = move(row.kind, row.state, verb);
    if ('refused' in found) throw new MovedOn(`${row.id}: ${found.refused}`);
    return { id: row.id, state: found.state };
  });
  await sql`
    update probity.request r set state = it.state, closed_at = case when it.over then ${at}::timestamptz else r.closed_at end
    from unnest(${moved.map(({ id }) => id)}::text[], ${moved.map(({ state }) => state)}::text[],
      ${moved.map(({ state }) => isOver(state))}::boolean[]) it (id, state, over)
    where r.request_id = it.id`.execute(trx);
  await addEvents(trx, moved.map((it) => ({ ...it, verb, actor, at, code, evidence: null, note: null }))); // prettier-ignore
  return [...new Set(moved.map(({ state }) => state))];
}

/** A batch is where its requests are; dropped plans leave some `open` and some `suppressed`. What it waits for is told of it alone. */
export async function moveBatch(
  trx: Transaction<unknown>,
  id: string,
  state: RequestState,
  { verb, actor, at, code }: Omit<Moving, 'members'>,
): Promise<void> {
  const now = state === 'suppressed' ? 'open' : state;
  await sql`
    update probity.request_batch set state = ${now}, closed_at = case when ${now === 'closed'}::boolean then ${at}::timestamptz end
    where batch_id = ${id}`.execute(trx);
  await addEvents(trx, [{ id, verb, state: now, actor, at, code, evidence: null, note: null }]);
}
