import { sql, type RawBuilder } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { namesOthers, type NamedElsewhere } from '../../domain/retention/elsewhere.ts';
import type { SubjectPath } from '../../domain/retention/graph.ts';
import { translating } from '../errors.ts';
import { ACTIVE, type ActiveHolds, type HeldName } from '../holds.ts';
import { keyText } from '../../domain/subject-key.ts';
import { inTransaction, type Store } from '../store.ts';
import { nameAlong, namesOf, type NameSources } from './names.ts';
import { all, holdReasons, type Reason } from './protection.ts';

/** Holds on rows of a table: by table, and by people to whom a path leads, or a way to a column that names them. */
export function heldReasons(
  table: string,
  alias: string,
  holds: ActiveHolds,
  {
    paths,
    elsewhere,
    catalog,
  }: { readonly paths: readonly SubjectPath[]; readonly elsewhere: readonly NamedElsewhere[]; readonly catalog: Catalog },
): Reason[] {
  const ways = elsewhere.filter(({ subject }) => holds.subjects.includes(subject));
  return [...holdReasons(table, alias, holds, paths, catalog), ...ways.map((way) => heldElsewhereReason(way, alias))];
}

function heldElsewhereReason(way: NamedElsewhere, alias: string): Reason {
  const { from, ways, value } = nameAlong(way, alias);
  const tables = sql.join([sql`probity.hold_name as n join probity.hold as h on h.hold_id = n.hold_id`, ...from]);
  const body = sql`
    from ${tables}
    where n.subject = ${way.subject} and n.identity = ${way.identity} and n.value = ${value} and ${ACTIVE} and ${all(ways)}`;
  return { condition: sql<boolean>`exists (select 1 ${body})`, label: sql<string>`(select 'hold:' || min(n.hold_id) ${body})` };
}

/**
 * Lets a store know by which addresses and keys its rows name whoever a hold of it is on: as all stores know them now, since people get new ones.
 * Where holds have ended, forgets them.
 */
export async function shareHeldNames(store: Store, sources: NameSources): Promise<void> {
  if (!namesOthers(sources.manifest, store.name)) return;
  const { rows } = await translating(store, () =>
    sql<{ hold: string; subject: string; parts: readonly string[] }>`
      select h.hold_id as hold, h.subject, h.subject_key as parts from probity.hold h
      where h.subject = any (${Object.keys(sources.manifest.subjects)}::text[]) and ${ACTIVE} order by h.hold_id`.execute(store.db),
  );
  const names = await namesOf(
    rows.map(({ subject, parts }) => ({ subject, key: keyText(parts) })),
    sources,
  );
  const found = rows.flatMap(({ hold }, at) => names[at]!.map((name): HeldName => ({ hold, ...name })));
  const column = (of: keyof HeldName): RawBuilder<unknown> => sql`${found.map((it) => it[of])}::text[]`;
  const given = sql`unnest(${column('hold')}, ${column('subject')}, ${column('identity')}, ${column('value')}) as it (hold_id, subject, identity, value)`;
  await inTransaction(store, {}, async (trx) => {
    await sql`
      delete from probity.hold_name n
      where not exists (select from ${given}
        where it.hold_id = n.hold_id and it.subject = n.subject and it.identity = n.identity and it.value = n.value)`.execute(trx);
    // One that was released meanwhile is left out.
    await sql`
      insert into probity.hold_name (hold_id, subject, identity, value)
      select distinct it.hold_id, it.subject, it.identity, it.value from ${given}
      join probity.hold h on h.hold_id = it.hold_id and h.released_at is null order by 1, 2, 3, 4 on conflict do nothing`.execute(trx);
  });
}
