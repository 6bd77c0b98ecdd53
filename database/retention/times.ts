import { sql, type RawBuilder } from 'kysely';
import type { CatalogColumn } from '../../domain/catalog.ts';
import { localDate, localTimestamp } from '../../domain/time.ts';
import type { RetentionRule } from '../../manifest/model.ts';

export type Condition = RawBuilder<boolean>;
export type Column = RawBuilder<unknown>;

/** What comparing a column with an instant depends on. */
export interface TimeReading {
  readonly zone: string;
  readonly zoneless: RetentionRule['zoneless'];
}

/** True where no instant can be told from the column, because nobody declared how its zone-less times are read. */
export function unreadable(column: CatalogColumn, reading: TimeReading): boolean {
  return column.baseType === 'timestamp' && reading.zoneless === 'keep';
}

/**
 * `cut` in the column's own type, so that an index over the column serves. A date is a local day; it lies before the cut
 * only when the whole day does.
 */
export function cutFor(column: CatalogColumn, cut: Date, { zone, zoneless }: TimeReading): RawBuilder<unknown> {
  if (column.baseType === 'date') return sql`${localDate(cut, zone)}::date`;
  // Not `at time zone`: where the clocks go back it would take times early that they show a second time after the cut.
  if (column.baseType === 'timestamp') return sql`${localTimestamp(cut, zoneless === 'utc' ? 'UTC' : zone)}::timestamp`;
  return sql`${cut.toISOString()}::timestamptz`;
}

/** A finite time before the cut; false, never null, for anything else. */
export function before(value: Column, column: CatalogColumn, cut: Date, reading: TimeReading): Condition {
  if (unreadable(column, reading)) return sql<boolean>`false`;
  return sql<boolean>`(${value} < ${cutFor(column, cut, reading)} and ${value} > '-infinity')`;
}

/** A time at or after the cut, `infinity` included. */
export function notBefore(value: Column, column: CatalogColumn, cut: Date, reading: TimeReading): Condition {
  if (unreadable(column, reading)) return sql<boolean>`(${value} is not null)`;
  return sql<boolean>`(${value} >= ${cutFor(column, cut, reading)})`;
}

/** True for `infinity` and `-infinity`. */
export function infinite(value: Column): Condition {
  return sql<boolean>`(${value} = 'infinity' or ${value} = '-infinity')`;
}

/** A finite time after the instant at which the run judges, and after the present: rows written while a run works are not of the future. */
export function future(value: Column, column: CatalogColumn, asOf: Date, reading: TimeReading): Condition {
  if (unreadable(column, reading)) return sql<boolean>`false`;
  return sql<boolean>`(${value} > greatest(${cutFor(column, asOf, reading)}, ${presentFor(column, reading)}) and ${value} < 'infinity')`;
}

function presentFor(column: CatalogColumn, { zone, zoneless }: TimeReading): RawBuilder<unknown> {
  if (column.baseType === 'date') return sql`(now() at time zone ${zone})::date`;
  return column.baseType === 'timestamp' ? sql`(now() at time zone ${zoneless === 'utc' ? 'UTC' : zone})` : sql`now()`;
}
