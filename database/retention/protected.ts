import { sql, type RawBuilder } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { namesOthers, type NamedElsewhere } from '../../domain/retention/elsewhere.ts';
import type { Edge, SubjectPath } from '../../domain/retention/graph.ts';
import { EMAIL } from '../../domain/serving/replica.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import { ident, tableRef } from '../identifiers.ts';
import { addressText } from '../requests/erasure/reach.ts';
import { resolvePeople } from '../requests/resolve.ts';
import { inTransaction, type Store } from '../store.ts';
import { all, joins, type Reason } from './protection.ts';
import type { Condition } from './times.ts';

/**
 * Rows of people who wait for a copy of what is held, or have had its use restricted: these must still be there when they are answered. The
 * people are read once a statement. Never null, since a row of nobody is nobody's to be kept.
 */
export function requestReason({ subject, steps, keyColumns }: SubjectPath, alias: string): Reason {
  return reason(steps, alias, (last) => ({
    subject,
    identity: KEY_IDENTITY,
    value: keyText(keyColumns.map((column) => ident(last, column))),
  }));
}

/** The same by a column that names somebody of another store. */
export function requestElsewhereReason({ subject, identity, steps, column, when }: NamedElsewhere, alias: string): Reason {
  return reason(steps, alias, (last) => {
    const value = ident(last, column);
    const conditions = Object.entries(when).map(([name, wanted]) => sql<boolean>`${ident(last, name)}::text = ${String(wanted)}`);
    const named = identity === EMAIL ? addressText(value) : sql<string>`${value}::text`;
    return { subject, identity, value: conditions.length === 0 ? named : sql<string>`case when ${all(conditions)} then ${named} end` };
  });
}

interface Named {
  readonly subject: string;
  readonly identity: string;
  readonly value: RawBuilder<string>;
}

function reason(steps: readonly Edge[], alias: string, nameIn: (last: string) => Named): Reason {
  const aliases = [alias, ...steps.map((_, index) => `${alias}_q${index}`)];
  const { subject, identity, value } = nameIn(aliases.at(-1) ?? alias);
  const people = sql`(select p.value from probity.protected_subject as p where p.subject = ${subject} and p.identity = ${identity})`;
  const named: Condition = sql<boolean>`coalesce(${value} in ${people}, false)`;
  const from = steps.map((step, index) => sql`${tableRef(step.to)} as ${ident(aliases[index + 1] ?? '')}`);
  const ways = steps.map((step, index) => joins(step, aliases[index] ?? '', aliases[index + 1] ?? ''));
  const condition = steps.length === 0 ? named : sql<boolean>`exists (select 1 from ${sql.join(from)} where ${all([...ways, named])})`;
  return { condition, label: sql<string>`'request'::text` };
}

/** As the consent ledger writes keys: alone as text, several as a JSON array of texts. */
function keyText(columns: readonly RawBuilder<unknown>[]): RawBuilder<string> {
  const [only] = columns;
  if (columns.length === 1 && only !== undefined) return sql<string>`${only}::text`;
  return sql<string>`to_jsonb(array[${sql.join(columns.map((column) => sql`${column}::text`))}])::text`;
}

interface Protected {
  readonly subject: string;
  readonly identity: string;
  readonly value: string;
}

/**
 * Tells another store whose rows no purge takes, as the home store knows it now: by their keys, and by identities where its columns name them so. The
 * home store needs no telling.
 */
export async function shareProtected(
  home: Store,
  store: Store,
  { manifest, storeNamed }: { readonly manifest: Manifest; readonly storeNamed: (name: string) => Store },
): Promise<void> {
  if (store.name === home.name) return;
  const { rows: keys } = await translating(home, () =>
    sql<Protected>`
      select p.subject, p.identity, p.value from probity.protected_subject p order by p.subject, p.identity, p.value`.execute(home.db),
  );
  const people = keys.filter(({ subject }) => subject in manifest.subjects);
  const named = people.length > 0 && namesOthers(manifest, store.name) ? await identitiesOf(people, manifest, storeNamed) : [];
  const all = [...keys, ...named];
  const column = (of: keyof Protected): RawBuilder<unknown> => sql`${all.map((it) => it[of])}::text[]`;
  const given = sql`unnest(${column('subject')}, ${column('identity')}, ${column('value')}) as it (subject, identity, value)`;
  await inTransaction(store, {}, async (trx) => {
    await sql`
      delete from probity.protected_subject p
      where not exists (select from ${given} where it.subject = p.subject and it.identity = p.identity and it.value = p.value)`.execute(
      trx,
    );
    await sql`
      insert into probity.protected_subject (subject, identity, value)
      select it.subject, it.identity, it.value from ${given} order by 1, 2, 3 on conflict do nothing`.execute(trx);
  });
}

/** Stays in the process and in the store that it is for. */
async function identitiesOf(people: readonly Protected[], manifest: Manifest, storeNamed: (name: string) => Store): Promise<Protected[]> {
  const stores = new Map(Object.keys(manifest.stores).map((name) => [name, storeNamed(name)]));
  const seeds = people.map(({ subject, value }) => ({ keys: [{ subject, key: value }], identities: [], decided: {} }));
  const found = await resolvePeople(stores, manifest, seeds);
  return found.flatMap(({ keys, identities }) =>
    [...new Set(keys.map(({ subject }) => subject))].flatMap((subject) =>
      Object.entries(identities).flatMap(([identity, values]) =>
        values.map((value) => ({ subject, identity, value: identity === EMAIL ? value.trim().toLowerCase() : value })),
      ),
    ),
  );
}
