import type { Reference } from '../../manifest/model.ts';
import type { CatalogColumn } from '../catalog.ts';
import { singular, snake } from '../words.ts';
import { namesTable, pairedId } from './pairs.ts';
import type { SubjectGuess } from './subjects.ts';
import type { SurveyedTable } from './survey.ts';

export interface ReferenceGuess extends Reference {
  readonly reason: string;
}

/** What it means for the row is another question, see roles.ts. */
const SILENT = { as: null, with: [] };

/**
 * References that the catalog does not know: e-mail and phone columns outside the subject's own table, `customer_id` without
 * a foreign key, and `(entity_type, entity_id)` pairs by what a check constraint allows the type to be, or what it is.
 */
export function guessReferences(tables: readonly SurveyedTable[], subjects: readonly SubjectGuess[]): readonly ReferenceGuess[] {
  return tables.flatMap((table) => {
    const pairs = polymorphic(table, tables, subjects);
    const plain = table.columns.flatMap(({ column, guess }) => {
      // An id of four parts ends at the third dot.
      if (column.name.includes('.') || isForeign(table, column.name)) return [];
      if (guess.identity !== null) return byIdentity(table, column, guess.identity, subjects);
      // The second of a pair (`user_type`, `user_id`) means what the first says.
      if (pairs.some(({ from }) => from === `${table.id}.${column.name}`)) return [];
      return byName(table, column, tables, subjects);
    });
    return [...pairs, ...plain];
  });
}

function byIdentity(
  table: SurveyedTable,
  column: CatalogColumn,
  identity: 'email' | 'phone',
  subjects: readonly SubjectGuess[],
): ReferenceGuess[] {
  if (subjects.some((subject) => subject.table === table)) return [];
  const known = subjects.filter((subject) => identity in subject.identities);
  const kind = (subject: SubjectGuess) => subject.table.table.columns.find((it) => it.name === subject.identities[identity])?.typeCategory;
  const subject = known.find((it) => it.table.store === table.store) ?? known[0];
  if (subject === undefined || kind(subject) !== column.typeCategory) return [];
  const what = identity === 'email' ? 'an e-mail address' : 'a phone number';
  return [
    {
      from: `${table.id}.${column.name}`,
      when: {},
      to: `${subject.name}.${identity}`,
      ...SILENT,
      reason: `holds ${what}, which identifies the ${subject.name}`,
    },
  ];
}

/** `customer_id`, `user_ref`, `order_id`: named after a table whose key is one column of the same type. */
function byName(
  table: SurveyedTable,
  column: CatalogColumn,
  tables: readonly SurveyedTable[],
  subjects: readonly SubjectGuess[],
): ReferenceGuess[] {
  if (table.table.primaryKey?.length === 1 && table.table.primaryKey[0] === column.name) return [];
  const target = /^(.+)_(id|uuid|ref|key|no|number)$/.exec(snake(column.name))?.[1];
  if (target === undefined) return [];
  const only = nearestTable(table, column, target, tables, subjects);
  if (only === null) return [];
  const subject = subjects.find((it) => it.table === only);
  const key = only.table.primaryKey![0]!;
  if (subject === undefined && key.includes('.')) return [];
  const to = subject !== undefined && subject.key.length === 1 ? subject.name : `${only.id}.${key}`;
  return [
    {
      from: `${table.id}.${column.name}`,
      when: {},
      to,
      ...SILENT,
      reason: `named after ${only.local}, of the same type as its key, and no foreign key says so`,
    },
  ];
}

/** The longest name that fits (`parent_order` before `order`) in this store; in another one only a subject, since people are what stores share. */
function nearestTable(
  from: SurveyedTable,
  column: CatalogColumn,
  target: string,
  tables: readonly SurveyedTable[],
  subjects: readonly SubjectGuess[],
): SurveyedTable | null {
  const fits = tables.filter((it) => it !== from && endsWithWord(target, singular(it.table.name)) && sameKey(it, column));
  const here = fits.filter((it) => it.store === from.store);
  const candidates = here.length > 0 ? here : fits.filter((it) => subjects.some((subject) => subject.table === it));
  const longest = Math.max(...candidates.map((it) => singular(it.table.name).length));
  const best = candidates.filter((it) => singular(it.table.name).length === longest);
  return best.length === 1 ? best[0]! : null;
}

/** One reference for each kind that the pair is seen, or allowed, to hold. */
function polymorphic(table: SurveyedTable, tables: readonly SurveyedTable[], subjects: readonly SubjectGuess[]): ReferenceGuess[] {
  return table.columns.flatMap(({ column: type, shape }) => {
    const id = pairedId(table.table, type.name);
    if (id === null) return [];
    const allowed = literals(table, type.name);
    return [...new Set([...allowed, ...(shape?.typeNames ?? [])])].flatMap((value) => {
      const [target] = tables
        .map((it) => ({ it, score: it.store === table.store && sameKey(it, id) ? namesTable(value, it.table.name) : 0 }))
        .filter(({ score }) => score > 0)
        .sort((one, other) => other.score - one.score)
        .map(({ it }) => it);
      if (target === undefined || target.table.primaryKey![0]!.includes('.')) return [];
      const subject = subjects.find((it) => it.table === target);
      const says = allowed.includes(value) ? `a check constraint lists '${value}'` : `its sampled rows hold '${value}'`;
      return [
        {
          from: `${table.id}.${id.name}`,
          when: { [type.name]: value },
          to: subject?.name ?? `${target.id}.${target.table.primaryKey![0]!}`,
          ...SILENT,
          reason: `a pair (${type.name}, ${id.name}); ${says}`,
        },
      ];
    });
  });
}

/** String literals of the check constraints that mention the column: what its owner says it may hold, never what it holds. */
function literals(table: SurveyedTable, column: string): readonly string[] {
  const mentions = table.table.checks.filter(({ definition }) => definition.includes(column));
  return [...new Set(mentions.flatMap(({ definition }) => [...definition.matchAll(/'([^']+)'/g)].map((match) => match[1]!)))];
}

function isForeign(table: SurveyedTable, column: string): boolean {
  return table.table.foreignKeys.some((key) => key.columns.includes(column));
}

function sameKey(it: SurveyedTable, column: CatalogColumn): boolean {
  const key = it.table.primaryKey;
  const of = key?.length === 1 ? it.table.columns.find((candidate) => candidate.name === key[0]) : undefined;
  return of !== undefined && of.typeCategory === column.typeCategory;
}

function endsWithWord(text: string, word: string): boolean {
  return text === word || text.endsWith(`_${word}`);
}
