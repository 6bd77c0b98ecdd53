import { has, singular } from '../words.ts';
import { endsWith, GROUPS, likePeople, namedLikePeople } from './names.ts';
import type { SurveyedTable } from './survey.ts';

export interface SubjectGuess {
  readonly name: string;
  readonly table: SurveyedTable;
  readonly key: readonly string[];
  readonly identities: Readonly<Record<string, string>>;
  readonly reason: string;
}

/** Name and e-mail together are enough; neither is on its own. */
const THRESHOLD = 5;
const NAMES =
  'first_name|last_name|surname|full_name|display_name|username|user_name|nickname|screen_name|birth|dob|date_of_birth|birth_date|birth_year';

interface Scored {
  readonly table: SurveyedTable;
  readonly key: readonly string[];
  readonly score: number;
  /** The table that would have been the subject, if it did not stand below this one. */
  readonly of?: SurveyedTable;
}

/** The tables that seem to hold people, best first. Each needs a unique key, and none stands below another (a profile of a user). */
export function guessSubjects(tables: readonly SurveyedTable[]): readonly SubjectGuess[] {
  const scored = tables
    .map((table) => ({ table, key: keyOf(table), score: score(table) }))
    .filter((it): it is Scored => it.key !== null)
    .sort((a, b) => b.score - a.score || (a.table.id < b.table.id ? -1 : 1));
  let chosen = scored.filter((it) => it.score >= THRESHOLD);
  chosen = chosen.filter((it) => !chosen.some((above) => above !== it && above.score >= it.score && dependsOn(it.table, above.table)));
  if (chosen.length === 0)
    chosen = scored
      .filter(({ table }) => table.incoming.length > 0)
      .filter(({ table }) => namedLikePeople(table.table.name) || endsWith(table.table.name, GROUPS) || 'email' in identities(table))
      .slice(0, 1);

  chosen = chosen.map((it) => standsFor(it, scored));

  const names = new Set<string>();
  return chosen.map(({ table, key, of }) => {
    const plain = manifestName(singular(table.table.name));
    const name = names.has(plain) ? manifestName(`${table.store}_${plain}`) : plain;
    names.add(name);
    return { name, table, key, identities: identities(table), reason: reason(table, of ?? null) };
  });
}

/**
 * A login that needs a profile (`users.account_id` → `accounts` with everybody's display name) is a part of it, where most of what people
 * have hangs on the profile. A table without names of people is a tenant.
 */
function standsFor(login: Scored, scored: readonly Scored[]): Scored {
  const profile = scored.find(
    (it) =>
      it !== login &&
      likePeople(it.table.table.name) > 0 &&
      dependsOn(login.table, it.table) &&
      it.table.columns.some(({ column }) => has(column.name, NAMES)) &&
      it.table.incoming.length > login.table.incoming.length,
  );
  return profile === undefined ? login : { ...profile, of: login.table };
}

function score(it: SurveyedTable): number {
  const identity = identities(it);
  const points = [
    3 * likePeople(it.table.name),
    'email' in identity ? 3 : 0,
    'phone' in identity ? 1 : 0,
    it.columns.some(({ column }) =>
      has(column.name, 'first_name|last_name|surname|full_name|birth|dob|date_of_birth|birth_date|birth_year'),
    )
      ? 1
      : 0,
    // Being referenced by much is a sign of an entity, not of a person: it may tip the scale and no more.
    Math.min(1, it.incoming.filter(({ from }) => from !== it.local).length / 2),
  ];
  return points.reduce((sum, point) => sum + point, 0);
}

function keyOf({ table }: SurveyedTable): readonly string[] | null {
  if (table.primaryKey !== null) return table.primaryKey;
  const required = (column: string) => table.columns.some((it) => it.name === column && !it.nullable);
  return table.uniques.find((columns) => columns.every(required)) ?? null;
}

function identities({ columns }: SurveyedTable): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { column, guess } of columns) {
    if (guess.identity !== null && column.generated !== 'virtual' && !(guess.identity in found)) found[guess.identity] = column.name;
  }
  return found;
}

/** A required reference upwards: a row that cannot be without the other is a part of it. */
function dependsOn(it: SurveyedTable, above: SurveyedTable): boolean {
  const required = (name: string) => it.table.columns.some((column) => column.name === name && !column.nullable);
  return it.store === above.store && it.table.foreignKeys.some((key) => key.references === above.local && key.columns.every(required));
}

function reason(it: SurveyedTable, login: SurveyedTable | null): string {
  const identity = Object.keys(identities(it));
  const others = it.incoming.filter(({ from }) => from !== it.local).length;
  return [
    namedLikePeople(it.table.name) ? 'named like people' : 'the nearest thing to people here',
    identity.length > 0 ? `has ${identity.join(' and ')}` : 'has no e-mail or phone',
    `referenced by ${others} foreign key${others === 1 ? '' : 's'}`,
    ...(login === null ? [] : [`${login.local} stands below it, with the address to look people up by`]),
  ].join(', ');
}

/** Names in a manifest are letters, digits, `_` and `-`, beginning with a letter. */
function manifestName(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9_-]/g, '_').replace(/^[^A-Za-z]+/, '');
  return (plain === '' ? 'subject' : plain).slice(0, 63);
}
