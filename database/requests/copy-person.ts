import { sql } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { kindsOf, type PersonKind } from '../../domain/requests/person-kinds.ts';
import type { VaultContent } from '../../domain/requests/vault.ts';
import { keyParts } from '../../domain/subject-key.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import type { CopyKey } from './copy.ts';
import type { Person } from './people.ts';
import { doubtText } from './planner.ts';
import { requestPeople } from './plans.ts';
import { resolvePeople } from './resolve.ts';
import { readSeeds } from './seeds.ts';

/** Whom a copy is about, as the stores know them, or why a person must find out first. Stays in the process. */
export type CopyPerson =
  { readonly kinds: readonly PersonKind[]; readonly keys: readonly CopyKey[]; readonly ledger: Person | null } | { readonly doubt: string };

/** As a plan of an erasure finds them. `opened`: what the vault knows of the request, by its number. */
export async function copyPerson(
  home: Store,
  stores: ReadonlyMap<string, Store>,
  manifest: Manifest,
  requestId: string,
  opened: ReadonlyMap<string, VaultContent>,
): Promise<CopyPerson> {
  const seed = (await readSeeds(home, manifest, [requestId], { run: null, vault: null, opened })).get(requestId)!;
  const [resolved] = await resolvePeople(stores, manifest, [seed]);
  const kinds = kindsOf(manifest, seed.subject, resolved!);
  if (resolved!.ambiguous.length > 0 || kinds.length === 0) return { doubt: doubtText(requestId, resolved!) };
  const ledger = (await requestPeople(home, [requestId])).get(requestId) ?? [];
  return {
    kinds,
    keys: kinds.flatMap(({ subject, keys, identities }): CopyKey[] => [
      ...keys.map((key) => ({ subject, identity: KEY_IDENTITY, parts: keyParts(key, manifest.subjects[subject]!.key.length) })),
      ...identities.map(({ identity, value }) => ({ subject, identity, parts: [value] })),
    ]),
    ledger: ledger.find(({ subject }) => subject in manifest.subjects) ?? ledger[0] ?? null,
  };
}

export interface OwnRequest {
  readonly request: string;
  readonly kind: string;
  readonly received: Date;
  readonly state: string;
}

/** What the same person has asked for, oldest first: our own tables hold data, too. */
export async function requestsOfPerson(home: Store, requestId: string): Promise<OwnRequest[]> {
  const { rows } = await translating(home, () =>
    sql<OwnRequest>`
      select q.request_id as request, q.kind, q.received_at as received, q.state from probity.request q
      where q.ref in (
        select g.ref from probity.request r cross join lateral probity.consent_group(array[r.ref]) g where r.request_id = ${requestId})
      order by q.received_at, q.request_id`.execute(home.db),
  );
  return rows;
}
