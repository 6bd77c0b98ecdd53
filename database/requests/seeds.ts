import { sql } from 'kysely';
import { SERVICE } from '../../domain/requests/actor.ts';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import type { IdentityDecision, Seed, SubjectKey } from '../../domain/requests/resolve.ts';
import type { KeyProvider, VaultContent } from '../../domain/requests/vault.ts';
import { keyText } from '../../domain/subject-key.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import { requestPeople } from './plans.ts';
import { openManyIdentities } from './vault.ts';

/** What is known of whoever made a request, before other stores are asked. */
export interface RequestSeed extends Seed {
  /** As who they asked; null: as nobody of the manifest's subjects. */
  readonly subject: string | null;
  /** Of `subject`, where that is known. */
  readonly key: string | null;
}

/** Why the vault is opened when a request is planned, as its looks say. */
const WHY = 'plan';

/**
 * Whom requests are about, as the consent ledger knows them, as the requester named them (`vault`; null: nobody has the master key here), and
 * as the run has known them since it was planned. Each look into the vault is recorded as the service's. Stays in the process.
 */
export async function readSeeds(
  home: Store,
  manifest: Manifest,
  requests: readonly string[],
  options: { readonly run: string | null; readonly vault: KeyProvider | null; readonly opened?: ReadonlyMap<string, VaultContent> },
): Promise<ReadonlyMap<string, RequestSeed>> {
  const ledger = await requestPeople(home, requests);
  const given =
    options.opened ??
    (options.vault === null ? new Map<string, VaultContent>() : await openManyIdentities(home, options.vault, requests, SERVICE, WHY));
  const planned = options.run === null ? new Map<string, Planned[]>() : await plannedKeys(home, options.run);
  const decided = await identityDecisions(home, requests);
  return new Map(
    requests.map((id) => {
      const known = (ledger.get(id) ?? []).filter(({ subject }) => subject in manifest.subjects);
      const people = given.get(id)?.people ?? [];
      const keyed = people
        .filter(({ subject, key }) => key.length > 0 && key.length === manifest.subjects[subject]?.key.length)
        .map(({ subject, key }): SubjectKey => ({ subject, key: keyText(key) }));
      const before = planned.get(id) ?? [];
      const keys = [...known, ...keyed, ...before.filter(isKey).map(({ subject, parts }) => ({ subject, key: keyText(parts) }))];
      const identities = [
        ...people.flatMap((it) =>
          Object.entries(it.identities).flatMap(([identity, values]) => values.map((value) => ({ identity, value }))),
        ),
        ...before.filter((it) => !isKey(it)).map(({ identity, parts }) => ({ identity, value: parts[0]! })),
      ];
      const subject = keys[0]?.subject ?? [...people, ...before].find((it) => it.subject in manifest.subjects)?.subject ?? null;
      return [id, { keys, identities, decided: decided.get(id) ?? {}, subject, key: keys[0]?.key ?? null }];
    }),
  );
}

interface Planned {
  readonly request: string;
  readonly subject: string;
  readonly identity: string;
  readonly parts: readonly string[];
}

const isKey = ({ identity }: Planned): boolean => identity === KEY_IDENTITY;

async function plannedKeys(home: Store, run: string): Promise<Map<string, Planned[]>> {
  const { rows } = await translating(home, () =>
    sql<Planned>`
      select distinct p.request_id as request, k.subject, k.identity, k.parts
      from probity.run_person p join probity.run_key k on k.run_id = p.run_id and k.person = p.person
      where p.run_id = ${run} order by p.request_id, k.subject, k.identity, k.parts`.execute(home.db),
  );
  return Map.groupBy(rows, ({ request }) => request);
}

/** Verbs of a request's events by which somebody decides whose an identity is; their code is `subject.identity`. */
export const IDENTITY_VERBS: Readonly<Record<string, IdentityDecision>> = { accept_identity: 'accept', reject_identity: 'reject' };

async function identityDecisions(home: Store, requests: readonly string[]): Promise<ReadonlyMap<string, Seed['decided']>> {
  const { rows } = await translating(home, () =>
    sql<{ request: string; verb: string; code: string }>`
      select e.request_id as request, e.verb, e.code from probity.request_event e
      where e.request_id = any (${requests}::text[]) and e.verb = any (${Object.keys(IDENTITY_VERBS)}::text[]) and e.code is not null
      order by e.event_id`.execute(home.db),
  );
  // Of several the last one counts.
  return new Map(
    [...Map.groupBy(rows, ({ request }) => request)].map(([request, some]) => [
      request,
      Object.fromEntries(some.map(({ verb, code }) => [code, IDENTITY_VERBS[verb]!])),
    ]),
  );
}
