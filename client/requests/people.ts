import { readCatalog } from '../../database/catalog.ts';
import { existingKeys, type Person } from '../../database/requests/people.ts';
import type { Catalog } from '../../domain/catalog.ts';
import { keyKind, canonicalKey } from '../../domain/subject-key.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import { checkSubject, type ConsentIdentity } from '../consent/entries.ts';
import { emailKey, searchIdentity } from '../consent/identity.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

/** Somebody, or why nobody can tell who: then a person must look. Never quotes what was given. */
export type Sought = Person | { readonly problem: string };

const EMAIL = 'email';

/**
 * Finds the people that identities belong to, in as few queries as there are kinds of them. `unknown` also takes a key or an address that
 * nobody has: other stores may hold data under it. Throws `Refused` for a subject or an identity that the manifest does not name.
 */
export async function seekPeople(project: Project, identities: readonly ConsentIdentity[], unknown: boolean): Promise<Sought[]> {
  const found: Sought[] = identities.map(() => ({ problem: '' }));
  const catalogs = new Map<string, Promise<Catalog>>();
  const catalogOf = (name: string): Promise<Catalog> => {
    const known = catalogs.get(name) ?? readCatalog(project.stores.get(name)!);
    catalogs.set(name, known);
    return known;
  };
  for (const [kind, places] of Map.groupBy(identities.keys(), (index) => kindOf(identities[index]!))) {
    const some = places.map((index) => identities[index]!);
    const answers = kind.includes('\n')
      ? await byIdentity(project, some as Extract<ConsentIdentity, { identity: unknown }>[], unknown)
      : await byKey(project, kind, some as Extract<ConsentIdentity, { key: unknown }>[], unknown, catalogOf);
    for (const [n, index] of places.entries()) found[index] = answers[n]!;
  }
  return found;
}

function kindOf(who: ConsentIdentity): string {
  return 'key' in who ? who.subject : `${who.subject}\n${who.identity}`;
}

async function byIdentity(
  project: Project,
  some: readonly Extract<ConsentIdentity, { identity: unknown }>[],
  unknown: boolean,
): Promise<Sought[]> {
  const { subject, identity } = some[0]!;
  const rows = await searchIdentity(
    project,
    some[0]!,
    some.map(({ value }) => value.trim()),
    '',
  );
  const keys = Map.groupBy(rows, ({ n }) => n);
  return some.map(({ value }, n): Sought => {
    const all = [...new Set(keys.get(n)?.map(({ key }) => key))];
    if (all.length > 1)
      return { problem: `${all.length} of ${subject} have this ${identity}: a person must find out who asked, and give the key` };
    if (all[0] !== undefined) return { subject, key: all[0] };
    if (unknown && identity === EMAIL) return { subject: EMAIL, key: emailKey(value) };
    return {
      problem: `no ${subject} has this ${identity}: a person must find out who asked${identity === EMAIL ? ' (--unknown opens it for the address alone)' : ''}`,
    };
  });
}

async function byKey(
  project: Project,
  name: string,
  some: readonly Extract<ConsentIdentity, { key: unknown }>[],
  unknown: boolean,
  catalogOf: (store: string) => Promise<Catalog>,
): Promise<Sought[]> {
  checkSubject(project.manifest, name);
  const subject = project.manifest.subjects[name];
  if (subject === undefined) {
    return some.map(({ key }) =>
      key.length === 1 ? { subject: name, key: String(key[0]) } : { problem: `a ${name} has a key of one part` },
    );
  }
  const live = (await catalogOf(storeOf(subject.table))).tables[inStore(subject.table)];
  const columns = subject.key.flatMap((column) => live?.columns.find((it) => it.name === column) ?? []);
  if (columns.length !== subject.key.length)
    throw new Refused(`${subject.table} is not what the manifest says of it: probity check tells more`);
  const kinds = columns.map(({ baseType }) => keyKind(baseType));
  const spelled = some.map(({ key }) => {
    if (key.length !== columns.length)
      return { problem: `the key of ${name} is ${subject.key.join(', ')}: give ${columns.length} value(s)` };
    const read = canonicalKey(key.map(String), kinds);
    return 'key' in read ? { key: read.key } : { problem: `the ${read.reason}` };
  });
  const there = await existingKeys(
    project.stores.get(storeOf(subject.table))!,
    subject,
    columns,
    spelled.flatMap((it) => ('key' in it ? [it.key] : [])),
  );
  return spelled.map((it): Sought => {
    if (!('key' in it) || it.key === undefined) return { problem: it.problem ?? '' };
    if (unknown || there.has(it.key)) return { subject: name, key: it.key };
    return { problem: `${subject.table} has no ${name} with this key: a person must find out who asked (--unknown opens it all the same)` };
  });
}
