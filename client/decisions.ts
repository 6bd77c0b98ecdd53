import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Transaction } from 'kysely';
import { bindPlan, insertDecision, lockRequest, readApproval, readDecisions, type DecidedRequest } from '../database/requests/decisions.ts';
import { translating } from '../database/errors.ts';
import { manifestOfPlan } from '../database/requests/plans.ts';
import { currentManifest } from '../database/runs.ts';
import { inTransaction } from '../database/store.ts';
import { SHOWN_HASH } from '../domain/canonical.ts';
import type { Actor } from '../domain/requests/actor.ts';
import { hasOpened, mayDecide, type Approval, type ApprovalPolicy, type Decision, type DecisionKind } from '../domain/requests/decision.ts';
import { readRedaction } from '../domain/requests/redaction.ts';
import { approvalPolicy } from '../domain/requests/policy.ts';
import { actorOf } from './actors.ts';
import { requireHome } from './migrate.ts';
import type { Project } from './project.ts';
import { Refused } from './refused.ts';
import { readSigningKey } from './signing.ts';

export { verifyDecision } from '../domain/requests/decision.ts';
export type { Approval, Decision } from '../domain/requests/decision.ts';

export interface DecisionOrder {
  readonly requestId: string;
  /** Of the plan that was shown. */
  readonly planHash: string;
  readonly decision: DecisionKind;
  /** A code such as `plan_too_wide`: needed for all but an approval. */
  readonly reason?: string;
  /** What is dismissed: `store.schema.table` or `store.schema.table.column`; or the recipient that is given up. */
  readonly about?: string;
}

export interface RecordedDecision {
  readonly decision: Decision;
  /** Of the plan, with this decision. */
  readonly approval: Approval;
}

/** A code and names only: a free text would bring people's data into what is signed and kept. */
const REASON = /^[a-z][a-z0-9_]{0,59}$/;
/** As the manifest allows names. */
const RECIPIENT = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;
const ABOUT = /^[^\s.]+(\.[^\s.]+){2,3}$/;

/**
 * Records what an actor decides about the plan that a request has now, signed by the service. The same again returns the same. Who may decide,
 * and how many must approve, says `requests.approval` of the plan’s manifest. Throws `Refused` for another plan, an actor who may not or who
 * has opened the request, a closed request, and an approval of what was rejected; `SigningKeyMissing` without the service's key.
 */
export async function recordDecision(project: Project, order: DecisionOrder, token: string): Promise<RecordedDecision> {
  const { requestId, planHash, decision, reason = null, about = null } = order;
  return deciding(project, order, { token, what: 'decide on plans' }, async ({ trx, actor, request, policy, key }) => {
    if (request.closed) throw new Refused(`${requestId} is closed`);
    if (request.planHash === null) throw new Refused(`${requestId} has no plan yet`);
    if (request.planHash !== planHash)
      throw new Refused(
        `${requestId} has another plan by now: look at it, and decide with its hash ${request.planHash.slice(0, SHOWN_HASH)}…`,
      );
    if (decision !== 'reject' && hasOpened(actor.name, request.openedBy))
      throw new Refused(`${actor.name} has opened ${requestId}: nobody approves their own request`);
    const plan = { request: requestId, plan: planHash };
    const before = await readApproval(trx, plan, policy, createPublicKey(key));
    if (decision === 'approve' && before.rejectedBy.length > 0)
      throw new Refused(`This plan was rejected by ${before.rejectedBy.join(', ')}: ${requestId} needs a new one`);
    const recorded = await insertDecision(trx, { ...plan, decision, about, reason, actor }, key);
    return { decision: recorded, approval: await readApproval(trx, plan, policy, createPublicKey(key)) };
  });
}

/** What is decided of a recipient who is told of a request for which nothing was planned, such as a restriction. */
export interface NoticeOrder {
  readonly requestId: string;
  /** Of what they were to be told: `noticesHash`. */
  readonly hash: string;
  readonly recipient: string;
  readonly reason: string;
}

/**
 * Gives up a recipient, signed over what it was to be told. Who may do so says the manifest in force. The request may be closed: it did not
 * wait for its recipients. Throws `Refused` and `SigningKeyMissing` as `recordDecision` does.
 */
export async function recordGivenUp(project: Project, order: NoticeOrder, token: string): Promise<Decision> {
  const { requestId, hash, recipient: about, reason } = order;
  const decided: DecisionOrder = { requestId, planHash: hash, decision: 'give_up', about, reason };
  return deciding(project, decided, { token, what: 'give up a recipient' }, async ({ trx, actor, request, key }) => {
    if (hasOpened(actor.name, request.openedBy))
      throw new Refused(`${actor.name} has opened ${requestId}: nobody decides on their own request`);
    return insertDecision(trx, { request: requestId, plan: hash, decision: 'give_up', about, reason, actor }, key);
  });
}

interface Deciding {
  readonly trx: Transaction<unknown>;
  readonly actor: Actor;
  /** Locked. */
  readonly request: DecidedRequest;
  readonly policy: ApprovalPolicy;
  readonly key: KeyObject;
}

/** Checks what is ordered and who orders it, and lets `act` record it, durably, in one transaction. `what`: that an actor without the role may not do. */
async function deciding<T>(
  project: Project,
  order: DecisionOrder,
  { token, what }: { readonly token: string; readonly what: string },
  act: (at: Deciding) => Promise<T>,
): Promise<T> {
  checkOrder(order);
  const key = readSigningKey(project.env);
  await requireHome(project);
  const policy = await policyOf(project, order.planHash);
  return inTransaction(project.home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const actor = await actorOf(trx, token);
    if (!mayDecide(actor.roles, policy))
      throw new Refused(`${actor.name} may not ${what}: that needs the role ${policy.roles.join(' or ')}`);
    const request = await lockRequest(trx, order.requestId);
    if (request === null) throw new Refused(`There is no request of this number: \`probity request list\``);
    return act({ trx, actor, request, policy, key });
  });
}

/** Whether a plan of a request is approved now, and by whom. Throws `Refused`, and `SigningKeyMissing` without the service's key. */
export async function approvedBy(project: Project, requestId: string, planHash: string): Promise<Approval> {
  const publicKey = createPublicKey(readSigningKey(project.env));
  await requireHome(project);
  return readApproval(project.home, { request: requestId, plan: planHash }, await policyOf(project, planHash), publicKey);
}

/** Makes a plan the one that decisions about a request must name; null: it has none any more. */
export async function setPlan(project: Project, requestId: string, planHash: string | null): Promise<void> {
  await requireHome(project);
  await inTransaction(project.home, { settings: { synchronous_commit: 'on' } }, (trx) => bindPlan(trx, requestId, planHash));
}

/** Everything that was decided about a request, oldest first. */
export async function decisions(project: Project, requestId: string): Promise<Decision[]> {
  await requireHome(project);
  return translating(project.home, () => readDecisions(project.home.db, requestId));
}

/**
 * Of the manifest that the plan was made by: whom it takes to approve was shown with it, and the worker and the certificate judge by the same.
 * Not the manifest at hand: whoever decides could have written that one.
 */
async function policyOf({ home }: Project, planHash: string): Promise<ApprovalPolicy> {
  const version = await translating(
    home,
    async () => (await manifestOfPlan(home.db, planHash)) ?? (await currentManifest(home.db))?.manifest,
  );
  if (version === undefined) throw new Refused('No manifest is in force: put yours in force with `probity apply`');
  return approvalPolicy(version);
}

function checkOrder({ decision, reason, about }: DecisionOrder): void {
  if (reason === undefined && decision !== 'approve') throw new Refused(`To ${decision} needs a reason`);
  if (reason !== undefined && !REASON.test(reason))
    throw new Refused('A reason is a code of small letters, digits and underscores, such as plan_too_wide: no text about people');
  const names = decision === 'dismiss' || decision === 'redact' || decision === 'give_up';
  if ((about === undefined) === names)
    throw new Refused('To dismiss or to redact needs a table or column that it is about, to give up a recipient, and nothing else does');
  if (about !== undefined && decision === 'dismiss' && !ABOUT.test(about))
    throw new Refused('What is dismissed is named as store.schema.table.column');
  if (about !== undefined && decision === 'redact' && readRedaction(about) === null)
    throw new Refused('What is redacted is named as store.schema.table.column, with the hash of what was shown');
  if (about !== undefined && decision === 'give_up' && !RECIPIENT.test(about)) throw new Refused('A recipient is named as in the manifest');
}
