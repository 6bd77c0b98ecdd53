import { sql, type RawBuilder } from 'kysely';
import type { PermissionRule } from '../../domain/permission/types.ts';
import type { Capture, SubjectFactColumns } from '../../domain/views/model.ts';
import { ident } from '../identifiers.ts';

export type Condition = RawBuilder<boolean>;

/** Whose permission is asked for: literals, since a view takes no parameters, and SQL texts. */
export interface Asked {
  readonly purpose: string;
  /** A subject of the manifest, or `email`. */
  readonly subject: string;
  readonly key: RawBuilder<string>;
}

export const NOW = sql<Date>`statement_timestamp()`;

export function and(conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) return sql<boolean>`true`;
  if (conditions.length === 1) return conditions[0]!;
  return sql<boolean>`(${sql.join(conditions, sql` and `)})`;
}

export function or(conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) return sql<boolean>`false`;
  if (conditions.length === 1) return conditions[0]!;
  return sql<boolean>`(${sql.join(conditions, sql` or `)})`;
}

/** Spans of the ledger under an alias: of this person and purpose, under a regime. */
export function spanOf(alias: string, asked: Asked, regime: string): Condition {
  const of = (column: string): RawBuilder<unknown> => ident(alias, column);
  return sql<boolean>`${of('purpose')} = ${sql.lit(asked.purpose)} and ${of('subject')} = ${sql.lit(asked.subject)} and ${of('key')} = ${asked.key} and ${of('regime')} = ${sql.lit(regime)}`;
}

/** Holds now: a decision that ended it is final, so that a clock that is set back brings nothing to life. */
export function allowsNow(alias: string): Condition {
  const of = (column: string): RawBuilder<unknown> => ident(alias, column);
  return sql<boolean>`${of('allows')} and ${of('open')} and ${of('from_at')} <= ${NOW} and ${NOW} < ${of('until_at')}`;
}

export function deniesNow(alias: string): Condition {
  const of = (column: string): RawBuilder<unknown> => ident(alias, column);
  return sql<boolean>`not ${of('allows')} and (${of('open')} or ${of('from_at')} <= ${NOW} and ${NOW} < ${of('until_at')})`;
}

/** Held when a row was captured. A day counts when permission held from its first to its last instant. */
export function allowedThen(alias: string, row: string, capture: Capture): Condition {
  const [from, until] = [ident(alias, 'from_at'), ident(alias, 'until_at')];
  const [first, last] = captured(row, capture);
  const ended = capture.reading === 'day' ? sql`${last} <= ${until}` : sql`${last} < ${until}`;
  return sql<boolean>`${ident(alias, 'allows')} and ${from} <= ${first} and ${ended}`;
}

/** The instants between which a row was captured. */
export function captured(row: string, { column, reading, zone }: Capture): [RawBuilder<Date>, RawBuilder<Date>] {
  const at = ident(row, column);
  if (reading === 'instant') return [sql<Date>`${at}`, sql<Date>`${at}`];
  if (reading === 'day') {
    const midnight = (day: RawBuilder<unknown>): RawBuilder<Date> =>
      sql<Date>`(case when ${at} between ${sql.lit(FIRST_DAY)}::date and ${sql.lit(LAST_DAY)}::date then ${day} end at time zone ${sql.lit(zone)})`;
    return [midnight(sql`${at}::timestamp`), midnight(sql`(${at} + 1)::timestamp`)];
  }
  const instant = sql<Date>`(${at} at time zone ${sql.lit(reading === 'utc' ? 'UTC' : zone)})`;
  return [instant, instant];
}

// Dates beyond these cannot be timestamps, or are infinite: a view must not raise an error because of a row that it hides.
const FIRST_DAY = '0001-01-01';
const LAST_DAY = '9999-12-31';
// The years that `probity.subject_facts` takes for birth years.
const FIRST_YEAR = 1800;
const LAST_YEAR = 9999;

/** Whoever had to be of age for a span was. */
export function ofAgeFor(alias: string, subject: string, facts: SubjectFactColumns): Condition {
  const [years, at] = [ident(alias, 'of_age'), ident(alias, 'of_age_at')];
  const birth = birthOf(subject, facts);
  if (birth === null) return sql<boolean>`${years} is null`;
  return sql<boolean>`(${years} is null or ${birth} + make_interval(years => ${years}) <= ${at} at time zone ${sql.lit(facts.zone)})`;
}

/** Of an age now; unknown counts as too young. */
export function ofAgeNow(subject: string, facts: SubjectFactColumns, years: number): Condition {
  const birth = birthOf(subject, facts);
  if (birth === null) return sql<boolean>`false`;
  return sql<boolean>`coalesce(${birth} + make_interval(years => ${sql.lit(years)}) <= ${NOW} at time zone ${sql.lit(facts.zone)}, false)`;
}

/** The latest day on which the subject can have been born. */
function birthOf(subject: string, { birth, zone }: SubjectFactColumns): RawBuilder<string> | null {
  if (birth === null) return null;
  const column = ident(subject, birth.column);
  if (birth.type === 'year') {
    const year = sql`${column}::numeric`;
    return sql<string>`case when ${year} between ${sql.lit(FIRST_YEAR)} and ${sql.lit(LAST_YEAR)} and ${year} = trunc(${year}) then make_date(${year}::integer, 12, 31) end`;
  }
  const inside = sql<boolean>`${column} between ${sql.lit(FIRST_DAY)} and ${sql.lit(LAST_DAY)}`;
  if (birth.type === 'timestamptz') return sql<string>`case when ${inside} then (${column} at time zone ${sql.lit(zone)})::date end`;
  return sql<string>`case when ${inside} then ${column}::date end`;
}

/** The purpose has not ended for the subject. */
export function notEnded(subject: string, { ends, zone }: SubjectFactColumns): Condition[] {
  if (ends === null) return [];
  const column = ident(subject, ends.column);
  const local = sql`(${NOW} at time zone ${sql.lit(zone)})`;
  const now = { timestamptz: sql`${NOW}`, timestamp: local, date: sql`${local}::date` }[ends.type];
  return [sql<boolean>`(${column} is null or ${column} > ${now})`];
}

/** The regime a subject lives under; SQL null where nobody knows. */
export function regimeOf(subject: string, { regime }: SubjectFactColumns): RawBuilder<string> {
  if (regime === null) return sql<string>`null::text`;
  const column = sql`${ident(subject, regime.column)}::text`;
  const cases = Object.entries(regime.map).map(([value, name]) => sql`when ${sql.lit(value)} then ${sql.lit(name)}`);
  return sql<string>`case when ${column} is null then null else case ${column} ${sql.join(cases, sql` `)} else ${sql.lit(regime.default)} end end`;
}

/** Rules by regime, in their order. */
export function byRegime(rules: readonly PermissionRule[]): ReadonlyMap<string, readonly PermissionRule[]> {
  return Map.groupBy(rules, (rule) => rule.regime);
}
