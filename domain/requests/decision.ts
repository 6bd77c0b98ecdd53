import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { canonicalJson } from '../canonical.ts';
import { keyId } from '../evidence/certificate.ts';
import { readRedaction, type Redaction } from './redaction.ts';

export const DECISION_FORMAT = 'probity-decision/1';

/** `approve` and `reject` are about a plan; `dismiss` and `redact` about what the scan after it found; `give_up` about a recipient that nobody tells. `preapprove` about an envelope. */
export type DecisionKind = 'approve' | 'reject' | 'dismiss' | 'redact' | 'give_up' | 'preapprove';

/** What a pre-approval has in the place of a request’s number; `plan` is then the envelope’s hash. */
export const ENVELOPE_ID = 'envelope';

/** What is signed. Names of people who decide stand in it, nothing about people who are decided about. */
export interface DecisionStatement {
  readonly format: typeof DECISION_FORMAT;
  readonly request: string;
  /** Hash of the plan. */
  readonly plan: string;
  readonly decision: DecisionKind;
  /** What is dismissed or redacted, such as `store.schema.table.column`, or the recipient that is given up; null where the decision is about the whole plan. */
  readonly about: string | null;
  /** A code such as `plan_too_wide`; null where none was asked for. */
  readonly reason: string | null;
  readonly actor: string;
  /** That the actor had then, sorted. */
  readonly roles: readonly string[];
  readonly at: string;
  /** Of the key that signs. */
  readonly keyId: string;
}

export interface Decision {
  readonly statement: DecisionStatement;
  /** Ed25519 over the statement's canonical JSON, base64. */
  readonly signature: string;
}

/** Signs as the service; `privateKey` is Ed25519. */
export function signDecision(statement: Omit<DecisionStatement, 'format' | 'keyId'>, privateKey: KeyObject): Decision {
  const signed: DecisionStatement = { format: DECISION_FORMAT, ...statement, keyId: keyId(createPublicKey(privateKey)) };
  return { statement: signed, signature: sign(null, Buffer.from(canonicalJson(signed)), privateKey).toString('base64') };
}

/** Whether the service that holds this key has signed exactly this. Never throws: what somebody hands in may be anything. */
export function verifyDecision(decision: Partial<Decision> | null, publicKey: KeyObject): boolean {
  const { statement, signature } = decision ?? {};
  if (statement?.format !== DECISION_FORMAT || typeof signature !== 'string') return false;
  if (publicKey.asymmetricKeyType !== 'ed25519' || statement.keyId !== keyId(publicKey)) return false;
  try {
    return verify(null, Buffer.from(canonicalJson(statement)), publicKey, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

/** Who approves: the manifest's `requests.approval`. */
export interface ApprovalPolicy {
  /** An actor who has one of them may decide. */
  readonly roles: readonly string[];
  /** Two actors must approve; otherwise one. */
  readonly fourEyes: boolean;
}

export interface Approval {
  readonly approved: boolean;
  /** Who has approved, in order. */
  readonly by: readonly string[];
  readonly needed: number;
  /** Who has rejected; a rejected plan stays rejected. */
  readonly rejectedBy: readonly string[];
  /** Approvals and dismissals that do not count, since their signature is not the service's. */
  readonly unverified: number;
  /** What was dismissed: each by somebody who may decide and has not opened the request. */
  readonly dismissed: readonly string[];
  /** What is to be redacted: decided in the same way. */
  readonly redacted: readonly Redaction[];
  /** Recipients that need not be told, and why: decided in the same way. */
  readonly givenUp: readonly { readonly recipient: string; readonly reason: string }[];
}

/**
 * Whether a plan is approved. `decisions`: oldest first, without approvals and dismissals of actors who have been revoked since. Whoever
 * opened the request does not count, nor a signature of another key than `publicKey`. A rejection needs neither: it stops, and stopping is safe.
 */
export function judgeApproval(
  decisions: readonly Decision[],
  about: { readonly request: string; readonly plan: string; readonly openedBy: readonly string[] },
  policy: ApprovalPolicy,
  publicKey: KeyObject,
): Approval {
  const here = decisions.filter(({ statement: { request, plan } }) => request === about.request && plan === about.plan);
  const letting = here.filter(({ statement }) => statement.decision !== 'reject');
  const valid = letting.filter((it) => verifyDecision(it, publicKey)).map(({ statement }) => statement);
  const counted = valid.filter(({ actor, roles }) => mayDecide(roles, policy) && !hasOpened(actor, about.openedBy));
  const by = [...new Set(counted.flatMap(({ decision, actor }) => (decision === 'approve' ? [actor] : [])))];
  const rejectedBy = [...new Set(here.flatMap(({ statement: { decision, actor } }) => (decision === 'reject' ? [actor] : [])))];
  const needed = policy.fourEyes ? 2 : 1;
  return {
    approved: by.length >= needed && rejectedBy.length === 0,
    by,
    needed,
    rejectedBy,
    unverified: letting.length - valid.length,
    dismissed: [...new Set(counted.flatMap(({ decision, about: what }) => (decision === 'dismiss' && what !== null ? [what] : [])))],
    redacted: counted.flatMap(({ decision, about: what }) => (decision === 'redact' && what !== null ? (readRedaction(what) ?? []) : [])),
    givenUp: counted.flatMap(({ decision, about: recipient, reason }) =>
      decision === 'give_up' && recipient !== null && reason !== null ? [{ recipient, reason }] : [],
    ),
  };
}

/**
 * Whether an envelope is pre-approved: by as many as approve a plan, in the same way. `openedBy`: whoever opened what it is to let pass. The
 * hash stands in what was signed, so a pre-approval of one envelope says nothing of another.
 */
export function judgePreapproval(
  decisions: readonly Decision[],
  about: { readonly hash: string; readonly openedBy: readonly string[] },
  policy: ApprovalPolicy,
  publicKey: KeyObject,
): Preapproval {
  const here = decisions.filter(
    ({ statement: it }) => it.decision === 'preapprove' && it.request === ENVELOPE_ID && it.plan === about.hash,
  );
  const valid = here.filter((it) => verifyDecision(it, publicKey)).map(({ statement }) => statement);
  const counted = valid.filter(({ actor, roles }) => mayDecide(roles, policy) && !hasOpened(actor, about.openedBy));
  const by = [...new Set(counted.map(({ actor }) => actor))];
  const needed = policy.fourEyes ? 2 : 1;
  return { approved: by.length >= needed, by, needed, unverified: here.length - valid.length };
}

export type Preapproval = Pick<Approval, 'approved' | 'by' | 'needed' | 'unverified'>;

export function mayDecide(roles: readonly string[], policy: ApprovalPolicy): boolean {
  return roles.some((role) => policy.roles.includes(role));
}

/** Openers may come from places that spell names in their own way. */
export function hasOpened(actor: string, openedBy: readonly string[]): boolean {
  return openedBy.some((opener) => opener.trim().toLowerCase() === actor.toLowerCase());
}
