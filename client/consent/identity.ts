import { isOutOfReach } from '../../database/errors.ts';
import { findByIdentity } from '../../database/permission/identities.ts';
import { addressForm } from '../../domain/address.ts';
import { keyKinds } from '../../database/permission/key-kinds.ts';
import { storeOf } from '../../manifest/ids.ts';
import { sha256 } from '../../domain/canonical.ts';
import { canonicalKey, type KeyKind } from '../../domain/subject-key.ts';
import { checkSubject, known, STRANGERS, type ConsentIdentity } from './entries.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

export { keyParts } from '../../domain/subject-key.ts';

/** Who an entry is about, as the ledger names it. */
export interface Resolved {
  readonly subject: string;
  readonly key: string;
  /** False: nobody has this identity, so it is kept for a device or a hashed address. */
  readonly found: boolean;
}

const EMAIL = 'email';

/** The name that the ledger gives to an address that belongs to nobody yet: SHA-256 of it, trimmed and in lower case. */
export function emailKey(address: string): string {
  return sha256(addressForm(address));
}

/**
 * Resolves identities in as few queries as there are kinds of them. Throws `Refused` where one belongs to several people, or to nobody and
 * is not an address; the message names the place in the list, never the identity.
 */
export async function resolveIdentities(
  project: Project,
  identities: readonly ConsentIdentity[],
  places: readonly string[],
): Promise<Resolved[]> {
  const kinds = await kindsOf(project, identities);
  const resolved: (Resolved | undefined)[] = identities.map((who, index) =>
    'key' in who ? byKey(project, who, kinds.get(who.subject) ?? [], places[index] ?? '') : undefined,
  );
  const open = identities.flatMap((who, index) => ('key' in who ? [] : [{ who, index }]));
  for (const group of Map.groupBy(open, ({ who }) => `${who.subject}\n${who.identity}`).values()) {
    const values = group.map(({ who }) => who.value.trim());
    const found = await searchIdentity(project, group[0]!.who, values, places[group[0]!.index] ?? '');
    for (const [n, { who, index }] of group.entries()) {
      const keys = [...new Set(found.flatMap((it) => (it.n === n ? [it.key] : [])))];
      resolved[index] = one(who, keys, places[index] ?? '');
    }
  }
  return resolved as Resolved[];
}

export async function resolveIdentity(project: Project, who: ConsentIdentity): Promise<Resolved> {
  return (await resolveIdentities(project, [who], ['']))[0]!;
}

/** How the keys of subjects are spelled. A withdrawal needs the home store alone: another one that is out of reach does not refuse it. */
async function kindsOf(
  { manifest, stores }: Project,
  identities: readonly ConsentIdentity[],
): Promise<ReadonlyMap<string, readonly KeyKind[]>> {
  const kinds = new Map<string, readonly KeyKind[]>();
  for (const name of new Set(identities.flatMap((who) => ('key' in who ? [who.subject] : [])))) {
    const subject = manifest.subjects[name];
    if (subject === undefined) continue;
    const unknown = subject.key.map((): KeyKind => 'unknown');
    const found = keyKinds(stores.get(storeOf(subject.table))!, subject);
    kinds.set(name, await found.catch((error: unknown) => (isOutOfReach(error) ? unknown : Promise.reject(error as Error))));
  }
  return kinds;
}

function byKey({ manifest }: Project, who: Extract<ConsentIdentity, { key: unknown }>, kinds: readonly KeyKind[], place: string): Resolved {
  const subject = checkSubject(manifest, who.subject, place);
  const columns = manifest.subjects[subject]?.key ?? ['id'];
  if (who.key.length !== columns.length)
    throw new Refused(`${place}key: the key of ${subject} is ${columns.join(', ')}; give ${columns.length} value(s)`);
  const read = canonicalKey(who.key.map(String), kinds);
  if ('reason' in read) throw new Refused(`${place}the ${read.reason}`);
  return { subject, key: read.key, found: true };
}

export type ByIdentity = Extract<ConsentIdentity, { identity: unknown }>;

/** Keys of those who have an identity, read from the subject's own table: `n` is the place in the list of values. */
export async function searchIdentity(project: Project, { subject: name, identity }: ByIdentity, values: readonly string[], place: string) {
  const { manifest, stores } = project;
  checkSubject(manifest, name, place);
  const subject = manifest.subjects[name];
  if (subject === undefined) throw new Refused(`${place}identity: a ${name} has a key only`);
  const kind = known(identity, Object.keys(subject.identities), `${place}identity`, `identity of ${name}`);
  const store = stores.get(storeOf(subject.table));
  if (store === undefined) throw new Error('the manifest was loaded with a subject of a store that it does not name');
  return findByIdentity(store, subject, subject.identities[kind]!, values, kind === EMAIL);
}

function one(who: ByIdentity, keys: readonly string[], place: string): Resolved {
  const [key, ...others] = keys;
  if (others.length > 0)
    throw new Refused(`${place}several of ${who.subject} have this ${who.identity}: it does not say who decided; use the key`);
  if (key !== undefined) return { subject: who.subject, key, found: true };
  if (who.identity === EMAIL) return { subject: EMAIL, key: emailKey(who.value), found: false };
  throw new Refused(
    `${place}no ${who.subject} has this ${who.identity}; only an address (email) or a ${STRANGERS[0]} can be recorded for somebody not known yet`,
  );
}
