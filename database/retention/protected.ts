import { sql, type RawBuilder } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { namesOthers, type NamedElsewhere, type PersonName } from '../../domain/retention/elsewhere.ts';
import type { SubjectPath } from '../../domain/retention/graph.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import { keyTextIn } from '../subject-key.ts';
import { shareHeldNames } from './held-names.ts';
import { along, nameAlong, namesOf, type NamedRow, type NameSources } from './names.ts';
import { all, type Reason } from './protection.ts';
import type { Condition } from './times.ts';

/**
 * Rows of people who wait for a copy of what is held, or have had its use restricted: these must still be there when they are answered. The
 * people are read once a statement. Never null, since a row of nobody is nobody's to be kept.
 */
export function requestReason({ subject, steps, keyColumns }: SubjectPath, alias: string): Reason {
  const named = along(steps, alias, (last) => keyTextIn(last, keyColumns));
  return reason(named, { subject, identity: KEY_IDENTITY });
}

/** The same by a column that names somebody of another store. */
export function requestElsewhereReason(way: NamedElsewhere, alias: string): Reason {
  return reason(nameAlong(way, alias), way);
}

function reason({ from, ways, value }: NamedRow, { subject, identity }: Pick<PersonName, 'subject' | 'identity'>): Reason {
  const people = sql`(select p.value from probity.protected_subject as p where p.subject = ${subject} and p.identity = ${identity})`;
  const named: Condition = sql<boolean>`coalesce(${value} in ${people}, false)`;
  const condition = from.length === 0 ? named : sql<boolean>`exists (select 1 from ${sql.join(from)} where ${all([...ways, named])})`;
  return { condition, label: sql<string>`'request'::text` };
}

/**
 * Tells a store whose rows no purge takes: by what they name whoever a hold of it is on, and, but for the home store, who waits for a copy or has
 * restricted the use, as the home store knows it now; by their keys, and by identities where its columns name them so.
 */
export async function shareProtected(home: Store, store: Store, sources: NameSources): Promise<void> {
  await shareHeldNames(store, sources);
  if (store.name === home.name) return;
  const { manifest } = sources;
  const { rows: keys } = await translating(home, () =>
    sql<PersonName>`
      select p.subject, p.identity, p.value from probity.protected_subject p order by p.subject, p.identity, p.value`.execute(home.db),
  );
  const people = keys.filter(({ subject }) => subject in manifest.subjects).map(({ subject, value }) => ({ subject, key: value }));
  const named = namesOthers(manifest, store.name) ? (await namesOf(people, sources)).flat() : [];
  const all = [...keys, ...named];
  const column = (of: keyof PersonName): RawBuilder<unknown> => sql`${all.map((it) => it[of])}::text[]`;
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

/** Whoever no purge need spare any more, since their request is over, is not known to the store by that any longer. Purges that run see the same. */
export async function forgetProtected(home: Store, store: Store, sources: NameSources): Promise<void> {
  if (store.name === home.name) return;
  const { rows: known } = await translating(store, () =>
    sql<{ subject: string; value: string }>`
      select p.subject, p.value from probity.protected_subject p where p.identity = ${KEY_IDENTITY} order by 1, 2`.execute(store.db),
  );
  if (known.length === 0) return;
  const { rows: over } = await translating(home, () =>
    sql`
      select from unnest(${known.map((it) => it.subject)}::text[], ${known.map((it) => it.value)}::text[]) it (subject, value)
      where not exists (select from probity.protected_subject p where p.subject = it.subject and p.value = it.value) limit 1`.execute(
      home.db,
    ),
  );
  if (over.length > 0) await shareProtected(home, store, sources);
}
