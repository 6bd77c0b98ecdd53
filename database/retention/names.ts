import { sql, type RawBuilder } from 'kysely';
import { addressForm } from '../../domain/address.ts';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import type { SubjectKey } from '../../domain/requests/resolve.ts';
import type { NamedElsewhere, PersonName } from '../../domain/retention/elsewhere.ts';
import type { Edge } from '../../domain/retention/graph.ts';
import { EMAIL } from '../../domain/serving/replica.ts';
import type { Manifest } from '../../manifest/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { addressText } from '../requests/erasure/reach.ts';
import { resolvePeople } from '../requests/resolve.ts';
import type { Store } from '../store.ts';
import { all, joins } from './protection.ts';
import type { Condition } from './times.ts';

/** What a statement needs to know of people in all stores. */
export interface NameSources {
  readonly manifest: Manifest;
  readonly storeNamed: (name: string) => Store;
}

/** By which each of these people may be named: their key, and their identities as all stores know them now. Stays in the process. */
export async function namesOf(people: readonly SubjectKey[], { manifest, storeNamed }: NameSources): Promise<PersonName[][]> {
  if (people.length === 0) return [];
  const stores = new Map(Object.keys(manifest.stores).map((name) => [name, storeNamed(name)]));
  const seeds = people.map((person) => ({ keys: [person], identities: [], decided: {} }));
  const found = await resolvePeople(stores, manifest, seeds);
  return people.map(({ subject, key }, at) => {
    const { keys, identities } = found[at]!;
    const subjects = [...new Set(keys.map((it) => it.subject))];
    return [
      { subject, identity: KEY_IDENTITY, value: key },
      ...subjects.flatMap((of) =>
        Object.entries(identities).flatMap(([identity, values]) =>
          values.map((value) => ({ subject: of, identity, value: identity === EMAIL ? addressForm(value) : value })),
        ),
      ),
    ];
  });
}

/** Where a way leads from the row `alias`: what it goes through, and what it then finds named. */
export interface NamedRow {
  readonly from: readonly RawBuilder<unknown>[];
  readonly ways: readonly Condition[];
  readonly value: RawBuilder<string>;
}

export function nameAlong({ identity, steps, column, when }: NamedElsewhere, alias: string): NamedRow {
  return along(steps, alias, (last) => {
    const value = ident(last, column);
    const conditions = Object.entries(when).map(([name, wanted]) => sql<boolean>`${ident(last, name)}::text = ${String(wanted)}`);
    const named = identity === EMAIL ? addressText(value) : sql<string>`${value}::text`;
    return conditions.length === 0 ? named : sql<string>`case when ${all(conditions)} then ${named} end`;
  });
}

export function along(steps: readonly Edge[], alias: string, nameIn: (last: string) => RawBuilder<string>): NamedRow {
  const aliases = [alias, ...steps.map((_, index) => `${alias}_q${index}`)];
  return {
    from: steps.map((step, index) => sql`${tableRef(step.to)} as ${ident(aliases[index + 1] ?? '')}`),
    ways: steps.map((step, index) => joins(step, aliases[index] ?? '', aliases[index + 1] ?? '')),
    value: nameIn(aliases.at(-1) ?? alias),
  };
}
