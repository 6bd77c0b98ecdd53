import { sql, type RawBuilder } from 'kysely';
import { SEPARATOR, wholeKey, type Term, type TermIndex } from '../../domain/requests/tokens.ts';
import type { NamedColumns, ScanTable } from '../../domain/requests/scan-scope.ts';
import { ident, tableRef } from '../identifiers.ts';
import { any } from '../retention/protection.ts';
import type { Condition } from '../retention/times.ts';
import { holdsToken } from './scan-tokens.ts';

/**
 * Two ways to the rows that may hold somebody: words and patterns of all terms while they are few, whose cost grows with their number (some 0.1 µs
 * a term and row); otherwise the text's tokens are looked up, whose cost is the text's (some 3 µs a row).
 */
const FEW_TERMS = 24;
/** A value beyond it is not taken out of the database to be judged: it counts as a hit. Bytes. */
const MOST_VALUE = 16 * 2 ** 20;

export interface CandidateRow {
  readonly location: string;
  /** Of each probe, as text. */
  readonly values: readonly (string | null)[];
  readonly too_long: readonly boolean[];
  /** Where it lies, to be found again in the same snapshot; empty where that is not asked for. */
  readonly place: string;
}

/** One place to look: a text, or columns that as a whole are an identity. */
export type Probe =
  | { readonly how: 'text'; readonly column: string; readonly columns: readonly string[] }
  | { readonly how: 'named'; readonly column: string; readonly columns: readonly string[]; readonly named: NamedColumns };

export function probesOf(table: ScanTable): Probe[] {
  return [
    ...table.text.map((column): Probe => ({ how: 'text', column, columns: [column] })),
    ...table.named.map((named): Probe => ({ how: 'named', column: named.columns.join(', '), columns: named.columns, named })),
  ];
}

export interface CandidateQuery {
  readonly table: ScanTable;
  readonly relation: string;
  /** Over alias `t`; null: all rows. */
  readonly range: Condition | null;
  readonly index: TermIndex;
  /** Whether places are asked for: they need the right to read the whole table. */
  readonly places: boolean;
  readonly limit: number;
}

/**
 * Rows that may hold somebody of the run: all that do, and a few more, since the text is judged outside. The collation `C` keeps what is
 * compared the same everywhere and spares the locale.
 */
export function candidateRows(query: CandidateQuery): RawBuilder<CandidateRow> {
  const { table, places, index, limit } = query;
  const values = probesOf(table).map((probe) => (probe.how === 'text' ? sql`${ident('t', probe.column)}::text` : wholeValue(probe.named)));
  const texts = table.text.filter((column) => !isUuid(table, column));
  const looked = index.texts.length > 0 && texts.length > 0;
  const few = index.texts.length <= FEW_TERMS;
  const columns = texts.map((_, at) => ident('b', `text_${at}`));
  const standing = few ? index.texts.map(standsIn) : [holdsToken(sql`b.body`, columns, index)];
  const body = sql`cross join lateral (${few ? oneText(texts) : eachText(texts)} offset 0) b`;
  return sql<CandidateRow>`
    select ${locationOf(query)} as location, array[${sql.join(values.map((value) => sql`case when octet_length(${value}) <= ${MOST_VALUE} then ${value} end`))}]::text[] as values,
      array[${sql.join(values.map((value) => sql`coalesce(octet_length(${value}) > ${MOST_VALUE}, false)`))}]::boolean[] as too_long,
      ${places ? PLACE : sql`''`} as place
    from ${rowsOf(query)} as t ${looked ? body : sql``}
    where ${query.range ?? sql`true`} and ${any([...wholeValues(query), ...(looked ? standing : [])])}
    limit ${limit}`;
}

/** The columns in lower case, one below the other. */
function oneText(columns: readonly string[]): RawBuilder<unknown> {
  return sql`select lower(${sql.join(columns.map(plainText), sql` || E'\n' || `)}) as body`;
}

/** And each of them. */
function eachText(columns: readonly string[]): RawBuilder<unknown> {
  const names = columns.map((_, at) => `text_${at}`);
  const each = columns.map((column, at) => sql`lower(${plainText(column)}) as ${ident(names[at]!)}`);
  const body = sql.join(names.map((name) => ident('e', name)), sql` || E'\n' || `); // prettier-ignore
  return sql`select e.*, ${body} as body from (select ${sql.join(each)} offset 0) e`;
}

function plainText(column: string): RawBuilder<unknown> {
  return sql`coalesce(${ident('t', column)}::text collate "C", '')`;
}

/** Of a row `t`: its file and its place there. */
export const PLACE = sql`t.tableoid::text || t.ctid::text`;

type Part = Pick<CandidateQuery, 'table' | 'relation' | 'range'>;

/** Where a row `t` is found again: its primary key, or its place. */
export function locationOf(part: Part): RawBuilder<string> {
  const { primaryKey } = part.table;
  return primaryKey === null
    ? sql<string>`case when ${isPartitioned(part)}::boolean then t.tableoid::text else '' end || t.ctid::text`
    : sql<string>`jsonb_build_array(${sql.join(primaryKey.map((column) => sql`${ident('t', column)}::text`))})::text`;
}

/** The rows of a partition or a table itself; what inherits from it is a table of its own. */
export function rowsOf(part: Part): RawBuilder<unknown> {
  return sql`${isPartitioned(part) ? sql`` : sql`only`} ${tableRef(part.relation)}`;
}

function isPartitioned({ table, relation, range }: Part): boolean {
  return range === null && table.wholeParent && relation === table.table;
}

/** The text `b.body`, in lower case and fenced so that it is made once, may hold it. What is cheap to look for is looked for first. */
function standsIn({ kind, token, word, pattern }: Term): Condition {
  if (word !== '') return sql<boolean>`strpos(b.body, ${word}::text) > 0`;
  const matches = sql<boolean>`b.body ~ ${pattern}::text`;
  // Its digits in order, whatever stands between them.
  if (kind === 'phone') return sql<boolean>`(b.body like ${`%${[...token].join('%')}%`}::text and ${matches})`;
  return kind === 'called' ? sql<boolean>`(strpos(b.body, ${token}::text) > 0 and ${matches})` : matches;
}

function wholeValue({ columns, when }: NamedColumns): RawBuilder<unknown> {
  const parts = columns.map((column) => sql`${ident('t', column)}::text collate "C"`);
  const value = parts.length === 1 ? parts[0]! : sql.join(parts, sql` || ${SEPARATOR}::text || `);
  const conditions = Object.entries(when).map(([column, wanted]) => sql`${ident('t', column)}::text collate "C" = ${String(wanted)}::text`);
  return conditions.length === 0 ? sql`(${value})` : sql`(case when ${sql.join(conditions, sql` and `)} then ${value} end)`;
}

/** Columns that hold an identity as their whole value. Numbers and UUIDs are compared as what they are: making texts of them costs more than reading them. */
function wholeValues({ table, index }: CandidateQuery): Condition[] {
  const named = table.named.flatMap((it) => {
    const values = index.whole.get(wholeKey(it.subject, it.identity)) ?? [];
    const [column] = it.columns;
    const type = it.columns.length === 1 ? NATIVE[table.types[column!] ?? ''] : undefined;
    if (type === undefined || Object.keys(it.when).length > 0)
      return values.length === 0 ? [] : [sql<boolean>`${wholeValue(it)} = any(${values}::text[])`];
    return among(column!, type, values);
  });
  const ids = index.texts.flatMap(({ kind, value }) => (kind === 'id' ? [value] : []));
  return [...named, ...table.text.filter((column) => isUuid(table, column)).flatMap((column) => among(column, NATIVE['uuid']!, ids))];
}

interface NativeType {
  readonly name: 'int8' | 'uuid';
  readonly holds: (value: string) => boolean;
}

const UUID = /^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;
const MOST_INT8 = 2n ** 63n - 1n;
const INTEGER: NativeType = {
  name: 'int8',
  holds: (value) => /^-?\d{1,19}$/.test(value) && BigInt(value) <= MOST_INT8 && BigInt(value) >= -MOST_INT8,
};
const NATIVE: Readonly<Record<string, NativeType>> = {
  int2: INTEGER,
  int4: INTEGER,
  int8: INTEGER,
  uuid: { name: 'uuid', holds: (value) => UUID.test(value) },
};

function among(column: string, { name, holds }: NativeType, values: readonly string[]): Condition[] {
  const held = values.filter(holds);
  return held.length === 0 ? [] : [sql<boolean>`${ident('t', column)} = any(${held}::${sql.raw(name)}[])`];
}

function isUuid(table: ScanTable, column: string): boolean {
  return table.types[column] === 'uuid';
}
