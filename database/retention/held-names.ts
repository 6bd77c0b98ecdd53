import { sql, type RawBuilder } from 'kysely';
import { namedElsewhere, namesOthers, type NamedElsewhere } from '../../domain/retention/elsewhere.ts';
import type { Edge } from '../../domain/retention/graph.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import { ACTIVE, type HeldName } from '../holds.ts';
import { ident, tableRef } from '../identifiers.ts';
import { keyTextOf } from '../requests/seeds.ts';
import { inTransaction, type Store } from '../store.ts';
import { nameAlong, namesOf, type NameSources, type PersonName } from './names.ts';
import { all, any, type Reason } from './protection.ts';

/** Rows under a hold on a person by a column that names somebody of another store. */
export function heldElsewhereReason(way: NamedElsewhere, alias: string): Reason {
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
    rows.map(({ subject, parts }) => ({ subject, key: keyTextOf(parts) })),
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

/** By which rows of a store may name one person. */
export async function namesOfSubject(subject: string, parts: readonly string[], sources: NameSources): Promise<readonly PersonName[]> {
  const [names] = await namesOf([{ subject, key: keyTextOf(parts) }], sources);
  return names ?? [];
}

const ROW = 't';
const LIMITS = { readOnly: true, lockTimeoutMs: 5_000, statementTimeoutMs: 60_000 } as const;

/** Declared tables of a store from which a way leads to a column that names such a person of another store, as `schema.table`. */
export function reachedElsewhere(
  edges: readonly Edge[],
  manifest: Manifest,
  store: string,
  subject: string,
): Map<string, NamedElsewhere[]> {
  const tables = Object.keys(manifest.tables).filter((id) => id.startsWith(`${store}.`)).map((id) => id.slice(store.length + 1)); // prettier-ignore
  const ways = tables.map(
    (table) => [table, namedElsewhere(table, edges, manifest, store).filter((way) => way.subject === subject)] as const,
  );
  return new Map(ways.filter(([, found]) => found.length > 0));
}

/** Rows of these tables that name somebody. Reads only. */
export async function countNamed(
  store: Store,
  tables: ReadonlyMap<string, readonly NamedElsewhere[]>,
  names: readonly PersonName[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [table, ways] of tables) {
    const each = ways.map((way) => {
      const { from, ways: joined, value } = nameAlong(way, ROW);
      const values = names.filter((it) => it.subject === way.subject && it.identity === way.identity).map((it) => it.value);
      const named = sql<boolean>`coalesce(${value} = any(${values}::text[]), false)`;
      return from.length === 0 ? named : sql<boolean>`exists (select 1 from ${sql.join(from)} where ${all([...joined, named])})`;
    });
    const { rows } = await inTransaction(store, LIMITS, (trx) =>
      sql<{ count: number }>`select count(*) as count from ${tableRef(table)} as ${ident(ROW)} where ${any(each)}`.execute(trx),
    );
    counts[table] = rows[0]?.count ?? 0;
  }
  return counts;
}
