import { encryptIdentities, openIdentities as open, readLooks, storeIdentities, type VaultLook } from '../database/requests/vault.ts';
import { rewrapKeys, type Rewrapped } from '../database/requests/rewrap.ts';
import { translating } from '../database/errors.ts';
import { inTransaction } from '../database/store.ts';
import { OFFICER, SERVICE, type Actor } from '../domain/requests/actor.ts';
import type { VaultContent } from '../domain/requests/vault.ts';
import { readMasterKeys } from './master-key.ts';
import { requireHome } from './migrate.ts';
import type { Project } from './project.ts';
import { Refused } from './refused.ts';

export type { VaultContent, VaultPerson } from '../domain/requests/vault.ts';
export type { VaultLook } from '../database/requests/vault.ts';

/** A sentence, not a file. */
const LONGEST_WHY = 300;

/**
 * Encrypts whom an open request is about; what was sealed for it before is replaced. Throws `VaultRefused`, and `MasterKeyMissing` without a
 * master key.
 */
export async function sealIdentities(project: Project, requestId: string, identities: VaultContent): Promise<void> {
  const keys = readMasterKeys(project.env);
  await requireHome(project);
  const sealed = await encryptIdentities(keys, requestId, identities);
  await inTransaction(project.home, { settings: { synchronous_commit: 'on' } }, (trx) => storeIdentities(trx, sealed));
}

/**
 * Whom a request is about. Recorded before anything is shown: who looked, when, and why (no personal data). `actor` has shown a token
 * (`authenticate`) and is an officer, or is `SERVICE`. Throws `Refused`, `VaultRefused`, `MasterKeyMissing`.
 */
export async function openIdentities(project: Project, requestId: string, actor: Actor, why: string): Promise<VaultContent> {
  if (actor !== SERVICE && !actor.roles.includes(OFFICER))
    throw new Refused(`${actor.name} may not look at whom a request is about: that needs the role ${OFFICER}`);
  const reason = why.trim();
  if (reason === '' || reason.length > LONGEST_WHY) throw new Refused(`A look needs its reason, in at most ${LONGEST_WHY} characters`);
  const keys = readMasterKeys(project.env);
  await requireHome(project);
  return open(project.home, keys, requestId, actor, reason);
}

/** Who has looked at whom a request is about, oldest first. */
export async function vaultLooks(project: Project, requestId: string): Promise<VaultLook[]> {
  await requireHome(project);
  return translating(project.home, () => readLooks(project.home.db, requestId));
}

/** Wraps all of the vault by the first of the master keys, so that the others can go. */
export async function rewrapVault(project: Project): Promise<Rewrapped & { readonly keyId: string }> {
  const keys = readMasterKeys(project.env);
  await requireHome(project);
  return { ...(await translating(project.home, () => rewrapKeys(project.home, keys))), keyId: keys.keyId };
}
