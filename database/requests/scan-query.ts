import { sql, type RawBuilder } from 'kysely';
import { AT } from '../../domain/requests/tokens.ts';
import { SEPARATOR } from '../../domain/requests/tokens.ts';
import type { NamedColumns, ScanTable } from '../../domain/requests/scan-scope.ts';
import { ident, tableRef } from '../identifiers.ts';
import type { Condition } from '../retention/times.ts';

/**
 * Two ways to the rows that may hold somebody: words and patterns of all terms while they are few, whose cost grows with their number; otherwise
 * tokens joined by hash, whose cost is the text's.
 */
const FEW_TERMS = 8;
/** A value beyond it is not taken out of the database to be judged: it counts as a hit. Bytes. */
const MOST_VALUE = 16 * 2 ** 20;

/** What a statement needs to know of the run's terms; says nothing of anybody. */
export interface TermShape {
  /** How many there are for texts. */
  readonly texts: number;
  readonly hasPatterns: boolean;
  readonly kinds: ReadonlySet<string>;
  /** Of the shortest word that stands for an id. */
  readonly idLength: number;
}

/** Rows that the plan keeps: by a condition over alias `t`, or all; in these columns, or in any. */
export interface ExpectedRows {
  /** Of whom finding is expected there; null or left out: of everybody in the run. */
  readonly class?: number | null;
  /** `schema.table` */
  readonly table: string;
  readonly columns: readonly string[] | null;
  readonly condition: Condition | null;
}

export interface CandidateRow {
  readonly location: string;
  /** Of each probe, as text. */
  readonly values: readonly (string | null)[];
  readonly too_long: readonly boolean[];
  /** Of each entry of `expected`. */
  readonly kept: readonly boolean[];
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
  readonly runId: string;
  readonly table: ScanTable;
  readonly relation: string;
  /** Over alias `t`; null: all rows. */
  readonly range: Condition | null;
  readonly shape: TermShape;
  readonly expected: readonly ExpectedRows[];
  readonly limit: number;
}

/**
 * Rows that may hold somebody of the run: all that do, and a few more, since the text is judged outside. The collation `C` keeps what is
 * compared the same everywhere and spares the locale; the fences (`offset 0`) keep a row's text from being made once for each use of it.
 */
export function candidateRows(query: CandidateQuery): RawBuilder<CandidateRow> {
  const { table, expected, shape, limit } = query;
  const values = probesOf(table).map((probe) => (probe.how === 'text' ? sql`${ident('t', probe.column)}::text` : wholeValue(probe.named)));
  const location =
    table.primaryKey === null
      ? sql`case when ${isPartitioned(query)}::boolean then t.tableoid::text else '' end || t.ctid::text`
      : sql`jsonb_build_array(${sql.join(table.primaryKey.map((column) => sql`${ident('t', column)}::text`))})::text`;
  const kept = expected.map(({ condition }) => (condition === null ? sql`true` : sql`coalesce((${condition}), false)`));
  const few = shape.texts <= FEW_TERMS;
  return sql<CandidateRow>`
    ${few ? sql`` : sql`with candidate as materialized (${joined(query)})`}
    select ${location} as location, array[${sql.join(values.map((value) => sql`case when octet_length(${value}) <= ${MOST_VALUE} then ${value} end`))}]::text[] as values,
      array[${sql.join(values.map((value) => sql`coalesce(octet_length(${value}) > ${MOST_VALUE}, false)`))}]::boolean[] as too_long,
      array[${sql.join(kept)}]::boolean[] as kept
    from ${rows(query)} ${few ? sql`` : sql`join candidate c on c.tableoid = t.tableoid and c.ctid = t.ctid`}
    where ${query.range ?? sql`true`} and ${few ? matched(query) : sql`true`}
    limit ${limit}`;
}

/** The rows of a partition or a table itself; what inherits from it is a table of its own. */
function rows(query: CandidateQuery): RawBuilder<unknown> {
  return sql`${isPartitioned(query) ? sql`` : sql`only`} ${tableRef(query.relation)} t`;
}

function isPartitioned({ table, relation, range }: CandidateQuery): boolean {
  return range === null && table.wholeParent && relation === table.table;
}

function body(table: ScanTable): RawBuilder<unknown> {
  return sql`(concat_ws(E'\n', ${sql.join(table.text.map((column) => ident('t', column)))}) collate "C")`;
}

function wholeValue({ columns, when }: NamedColumns): RawBuilder<unknown> {
  const parts = columns.map((column) => sql`${ident('t', column)}::text collate "C"`);
  const value = parts.length === 1 ? parts[0]! : sql.join(parts, sql` || ${SEPARATOR}::text || `);
  const conditions = Object.entries(when).map(([column, wanted]) => sql`${ident('t', column)}::text collate "C" = ${String(wanted)}::text`);
  return conditions.length === 0 ? sql`(${value})` : sql`(case when ${sql.join(conditions, sql` and `)} then ${value} end)`;
}

function matched({ runId, table, shape }: CandidateQuery): RawBuilder<unknown> {
  // Fenced, so that a row's text is made and lowered once.
  const one = sql`select from (select lower(${body(table)}) as body offset 0) b`;
  const words = sql`exists (select from unnest((select array_agg(r.word) from probity.run_term r where r.run_id = ${runId} and r.word <> '')) w (word)
    where strpos(b.body, w.word) > 0)`;
  const patterns = sql`b.body ~* (select string_agg(r.pattern, '|') from probity.run_term r where r.run_id = ${runId} and r.pattern <> '')`;
  const isText = table.text.length > 0 && shape.texts > 0;
  const text = isText ? [sql`exists (${one} where ${words} ${shape.hasPatterns ? sql`or ${patterns}` : sql``})`] : [];
  const named = table.named.map(
    (it) => sql`${wholeValue(it)} in (select r.value from probity.run_term r
      where r.run_id = ${runId} and r.kind = 'value' and r.subject = ${it.subject} and r.identity = ${it.identity})`,
  );
  const all = [...text, ...named];
  return all.length === 0 ? sql`false` : sql`(${sql.join(all, sql` or `)})`;
}

const EMAIL = '([0-9A-Za-z]*)[^0-9A-Za-z@[:space:]]*@([0-9A-Za-z]*)';
const TAGGED = String.raw`([0-9A-Za-z]+)[^0-9A-Za-z@[:space:]+]*\+[0-9A-Za-z._+%-]*@([0-9A-Za-z]*)`;
const DIGITS = String.raw`[0-9](?:[^0-9A-Za-z,:;"%\\\n]{0,4}[0-9]){6,}`;
const ENCODED_PLUS = String.raw`%(?:25)*2[Bb]|\\+u002[Bb]|&#43;`;
const ENCODED = String.raw`%(?:25)*[0-9A-Fa-f]{2}|\\+u[0-9A-Fa-f]{4}|\\+[bfnrt"/]|&#x?[0-9A-Fa-f]+;`;

/** As it stands, and decoded as far as tokens need it. */
function decoded(text: RawBuilder<unknown>): RawBuilder<unknown> {
  const plain = sql`regexp_replace(regexp_replace(regexp_replace(${text}, ${AT}::text, '@', 'gi'), ${ENCODED_PLUS}::text, '+', 'g'), ${ENCODED}::text, ' ', 'g')`;
  return sql`case when strpos(${text}, '%') > 0 or strpos(${text}, ${'\\'}::text) > 0 or strpos(${text}, '&#') > 0 then concat(${text}, E'\n', ${plain}) collate "C" else ${text} end`;
}

function joined(query: CandidateQuery): RawBuilder<unknown> {
  const { runId, table, shape, range } = query;
  const hasText = table.text.length > 0;
  const named = table.named.map((it, index) => sql`${wholeValue(it)} as ${ident(`named_${index}`)}`);
  const carried = named.map((_, index) => ident('a', `named_${index}`));
  const branches = [
    ...(hasText && shape.kinds.has('email') ? emailTokens() : []),
    ...(hasText && shape.kinds.has('phone') ? [phoneTokens()] : []),
    ...(hasText && shape.kinds.has('id') ? [idTokens(shape.idLength)] : []),
    ...named.map((_, index) => sql`select 'value' as kind, ${ident('b', `named_${index}`)} as token`),
  ];
  if (branches.length === 0) return sql`select t.tableoid, t.ctid from ${rows(query)} where false`;
  const columns = (list: readonly RawBuilder<unknown>[]): RawBuilder<unknown> => sql.join([sql`tableoid`, sql`ctid`, ...list]);
  return sql`
    select distinct b.tableoid, b.ctid
    from (
      select ${columns([...carried, sql`${decoded(sql`a.body`)} as body`])}
      from (select ${sql.join([sql`t.tableoid`, sql`t.ctid`, ...named, sql`${hasText ? body(table) : sql`''::text`} as body`])} from ${rows(query)} where ${range ?? sql`true`} offset 0) a
      offset 0
    ) b
    cross join lateral (${sql.join(branches, sql` union all `)}) k
    join probity.run_term r on r.run_id = ${runId} and r.kind = k.kind and r.token = k.token`;
}

function emailTokens(): RawBuilder<unknown>[] {
  const tokens = (pattern: string, sign: string): RawBuilder<unknown> => sql`
    select 'email' as kind, lower(m[1] || '@' || m[2]) as token from regexp_matches(b.body, ${pattern}::text, 'g') m
    where strpos(b.body, '@') > 0 and strpos(b.body, ${sign}::text) > 0`;
  return [tokens(EMAIL, '@'), tokens(TAGGED, '+')];
}

/** Every seven digits in a row, since a number may stand beside another one. */
function phoneTokens(): RawBuilder<unknown> {
  return sql`
    select 'phone' as kind, substr(d.digits, s.start, 7) as token
    from regexp_matches(b.body, ${DIGITS}::text, 'g') m
    cross join lateral (select regexp_replace(m[1], '[^0-9]', '', 'g') as digits offset 0) d
    cross join lateral generate_series(1, length(d.digits) - 6) s (start)`;
}

function idTokens(least: number): RawBuilder<unknown> {
  const words = `[0-9A-Za-z]{${least},}`;
  return sql`select 'id' as kind, lower(m[1]) as token from regexp_matches(b.body, ${words}::text, 'g') m`;
}
