import { storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { referenceTarget } from '../retention/graph.ts';

/** What a store other than home must know of the home store's answers to serve its own tables. */
export interface ReplicaNeeds {
  /** Purposes that its tables serve. */
  readonly purposes: readonly string[];
  /** Subjects that its tables name by key, and by e-mail address; of each the address's column in the subject's table. */
  readonly keys: readonly string[];
  readonly emails: readonly string[];
}

/** The key kind under which people are replicated whom a store knows by their address alone. */
export const EMAIL = 'email';

export function replicaNeeds(manifest: Manifest, store: string): ReplicaNeeds {
  const tables = Object.entries(manifest.tables).filter(([id]) => storeOf(id) === store);
  const purposes = tables.flatMap(([, table]) => [
    ...table.purposes,
    ...Object.values(table.columns ?? {}).flatMap((column) => column.purposes ?? []),
  ]);
  const named = Object.entries(manifest.subjects).map(([name, subject]) => ({ name, ...reachedBy(manifest, store, subject) }));
  return {
    purposes: [...new Set(purposes)].filter((purpose) => purpose in manifest.purposes).sort(),
    keys: named.filter(({ key }) => key).map(({ name }) => name),
    emails: named.filter(({ email }) => email).map(({ name }) => name),
  };
}

function reachedBy(
  manifest: Manifest,
  store: string,
  subject: Manifest['subjects'][string],
): { readonly key: boolean; readonly email: boolean } {
  const targets = manifest.references
    .filter(({ from }) => storeOf(from) === store)
    .map(({ to }) => referenceTarget(to, manifest))
    .filter((target) => target !== null && `${target.store}.${target.table}` === subject.table)
    .map((target) => target?.columns.join());
  const email = subject.identities[EMAIL];
  return { key: targets.includes(subject.key.join()), email: email !== undefined && targets.includes(email) };
}
