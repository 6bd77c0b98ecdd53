import { createPublicKey } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { readDecisions } from '../database/requests/decisions.ts';
import { readEvents } from '../database/requests/read.ts';
import { sealedUnder } from '../database/requests/vault.ts';
import { addEvent } from '../database/requests/verbs.ts';
import { keyId } from '../domain/evidence/certificate.ts';
import { SERVICE } from '../domain/requests/actor.ts';
import type { Approval } from '../domain/requests/decision.ts';
import type { KeyWait } from '../domain/requests/waits.ts';
import type { RequestState } from '../domain/requests/state.ts';
import type { ActivityDependencies } from './dependencies.ts';

export interface AboutKeys {
  /** The request or the batch that has the plan. */
  readonly id: string;
  readonly state: RequestState;
  /** The plan's hash. */
  readonly plan: string;
}

/**
 * A plan that was approved under another key than this worker's would look like one that nobody has approved. Throws, retryably: a worker
 * with the right key goes on.
 */
export async function refuseOtherSigner(dependencies: ActivityDependencies, about: AboutKeys, approval: Approval): Promise<void> {
  const { home, signingKey } = dependencies;
  if (approval.approved || approval.unverified === 0 || approval.rejectedBy.length > 0) return;
  const ours = keyId(createPublicKey(signingKey()));
  const decided = (await readDecisions(home.db, about.id)).filter(({ statement }) => statement.plan === about.plan);
  const theirs = new Set(decided.map(({ statement }) => statement.keyId));
  theirs.delete(ours);
  // Signed with ours, and yet not valid: that is no other key, and stays unapproved.
  if (theirs.size === 0) return;
  await wait(dependencies, about, {
    code: 'other_signing_key',
    message: `This worker's signing key is another than the one that ${about.id} was approved under`,
    theirs: [...theirs],
    ours,
  });
}

/** What requesters gave could not be read when it is needed, which is after their rows have gone. */
export async function refuseOtherMaster(dependencies: ActivityDependencies, about: AboutKeys, requests: readonly string[]): Promise<void> {
  const keys = dependencies.vault?.() ?? null;
  if (keys === null) return;
  const theirs = (await sealedUnder(dependencies.home.db, requests)).filter((id) => !keys.opens(id));
  if (theirs.length === 0) return;
  await wait(dependencies, about, {
    code: 'other_master_key',
    message: `This worker's master key is another than the one that ${about.id} is sealed under`,
    theirs,
    ours: keys.keyId,
  });
}

interface OtherKey {
  readonly code: KeyWait;
  readonly message: string;
  readonly theirs: readonly string[];
  readonly ours: string;
}

async function wait(
  { home, log }: ActivityDependencies,
  { id, state }: AboutKeys,
  { code, message, theirs, ours }: OtherKey,
): Promise<never> {
  log(message, { wanted: theirs, ours });
  const last = (await readEvents(home, id)).at(-1);
  if (last?.verb !== 'wait' || last.code !== code) await addEvent(home, { id, verb: 'wait', state, actor: SERVICE.name, code });
  throw ApplicationFailure.create({ type: code, message });
}
