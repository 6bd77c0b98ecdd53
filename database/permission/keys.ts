import { sql, type RawBuilder } from 'kysely';
import type { CatalogColumn } from '../../domain/catalog.ts';
import { ident } from '../identifiers.ts';

/*
 * A subject's key as text is `column::text`, or for several columns `to_jsonb(array[a::text, b::text])::text`. The comparison is made in the
 * column's own type, so that the primary key's index serves; text that is not such a value matches nothing and never raises
 * (`pg_input_is_valid` would say it, from PostgreSQL 16 on).
 */

const INTEGERS = ['int2', 'int4', 'int8'];
const UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
/** Always fits int8. Only as Postgres writes it: '007' is nobody's key. */
const INTEGER = '^(0|-?[1-9][0-9]{0,17})$';
/** Nineteen digits may not fit. */
const LONG_INTEGER = '^-?[1-9][0-9]{18}$';
/** An array of strings as jsonb writes it; anything else that JSON allows is not what we wrote. NUL cannot be in a text. */
const STRING = String.raw`"([^"\\\u0001-\u001f]|\\["\\bfnrt]|\\u00(0[1-9a-f]|1[0-9a-f]))*"`;
const JSON_STRINGS = `^\\[${STRING}(, ${STRING})*\\]$`;

export interface KeyMatch {
  /** What stands behind `unnest(p_keys) k (key)`: the parts of a key of several columns. */
  readonly parts: RawBuilder<unknown>;
  /** Joins `k.key` with the row `s`. */
  readonly condition: RawBuilder<unknown>;
}

/** Compares the text `k.key` with the key columns of the row `s`. */
export function keyMatch(columns: readonly CatalogColumn[]): KeyMatch {
  const [only, ...more] = columns;
  if (only === undefined) throw new Error('a key has at least one column');
  if (more.length === 0) return { parts: sql``, condition: columnMatch(only, sql`k.key`) };
  const parts = sql` cross join lateral (select case when k.key ~ ${sql.lit(JSON_STRINGS)} then k.key::jsonb end as parts) it`;
  const each = columns.map((column, index) => columnMatch(column, sql`(it.parts ->> ${sql.lit(index)})`));
  const whole = sql`jsonb_array_length(it.parts) = ${sql.lit(columns.length)}`;
  return { parts, condition: sql.join([...each, whole], sql` and `) };
}

/** Compares an identity's column of the row `s` with the text `k.key`, as references to it do: by the type's own equality. */
export function identityMatch(column: CatalogColumn): RawBuilder<unknown> {
  return columnMatch(column, sql`k.key`, false);
}

function columnMatch(column: CatalogColumn, text: RawBuilder<unknown>, exactly = true): RawBuilder<unknown> {
  const value = ident('s', column.name);
  if (INTEGERS.includes(column.baseType)) return sql`${value} = ${integer(text)}`;
  if (column.baseType === 'uuid') return sql`${value} = case when ${text} ~ ${sql.lit(UUID)} then ${text}::uuid end`;
  // The type's own equality finds the row; it may be laxer than that of the texts (case, trailing blanks, collation).
  const exact = sql`${value}::text collate "C" = ${text}`;
  const and = exactly ? sql` and ${exact}` : sql``;
  if (column.baseType === 'bpchar') return sql`${value} = ${text}::bpchar${and}`;
  if (column.baseType === 'text' || column.baseType === 'varchar') return sql`${value} = ${text}${and}`;
  const [schema, citext] = column.type.split('.');
  // An extension's operators stand in a schema of its choice.
  if (schema !== undefined && citext === 'citext')
    return sql`${value} operator(${ident(schema)}.=) ${text}::${ident(schema, citext)}${and}`;
  return exact;
}

function integer(text: RawBuilder<unknown>): RawBuilder<unknown> {
  const long = sql`case when ${text}::numeric between -9223372036854775808 and 9223372036854775807 then ${text}::int8 end`;
  return sql`case when ${text} ~ ${sql.lit(INTEGER)} then ${text}::int8 when ${text} ~ ${sql.lit(LONG_INTEGER)} then ${long} end`;
}
