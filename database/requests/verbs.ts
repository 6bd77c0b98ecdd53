import { sql, type Transaction } from 'kysely';
import type { IdentityVerb } from '../../domain/requests/resolve.ts';
import type { RequestState, RequestVerb } from '../../domain/requests/state.ts';
import { recordIn } from '../permission/record.ts';
import { inTransaction, type Store } from '../store.ts';
import { addEvents } from './events.ts';
import type { RequestRow } from './model.ts';
import { requestColumns } from './read.ts';

export interface Done {
  readonly verb: RequestVerb | 'reply' | IdentityVerb;
  /** What the row says afterwards. */
  readonly row: RequestRow;
  readonly code: string | null;
  readonly evidence: string | null;
  readonly note: string | null;
  /** What the ledger must know of it, of the request's own purpose. */
  readonly decision: string | null;
}

const LEAVES: readonly RequestState[] = ['refused', 'cancelled'];
/** Somebody waits; whoever holds the row holds it for a statement. Milliseconds. */
const LOCK_TIMEOUT_MS = 5_000;

/**
 * Does one thing to one request: `decide` sees the row as nobody else can change it, and throws to leave it as it is. Row, ledger and event
 * commit together. Null: there is no such request.
 */
export async function changeRequest(
  home: Store,
  id: string,
  by: { readonly actor: string; readonly at: Date },
  decide: (row: RequestRow) => Done,
): Promise<RequestRow | null> {
  return inTransaction(home, { lockTimeoutMs: LOCK_TIMEOUT_MS, settings: { synchronous_commit: 'on' } }, async (trx) => {
    // Recorders lock a person before a person's request: so we do too.
    await sql`
      select probity.lock_consents(array[r.ref]) from probity.request r where r.request_id = ${id} and r.record_id is not null`.execute(
      trx,
    );
    const { rows } = await sql<RequestRow>`
      select ${requestColumns()} from probity.request r where r.request_id = ${id} for update`.execute(trx);
    const [row] = rows;
    if (row === undefined) return null;
    const { row: next, verb, code, evidence, note, decision } = decide(row);
    if (decision !== null) await tellLedger(trx, id, decision, by.actor);
    await sql`
      update probity.request set state = ${next.state}, due_at = ${next.dueAt}, extended_at = ${next.extendedAt}, paused_at = ${next.pausedAt},
        paused_ms = ${next.pausedMs}, verified_at = ${next.verifiedAt}, verified_by = ${next.verifiedBy}, refused_by = ${next.refusedBy},
        closed_at = ${next.closedAt},
        -- Whoever does not go where the others of a batch go has left it: its plan is to be made again.
        batch_id = case when ${LEAVES.includes(next.state)}::boolean then null else batch_id end
      where request_id = ${id}`.execute(trx);
    // What was approved is to be carried out, as soon as Temporal is there.
    if (verb === 'approve') await tellWorkers(trx, id);
    await addEvents(trx, [{ id, verb, state: next.state, actor: by.actor, at: by.at, code, evidence, note }]);
    return next;
  });
}

async function tellLedger(trx: Transaction<unknown>, id: string, decision: string, actor: string): Promise<void> {
  const { rows } = await sql<{ subject: string; key: string; purpose: string }>`
    select l.subject, l.key, r.purpose from probity.request r join probity.consent_link l on l.ref = r.ref
    where r.request_id = ${id}`.execute(trx);
  const [who] = rows;
  // Whoever was erased meanwhile has nothing left that a decision could change.
  if (who === undefined) return;
  await recordIn(trx, [
    {
      ...who,
      channel: null,
      decision,
      captured_at: null,
      touchpoint: 'request',
      notice: null,
      language: null,
      given_by: null,
      proof: id,
      actor,
      door: 'command',
      id: null,
    },
  ]);
}

/** Starts the request's workflow again; a repeated word is one. */
export async function tellWorkers(trx: Transaction<unknown>, id: string): Promise<void> {
  await sql`insert into probity.outbox (request_id) values (${id}) on conflict (request_id) do nothing`.execute(trx);
}

/** Writes down what happened to a request that stays in its state. */
export async function addEvent(
  home: Store,
  event: { readonly id: string; readonly verb: string; readonly state: string; readonly actor: string; readonly code: string | null },
): Promise<void> {
  await inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) =>
    addEvents(trx, [{ ...event, at: null, evidence: null, note: null }]),
  );
}
