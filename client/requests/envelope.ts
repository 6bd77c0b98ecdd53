import { createPublicKey } from 'node:crypto';
import { clockOf as storeClock } from '../../database/clock.ts';
import { insertDecision, readPreapproval } from '../../database/requests/decisions.ts';
import { planEnvelope, type EnvelopePlan } from '../../database/requests/envelope.ts';
import { listExceptions, type ListedException } from '../../database/requests/exceptions.ts';
import { MovedOn } from '../../database/requests/planned.ts';
import { inTransaction } from '../../database/store.ts';
import { ENVELOPE_ID, mayDecide, type Decision, type Preapproval } from '../../domain/requests/decision.ts';
import { envelopeHash, envelopeOf } from '../../domain/requests/envelope.ts';
import { approvalPolicy } from '../../domain/requests/policy.ts';
import type { Envelope } from '../../manifest/model.ts';
import { actorOf } from '../actors.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { readSigningKey } from '../signing.ts';
import type { By } from './change.ts';
import { inForce, inForceHere } from './in-force.ts';
import { masterKeys } from './seal.ts';

export type { EnvelopePlan } from '../../database/requests/envelope.ts';
export type { ListedException } from '../../database/requests/exceptions.ts';

/** The envelope of the manifest in force. */
export interface ShownEnvelope {
  readonly envelope: Envelope;
  /** What a pre-approval names. */
  readonly hash: string;
  readonly timezone: string;
  readonly preapproval: Preapproval;
}

/** Null: the manifest in force has none. Throws `Refused` without a manifest in force, `SigningKeyMissing` without the service's key. */
export async function readEnvelope(project: Project): Promise<ShownEnvelope | null> {
  await requireHome(project);
  const { manifest } = await inForce(project);
  const envelope = envelopeOf(manifest);
  if (envelope === null) return null;
  const hash = envelopeHash(envelope);
  const publicKey = createPublicKey(readSigningKey(project.env));
  const preapproval = await readPreapproval(project.home.db, { hash, openedBy: [] }, approvalPolicy(manifest), publicKey);
  return { envelope, hash, timezone: manifest.timezone, preapproval };
}

/**
 * Pre-approves the envelope that was shown, in the name of whoever the token belongs to, signed by the service. The same again returns the same.
 * Throws `Refused` for another envelope, and an actor who may not; `SigningKeyMissing` without the service's key.
 */
export async function approveEnvelope(
  project: Project,
  hash: string,
  token: string,
): Promise<{ readonly decision: Decision; readonly preapproval: Preapproval }> {
  const key = readSigningKey(project.env);
  await requireHome(project);
  const { manifest } = await inForce(project);
  const envelope = envelopeOf(manifest);
  if (envelope === null || envelopeHash(envelope) !== hash)
    throw new Refused('The manifest in force has another envelope: probity request envelope');
  const policy = approvalPolicy(manifest);
  return inTransaction(project.home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const actor = await actorOf(trx, token);
    if (!mayDecide(actor.roles, policy))
      throw new Refused(`${actor.name} may not decide on plans: that needs the role ${policy.roles.join(' or ')}`);
    const made = { request: ENVELOPE_ID, plan: hash, decision: 'preapprove', about: null, reason: null, actor } as const;
    const decision = await insertDecision(trx, made, key);
    return { decision, preapproval: await readPreapproval(trx, { hash, openedBy: [] }, policy, createPublicKey(key)) };
  });
}

/** Does by hand what the night would do. Throws `Refused` where the stores of the manifest in force are not those at hand. */
export async function planEnvelopeNow(project: Project, { actor, now }: By): Promise<EnvelopePlan> {
  const { home, stores } = project;
  await requireHome(project);
  const version = await inForceHere(project);
  const publicKey = createPublicKey(readSigningKey(project.env));
  const at = now ?? (await storeClock(home));
  return planEnvelope({ home, stores, version, publicKey, actor, now: at, vault: masterKeys(project.env) }).catch((error: unknown) => {
    throw error instanceof MovedOn ? new Refused(`${error.message}: plan it again`) : error;
  });
}

/** What the envelope has left for a person, and why, by the time left. */
export async function exceptions(project: Project, limit: number): Promise<ListedException[]> {
  await requireHome(project);
  return listExceptions(project.home, limit);
}
