import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { Condition } from '../retention/times.ts';
import type { ExpectedRows } from './expected-rows.ts';
import { PLACE, rowsOf, type CandidateQuery, type Probe } from './scan-query.ts';

/** Why somebody is expected in a place of a row; null: they are not. */
export type Expecting = (person: number, place: string, probe: Probe) => string | null;

/** Nobody knows whose a value is that nobody reads: it is expected only where everybody is. People are numbered from 0. */
export const NOBODY = -1;

/**
 * Whose the rows are in which somebody was found: told by the plan's own ways, in the snapshot in which they were read. What is kept of one person
 * explains nothing of another.
 */
export async function expecting(
  trx: Transaction<unknown>,
  part: Pick<CandidateQuery, 'table' | 'relation' | 'range'>,
  places: readonly string[],
  entries: readonly ExpectedRows[],
  classes: ReadonlyMap<number, ReadonlySet<number>>,
): Promise<Expecting> {
  const owned = new Map<string, { readonly entry: ExpectedRows; readonly why: string }[]>();
  for (const { place, person, at, why } of await ownersOf(trx, part, places, entries)) {
    const key = `${place} ${person}`;
    owned.set(key, [...(owned.get(key) ?? []), { entry: entries[at]!, why }]);
  }
  const everywhere = entries.filter((it) => it.owned === null);
  const one: Expecting = (person, place, probe) => {
    const covers = ({ columns }: ExpectedRows): boolean => columns === null || probe.columns.every((it) => columns.includes(it));
    const own = owned.get(`${place} ${person}`)?.find(({ entry }) => covers(entry));
    if (own !== undefined) return own.why;
    return everywhere.find((it) => classes.get(person)?.has(it.class) === true && covers(it))?.why ?? null;
  };
  return (person, place, probe) => {
    if (person !== NOBODY) return one(person, place, probe);
    const all = [...classes.keys()].map((it) => one(it, place, probe));
    return all.includes(null) ? null : (all[0] ?? null);
  };
}

interface Owner {
  readonly place: string;
  readonly person: number;
  /** Of the entries. */
  readonly at: number;
  readonly why: string;
}

async function ownersOf(
  trx: Transaction<unknown>,
  part: Pick<CandidateQuery, 'table' | 'relation' | 'range'>,
  places: readonly string[],
  entries: readonly ExpectedRows[],
): Promise<readonly Owner[]> {
  if (places.length === 0) return [];
  const tids = places.map((place) => place.slice(place.indexOf('(')));
  const among: Condition = sql`t.ctid = any (${tids}::tid[])`;
  const each = entries.flatMap(({ owned, why, floor }, at): RawBuilder<unknown>[] => {
    if (owned === null) return [];
    const { from, where } = owned(rowsOf(part));
    const reason = floor === null ? sql`${why}::text` : sql`case when ${floor.under} then ${floor.why}::text else ${why}::text end`;
    return [sql`select ${PLACE} as place, k.person, ${sql.lit(at)} as at, ${reason} as why from ${from} where ${where} and ${among}`];
  });
  if (each.length === 0) return [];
  const { rows } = await sql<Owner>`${sql.join(each, sql` union `)} order by at`.execute(trx);
  return rows;
}
