import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { CatalogColumn } from '../../domain/catalog.ts';
import type { Mask, RetentionAction } from '../../manifest/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import type { RulePredicates, Scope } from './predicates.ts';
import { all, any } from './protection.ts';
import type { Condition } from './times.ts';

/** One table's rule, ready to be applied to ranges of one of its physical tables, whose rows are aliased `t`. */
export interface Change {
  readonly scope: Scope;
  readonly table: string;
  /** The physical table: the table itself or one of its partitions. */
  readonly unit: string;
  readonly unitOid: number;
  readonly action: RetentionAction;
  readonly predicates: RulePredicates;
}

export const ROW = 't';

/** Rows that the rule takes and that nothing protects. */
export function takes(change: Change): Condition {
  const { expired, protectedBy } = change.predicates;
  const conditions = [expired, ...(change.action.kind === 'mask' ? [unmasked(change, change.action.columns)] : [])];
  if (protectedBy.length > 0) conditions.push(sql<boolean>`not ${any(protectedBy.map((reason) => reason.condition))}`);
  return all(conditions);
}

/** Changes the rows of a range by one statement. Returns how many. */
export async function changeRange(trx: Transaction<unknown>, change: Change, range: Condition): Promise<number> {
  const { changed } = await applyTo(trx, change, sql<boolean>`${range} and ${takes(change)}`, []);
  return changed;
}

/**
 * Applies the rule's action to the rows that a condition names, without further question, and further deletions with it, all in
 * one statement. Returns how many rows each of them changed.
 */
export async function applyTo(
  trx: Transaction<unknown>,
  change: Change,
  rows: Condition,
  along: readonly RawBuilder<unknown>[],
): Promise<{ changed: number; along: readonly number[] }> {
  const unit = sql`${tableRef(change.unit)} as ${ident(ROW)}`;
  const { action } = change;
  if (action.kind === 'mask') {
    const sets = Object.entries(action.columns).map(([name, mask]) => sql`${ident(name)} = ${masked(change, name, mask)}`);
    const result = await sql`update ${unit} set ${sql.join(sets)} where ${rows}`.execute(trx);
    return { changed: Number(result.numAffectedRows ?? 0n), along: [] };
  }
  if (action.kind === 'delete' && along.length === 0) {
    const result = await sql`delete from ${unit} where ${rows}`.execute(trx);
    return { changed: Number(result.numAffectedRows ?? 0n), along: [] };
  }
  const returning = action.kind === 'aggregate' ? sql.join(returned(action)) : sql`1 as one`;
  const parts = [
    ...along.map((deletion, index) => sql`${ident(`along${index}`)} as (${deletion})`),
    sql`gone as (delete from ${unit} where ${rows} returning ${returning})`,
  ];
  if (action.kind === 'aggregate') parts.push(sql`added as (${aggregate(change, action)})`);
  const counts = [sql`(select count(*) from gone)`, ...along.map((_, index) => sql`(select count(*) from ${ident(`along${index}`)})`)];
  const { rows: counted } = await sql<{
    counts: string[];
  }>`with ${sql.join(parts)} select array[${sql.join(counts)}]::text[] as counts`.execute(trx);
  const [changed = 0, ...others] = (counted[0]?.counts ?? []).map(Number);
  return { changed, along: others };
}

type Aggregate = Extract<RetentionAction, { kind: 'aggregate' }>;

function sources(action: Aggregate): string[] {
  const grouped = Object.values(action.by).map((by) => ('column' in by ? by.column : by.date));
  const measured = Object.values(action.measures).flatMap((measure) => (measure.of === 'count' ? [] : [measure.column]));
  return [...new Set([...grouped, ...measured])];
}

function returned(action: Aggregate): RawBuilder<unknown>[] {
  const columns = sources(action);
  return columns.length === 0 ? [sql`1 as one`] : columns.map((column) => sql`${ident(ROW, column)}`);
}

function aggregate(change: Change, action: Aggregate): RawBuilder<unknown> {
  const target = tableRef(action.into);
  const zone = change.scope.manifest.timezone;
  const keys = Object.entries(action.by).map(([name, by]) => ({
    name,
    value: 'column' in by ? sql`${ident('gone', by.column)}` : localDay(ident('gone', by.date), columnOf(change, by.date), zone),
  }));
  const measures = Object.entries(action.measures).map(([name, measure]) => ({
    name,
    value: measure.of === 'count' ? sql`count(*)` : sql`${sql.raw(measure.of)}(${ident('gone', measure.column)})`,
    merged: merge(measure.of, sql`${ident('target', name)}`, sql`${ident('excluded', name)}`),
  }));
  const names = [...keys, ...measures].map(({ name }) => ident(name));
  return sql`
    insert into ${target} as target (${sql.join(names)})
    select ${sql.join([...keys, ...measures].map(({ value }) => value))} from gone group by ${sql.join(keys.map((_, index) => sql.raw(String(index + 1))))}
    on conflict (${sql.join(keys.map(({ name }) => ident(name)))}) do update
    set ${sql.join(measures.map(({ name, merged }) => sql`${ident(name)} = ${merged}`))}
    returning 1`;
}

function merge(of: 'count' | 'sum' | 'min' | 'max', stored: RawBuilder<unknown>, added: RawBuilder<unknown>): RawBuilder<unknown> {
  if (of === 'min') return sql`least(${stored}, ${added})`;
  if (of === 'max') return sql`greatest(${stored}, ${added})`;
  return sql`coalesce(${stored} + ${added}, ${stored}, ${added})`;
}

function localDay(value: RawBuilder<unknown>, column: CatalogColumn, zone: string): RawBuilder<unknown> {
  return column.baseType === 'timestamptz' ? sql`(${value} at time zone ${zone})::date` : sql`${value}::date`;
}

function columnOf(change: Change, name: string): CatalogColumn {
  const column = change.scope.catalog.tables[change.table]?.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`There is no column ${name} in ${change.table}`);
  return column;
}

function masked(change: Change, name: string, mask: Mask): RawBuilder<unknown> {
  const column = columnOf(change, name);
  const type = sql.raw(column.type);
  switch (mask.with) {
    case 'null':
      return sql`null`;
    case 'constant':
      return sql`cast(${String(mask.value)}::text as ${type})`;
    case 'truncate': {
      const unit = sql`${mask.to}::text`;
      const value = ident(ROW, name);
      if (column.baseType === 'timestamptz') return sql`date_trunc(${unit}, ${value}, ${change.scope.manifest.timezone})`;
      return sql`cast(date_trunc(${unit}, ${value}) as ${type})`;
    }
  }
}

/** A row is still to be masked while one of its columns differs from its mask: so a repetition changes nothing. */
function unmasked(change: Change, columns: Readonly<Record<string, Mask>>): Condition {
  return any(
    Object.entries(columns).map(([name, mask]) => {
      // Types without an equality, such as json, compare by their text; but NULL compares with anything, also as a row type.
      const text =
        mask.with === 'constant' && ['json', 'array', 'other'].includes(columnOf(change, name).typeCategory) ? sql`::text` : sql``;
      return sql<boolean>`${ident(ROW, name)}${text} is distinct from ${masked(change, name, mask)}${text}`;
    }),
  );
}
