import { createPublicKey, type KeyObject } from 'node:crypto';
import { sql, type Kysely, type RawBuilder } from 'kysely';
import {
  ENVELOPE_ID,
  judgeApproval,
  judgePreapproval,
  signDecision,
  type Approval,
  type ApprovalPolicy,
  type Decision,
  type DecisionKind,
  type DecisionStatement,
  type Preapproval,
} from '../../domain/requests/decision.ts';
import type { Actor } from '../../domain/requests/actor.ts';
import { envelopeHash, envelopeOf, outsideEnvelope, withPreapproval } from '../../domain/requests/envelope.ts';
import { erasurePlanHash, type ErasurePlan } from '../../domain/requests/plan.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';

/** What a decision must agree with. */
export interface DecidedRequest {
  /** Whoever brought it in, by each way that leads to it. */
  readonly openedBy: readonly string[];
  /** Of the plan that it has now; null: none. */
  readonly planHash: string | null;
  readonly closed: boolean;
}

/** The request itself, or those that go with a batch. */
function among(id: string): RawBuilder<unknown> {
  return sql`select r.request_id, r.record_id from probity.request r where r.request_id = ${id} or r.batch_id = ${id}`;
}

/** By a command or the library, also of one that was open already; or with a record of the consent ledger. Of a batch: of any request in it. */
function openers(id: string): RawBuilder<string[]> {
  return sql<string[]>`array(
    select e.actor from (${among(id)}) r join probity.request_event e on e.request_id = r.request_id and e.verb in ('open', 'repeat')
    union
    select c.actor from (${among(id)}) r join probity.consent_content c on c.record_id = r.record_id
    order by 1)`;
}

/** Reads a request or a batch, and keeps its plan and its state from changing until the transaction ends. Null: there is none. */
export async function lockRequest(trx: Kysely<unknown>, requestId: string): Promise<DecidedRequest | null> {
  await sql`select from probity.request_batch where batch_id = ${requestId} for no key update`.execute(trx);
  await sql`select from probity.request where request_id = ${requestId} for no key update`.execute(trx);
  // A statement of its own: it sees what whoever had the lock has committed.
  const { rows } = await sql<DecidedRequest>`
    select ${openers(requestId)} as "openedBy", it.closed,
      (select p.plan_hash from probity.request_plan p where p.request_id = ${requestId} order by p.plan_number desc limit 1) as "planHash"
    from (
      select r.closed_at is not null as closed from probity.request r where r.request_id = ${requestId}
      union all
      select b.closed_at is not null from probity.request_batch b where b.batch_id = ${requestId}) it`.execute(trx);
  return rows[0] ?? null;
}

/** Makes a plan the one that a request has, or (null) takes it away: decisions about another are refused from the commit on. */
export async function bindPlan(trx: Kysely<unknown>, requestId: string, planHash: string | null): Promise<void> {
  const request = await lockRequest(trx, requestId);
  if (request === null || request.planHash === planHash) return;
  await sql`insert into probity.request_plan (request_id, plan_hash) values (${requestId}, ${planHash})`.execute(trx);
}

export interface NewDecision {
  readonly request: string;
  readonly plan: string;
  readonly decision: DecisionKind;
  readonly about: string | null;
  readonly reason: string | null;
  readonly actor: Actor;
}

/**
 * Signs a decision and stores it, or returns the one that the actor has taken already: saying it again changes nothing. The caller has locked
 * the request, so decisions about it come one after the other.
 */
export async function insertDecision(trx: Kysely<unknown>, made: NewDecision, privateKey: KeyObject): Promise<Decision> {
  const { request, plan, decision, about, reason, actor } = made;
  const { rows: known } = await sql<Decision>`
    select statement, signature from probity.request_decision
    where request_id = ${request} and plan_hash = ${plan} and actor = ${actor.name} and decision = ${decision}
      and about is not distinct from ${about}`.execute(trx);
  if (known[0] !== undefined) return known[0];
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(trx);
  const at = rows[0]!.now.toISOString();
  const roles = [...actor.roles].sort();
  const signed = signDecision({ request, plan, decision, about, reason, actor: actor.name, roles, at }, privateKey);
  await sql`
    insert into probity.signing_key (key_id, public_key)
    values (${signed.statement.keyId}, ${createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()})
    on conflict do nothing`.execute(trx);
  await sql`
    insert into probity.request_decision (request_id, plan_hash, decision, about, actor, statement, signature)
    values (${request}, ${plan}, ${decision}, ${about}, ${actor.name}, ${JSON.stringify(signed.statement)}, ${signed.signature})`.execute(
    trx,
  );
  return signed;
}

interface DecisionRow {
  readonly decision: DecisionKind;
  readonly actor: string;
  readonly revoked: boolean;
  readonly statement: DecisionStatement;
  readonly signature: string;
}

/** Everything that was decided about a request, oldest first: what a certificate shows and `verifyDecision` checks. */
export async function readDecisions(home: Kysely<unknown>, requestId: string): Promise<Decision[]> {
  return (await readRows(home, requestId)).map(({ statement, signature }) => ({ statement, signature }));
}

/**
 * Whether a plan of a request is approved now. What lets things happen counts only with the service's signature (`publicKey`), and only as
 * long as its actor has not been revoked; it says nothing of whether this is still the request's plan.
 */
export async function readApproval(
  home: Store | Kysely<unknown>,
  about: { readonly request: string; readonly plan: string },
  policy: ApprovalPolicy,
  publicKey: KeyObject,
): Promise<Approval> {
  const db = 'db' in home ? home.db : home;
  return translating('home', async () => {
    const { rows } = await sql<{ openedBy: string[] }>`select ${openers(about.request)} as "openedBy"`.execute(db);
    const [request] = rows;
    const decisions = (await readRows(db, about.request)).filter(({ decision, revoked }) => decision === 'reject' || !revoked);
    const openedBy = request?.openedBy ?? [];
    const judged = judgeApproval(decisions, { ...about, openedBy }, policy, publicKey);
    const envelope = await envelopeAround(db, about);
    if (envelope === null) return judged;
    return withPreapproval(judged, await readPreapproval(db, { hash: envelope, openedBy }, policy, publicKey), envelope);
  });
}

/** Whether an envelope is pre-approved now, by actors who have not been revoked. */
export async function readPreapproval(
  db: Kysely<unknown>,
  about: { readonly hash: string; readonly openedBy: readonly string[] },
  policy: ApprovalPolicy,
  publicKey: KeyObject,
): Promise<Preapproval> {
  const decisions = (await readRows(db, ENVELOPE_ID)).filter(({ revoked }) => !revoked);
  return judgePreapproval(decisions, about, policy, publicKey);
}

/**
 * The hash of the envelope that lets a plan pass: the plan's manifest has it, the plan was made for it, and is within it. Null: none does. The
 * plan's hash is computed again, since nobody has signed it.
 */
async function envelopeAround(db: Kysely<unknown>, about: { readonly request: string; readonly plan: string }): Promise<string | null> {
  const { rows } = await sql<{ plan: ErasurePlan; manifest: Manifest }>`
    select p.body as plan, m.canonical as manifest
    from probity.request_batch b join probity.plan p on p.hash = ${about.plan} join probity.manifest_version m on m.hash = p.manifest_hash
    where b.batch_id = ${about.request} and b.origin = 'envelope' order by m.version desc limit 1`.execute(db);
  const [row] = rows;
  const envelope = row === undefined ? null : envelopeOf(row.manifest);
  if (row === undefined || envelope === null) return null;
  const { plan } = row;
  if (plan.request !== about.request || erasurePlanHash(plan) !== about.plan || outsideEnvelope(envelope, plan) !== null) return null;
  return envelopeHash(envelope);
}

async function readRows(db: Kysely<unknown>, requestId: string): Promise<DecisionRow[]> {
  // An actor who is not there at all has never decided anything.
  const { rows } = await sql<DecisionRow>`
    select d.decision, d.actor, a.actor is null or a.revoked_at is not null as revoked, d.statement, d.signature
    from probity.request_decision d left join probity.actor a on a.actor = d.actor
    where d.request_id = ${requestId} order by d.decision_id`.execute(db);
  return rows;
}
