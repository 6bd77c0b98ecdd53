import { sql } from 'kysely';
import { translating } from '../../database/errors.ts';
import type { Person } from '../../database/requests/people.ts';
import { encryptIdentities, storeManyIdentities } from '../../database/requests/vault.ts';
import { inTransaction } from '../../database/store.ts';
import type { VaultPerson } from '../../domain/requests/vault.ts';
import { keyParts } from '../../domain/subject-key.ts';
import type { ConsentIdentity } from '../consent/entries.ts';
import { MasterKeyMissing, readMasterKeys } from '../master-key.ts';
import type { Project } from '../project.ts';

export interface Unsealed {
  readonly requestId: string;
  /** As the home store found it. */
  readonly person: Person;
  /** As whoever asked named it. */
  readonly who: ConsentIdentity;
}

/**
 * Keeps whom open requests are about in the vault, but for those that are there already. Returns whether it could: without a master key
 * nothing is kept but the link to the subject's key, so that an address which only the requester knew is lost.
 */
export async function sealNew({ home, env, manifest }: Project, people: readonly Unsealed[]): Promise<boolean> {
  if (people.length === 0) return true;
  const keys = masterKeys(env);
  if (keys === null) return false;
  const { rows } = await translating(home, () =>
    sql<{ id: string }>`
      select r.request_id as id from probity.request r
      where r.request_id = any (${people.map(({ requestId }) => requestId)}::text[]) and r.closed_at is null
        and not exists (select from probity.request_vault v where v.request_id = r.request_id)
      order by r.request_id`.execute(home.db),
  );
  const missing = new Set(rows.map(({ id }) => id));
  // Of several that joined one request the first: they are the same person.
  const byId = new Map(people.toReversed().map((it) => [it.requestId, it]));
  const sealed = await Promise.all(
    [...byId.values()]
      .filter(({ requestId }) => missing.has(requestId))
      .map((it) =>
        encryptIdentities(keys, it.requestId, {
          people: [vaultPerson(it, manifest.subjects[it.who.subject]?.key.length ?? 1)],
          reply: null,
        }),
      ),
  );
  if (sealed.length === 0) return true;
  await inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) => storeManyIdentities(trx, sealed));
  return true;
}

/** Null: there are none here. */
export function masterKeys(env: Project['env']) {
  try {
    return readMasterKeys(env);
  } catch (error) {
    if (error instanceof MasterKeyMissing) return null;
    throw error;
  }
}

function vaultPerson({ person, who }: Unsealed, columns: number): VaultPerson {
  const known = person.subject === who.subject;
  const identities = 'identity' in who ? { [who.identity]: [who.value.trim()] } : {};
  const key = known ? keyParts(person.key, columns) : [];
  return { subject: who.subject, key, identities };
}
