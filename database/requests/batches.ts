import { sql, type Kysely, type Transaction } from 'kysely';
import { isBatch } from '../../domain/requests/batch.ts';
import type { RequestState } from '../../domain/requests/state.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import type { RequestKind } from '../../domain/requests/model.ts';
import type { RequestRow } from './model.ts';
import { requestColumns } from './read.ts';

/** `envelope`: all that a pre-approved envelope lets pass. */
export type BatchOrigin = 'manual' | 'envelope';

export interface Batch {
  readonly id: string;
  readonly origin: BatchOrigin;
  /** Who made it. */
  readonly actor: string;
  readonly createdAt: Date;
  /** `open`: its plan was dropped, it is to be planned again. */
  readonly state: Extract<RequestState, 'open' | 'planned' | 'approved' | 'running' | 'closed'>;
  readonly closedAt: Date | null;
  /** Requests that go with it now. */
  readonly members: number;
  /** Requests that have left it: cancelled, refused, or planned otherwise. */
  readonly left: readonly string[];
}

/** The numbers of the requests behind a plan: of a batch those that it was made for, of a request its own. By number. */
export async function planMembers(db: Kysely<unknown>, planId: string): Promise<string[]> {
  if (!isBatch(planId)) return [planId];
  const { rows } = await sql<{ id: string }>`
    select m.request_id as id from probity.request_batch_member m where m.batch_id = ${planId} order by m.request_id`.execute(db);
  return rows.map(({ id }) => id);
}

/** Null: there is none of this number. */
export async function readBatch(home: Store, id: string): Promise<Batch | null> {
  const { rows } = await translating(home, () =>
    sql<Batch>`
      select b.batch_id as id, b.origin, b.actor, b.created_at as "createdAt", b.state, b.closed_at as "closedAt",
        (select count(*) from probity.request r where r.batch_id = b.batch_id) as members,
        array(select m.request_id from probity.request_batch_member m join probity.request r on r.request_id = m.request_id
          where m.batch_id = b.batch_id and r.batch_id is distinct from b.batch_id order by m.request_id) as left
      from probity.request_batch b where b.batch_id = ${id}`.execute(home.db),
  );
  return rows[0] ?? null;
}

/** The plan that a request goes by: its batch's, or its own. */
export async function planIdOf(home: Store, id: string): Promise<string> {
  if (isBatch(id)) return id;
  const { rows } = await translating(home, () =>
    sql<{ batch: string | null }>`select r.batch_id as batch from probity.request r where r.request_id = ${id}`.execute(home.db),
  );
  return rows[0]?.batch ?? id;
}

/** A number that no batch has had. */
export async function newBatchNumber(home: Store): Promise<string> {
  const { rows } = await translating(home, () =>
    sql<{ id: string }>`select 'B-' || nextval('probity.batch_number') as id`.execute(home.db),
  );
  return rows[0]!.id;
}

/**
 * Makes requests, which the caller has locked, go by a plan: by their batch's, which is made if there is none of this number, or, alone, by
 * their own. What they went by before counts no more.
 */
export async function joinPlan(
  trx: Transaction<unknown>,
  planId: string,
  requests: readonly string[],
  { origin, actor }: { readonly origin: BatchOrigin; readonly actor: string },
): Promise<void> {
  if (!isBatch(planId)) {
    await sql`update probity.request set batch_id = null where request_id = any (${requests}::text[]) and batch_id is not null`.execute(
      trx,
    );
    return;
  }
  await sql`
    insert into probity.request_batch (batch_id, origin, actor, state) values (${planId}, ${origin}, ${actor}, 'planned')
    on conflict (batch_id) do nothing`.execute(trx);
  await sql`
    delete from probity.request_batch_member where batch_id = ${planId} and request_id <> all (${requests}::text[])`.execute(trx);
  await sql`
    insert into probity.request_batch_member (batch_id, request_id)
    select ${planId}, it.id from unnest(${requests}::text[]) it (id) order by it.id on conflict do nothing`.execute(trx);
  await sql`update probity.request set batch_id = null where batch_id = ${planId} and request_id <> all (${requests}::text[])`.execute(trx);
  await sql`
    update probity.request set batch_id = ${planId} where request_id = any (${requests}::text[]) and batch_id is distinct from ${planId}`.execute(
    trx,
  );
  await sql`
    insert into probity.request_plan (request_id, plan_hash)
    select it.id, null from unnest(${requests}::text[]) it (id)
    where (select p.plan_hash from probity.request_plan p where p.request_id = it.id order by p.plan_number desc limit 1) is not null
    order by it.id`.execute(trx);
}

/**
 * Requests that a plan can be made for now and that go with none, by the time left. `balanced`: purposes to which an objection is to be weighed;
 * one that nobody has upheld is not ready.
 */
export async function readyRequests(
  home: Store,
  { kinds, balanced, limit }: { readonly kinds: readonly RequestKind[]; readonly balanced: readonly string[]; readonly limit: number },
): Promise<RequestRow[]> {
  const { rows } = await translating(home, () =>
    sql<RequestRow>`
      select ${requestColumns()} from probity.request r
      where r.kind = any (${kinds}::text[]) and r.closed_at is null and r.state = case when r.record_id is null then 'open' else 'suppressed' end
        and not (r.kind = 'objection' and (r.purpose = '*' or r.purpose = any (${balanced}::text[])) and not exists (
          select from probity.consent_content c where c.ref = r.ref and c.purpose = r.purpose and c.decision = 'objection_upheld'
            and c.received_at >= r.received_at))
      order by r.due_at, r.request_id limit ${limit}`.execute(home.db),
  );
  return rows;
}

export interface MemberCount {
  readonly kind: RequestKind;
  readonly state: RequestState;
  readonly requests: number;
}

/** The requests that go with a batch, counted, and when the first of them is due. */
export async function readMembers(home: Store, id: string): Promise<{ counts: MemberCount[]; dueAt: Date | null }> {
  const { rows } = await translating(home, () =>
    sql<MemberCount & { dueAt: Date }>`
      select r.kind, r.state, count(*) as requests, min(r.due_at) as "dueAt" from probity.request r where r.batch_id = ${id}
      group by r.kind, r.state order by r.kind, r.state`.execute(home.db),
  );
  const dueAt = rows.reduce<Date | null>((first, row) => (first === null || row.dueAt < first ? row.dueAt : first), null);
  return { counts: rows.map(({ kind, state, requests }) => ({ kind, state, requests })), dueAt };
}
