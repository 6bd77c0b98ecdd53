import { sql, type RawBuilder } from 'kysely';
import type { CatalogColumn, CatalogTable } from '../../../domain/catalog.ts';
import type { TableErasure } from '../../../domain/requests/model.ts';
import { ident } from '../../identifiers.ts';
import { any } from '../../retention/protection.ts';
import type { Condition } from '../../retention/times.ts';

/**
 * What a column holds once it is masked. A derived value differs from row to row, comes from the row's own key alone, which stays, and is
 * the same whenever it is made: so a repetition changes nothing, and nothing of the old value is left.
 */
export type MaskValue =
  { readonly kind: 'constant'; readonly text: string | null } | { readonly kind: 'derived'; readonly form: DerivedForm };

export type DerivedForm =
  'name' | 'address' | 'digits' | 'short' | 'key' | 'below' | 'number' | 'negative' | 'uuid' | 'time' | 'bytes' | 'json' | 'array';

/** The masks of one table, chosen to satisfy its constraints. */
export interface TableMasks {
  readonly live: CatalogTable;
  readonly values: ReadonlyMap<string, MaskValue>;
  /** Columns that tell its rows apart and are not masked; empty where nothing does. */
  readonly key: readonly string[];
}

/** What is changed in rows that stay: `pinned` ones lose more. */
export type Staying = 'kept' | 'pinned';

/** Columns that are changed, each with its new value, for the row that `alias` names. */
export function maskedColumns(masks: TableMasks, plan: TableErasure, staying: Staying, alias: string): Map<string, RawBuilder<unknown>> {
  const names = staying === 'kept' ? plan.masks : [...plan.masks, ...plan.masksWhenPinned];
  const columns = new Map<string, RawBuilder<unknown>>();
  for (const name of names) {
    const value = masks.values.get(name);
    if (value !== undefined) columns.set(name, maskValue(masks, name, value, alias));
  }
  return columns;
}

/** Columns that say whom a row mentions, each with its new value. */
export function mentionedColumns(
  masks: TableMasks,
  { mentions }: TableErasure,
  alias: string,
): { bit: number; name: string; value: RawBuilder<unknown> }[] {
  return mentions.flatMap(({ columns }, bit) =>
    columns.flatMap((name) => {
      const value = masks.values.get(name);
      return value === undefined ? [] : [{ bit, name, value: maskValue(masks, name, value, alias) }];
    }),
  );
}

/** A run is over by then, and what a trigger wrote says when we changed the row, not when the person did anything. */
const WRITTEN_BY_TRIGGER = '1 day';

/**
 * A row is still to be masked while a column differs from its mask. Null when there is nothing to mask in the table. A trigger that keeps the
 * time of the last change writes it into the masked row, too: there a time of the last day counts as masked.
 */
export function needsMask(masks: TableMasks, plan: TableErasure, staying: Staying, alias: string): Condition | null {
  const columns = [...maskedColumns(masks, plan, staying, alias)];
  if (columns.length === 0) return null;
  // As text, since not every type has an equality.
  return any(columns.map(([name, value]) => sql<boolean>`${ident(alias, name)}::text is distinct from (${value})::text${stamped(name)}`));

  function stamped(name: string): RawBuilder<unknown> {
    if (!stampsTimes(masks.live) || !/^timestamp(tz)?$/.test(liveColumn(masks.live, name).baseType)) return sql``;
    const [column, before] = [ident(alias, name), sql`${WRITTEN_BY_TRIGGER}::text::interval`];
    return sql` and coalesce(${column} not between statement_timestamp() - ${before} and statement_timestamp(), true)`;
  }
}

function stampsTimes({ triggers }: CatalogTable): boolean {
  return triggers.some((it) => it.enabled && it.timing === 'before' && it.level === 'row' && it.events.includes('update'));
}

export function maskValue(masks: TableMasks, name: string, value: MaskValue, alias: string): RawBuilder<unknown> {
  const column = liveColumn(masks.live, name);
  const type = sql.raw(column.type);
  if (value.kind === 'constant') return sql`cast(${value.text}::text as ${type})`;
  return sql`cast(${derivedText(masks, column, value.form, alias)} as ${type})`;
}

/** The same before it becomes the column's type: what a cast would cut short shows there. */
export function derivedText(masks: TableMasks, column: CatalogColumn, form: DerivedForm, alias: string): RawBuilder<unknown> {
  const key = masks.key.length === 0 ? [sql`gen_random_uuid()::text`] : masks.key.map((name) => sql`${ident(alias, name)}::text`);
  const seed = sql`concat_ws('/', ${`${masks.live.schema}.${masks.live.name}.${column.name}`}::text, ${sql.join(key)})`;
  const token = sql`left(encode(sha256(convert_to(${seed}, 'UTF8')), 'hex'), 32)`;
  const number = (digits: number): RawBuilder<unknown> => sql`('x' || lpad(left(${token}, ${sql.lit(digits)}), 16, '0'))::bit(64)::int8`;
  switch (form) {
    case 'name':
      return sql`('erased-' || ${token})`;
    case 'address':
      // No such top-level domain will ever be: RFC 2606.
      return sql`('erased-' || ${token} || '@erased.invalid')`;
    case 'digits':
      return sql`('+999' || translate(left(${token}, 11), 'abcdef', '012345'))`;
    case 'short':
      return sql`left(${token}, ${sql.lit(lengthOf(column) ?? SHORT)})`;
    case 'key':
      return sql`('~' || concat_ws('-', ${sql.join(key)}))`;
    case 'below':
      return sql`(-1 - ${ident(alias, masks.key[0] ?? '')}::numeric)`;
    case 'number':
      return number(HEX_DIGITS[column.baseType] ?? 7);
    case 'negative':
      return sql`(-1 - ${number(HEX_DIGITS[column.baseType] ?? 7)})`;
    case 'uuid':
      return sql`${token}`;
    case 'time':
      return column.baseType === 'date'
        ? sql`(date '1970-01-01' - ${number(5)}::int4)`
        : sql`(timestamptz '1970-01-01 00:00:00+00' - ${number(7)} * interval '1 second')`;
    case 'bytes':
      return sql`decode(${token}, 'hex')`;
    case 'json':
      return sql`to_jsonb(${token})`;
    case 'array':
      return sql`array[${token}]::text[]`;
  }
}

/** Of a derived text without declared length that is to be short. */
const SHORT = 12;
/** Hexadecimal digits that a type surely holds; the larger the fewer collisions. */
const HEX_DIGITS: Readonly<Record<string, number>> = { int2: 3, int4: 7, int8: 15, numeric: 15, float8: 12, float4: 5, money: 10 };

/** `n` of `character varying(n)`; null where no length is declared. */
export function lengthOf(column: CatalogColumn): number | null {
  const length = /^character(?: varying)?\((\d+)\)$/.exec(column.type)?.[1];
  return length === undefined ? null : Number(length);
}

export function liveColumn(live: CatalogTable, name: string): CatalogColumn {
  const column = live.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`There is no column ${name} in ${live.schema}.${live.name}`);
  return column;
}
