import { sql, type RawBuilder } from 'kysely';
import type { Catalog, CatalogTable } from '../../domain/catalog.ts';
import type { Edge, SubjectPath } from '../../domain/retention/graph.ts';
import type { Condition as HoldCondition, TableHold } from '../../domain/retention/hold.ts';
import { ACTIVE, type ActiveHolds } from '../holds.ts';
import { ident, tableRef } from '../identifiers.ts';
import type { Condition } from './times.ts';
import { leaves } from './units.ts';

/** Why a row stays, as a condition on it and the text that names the reason. */
export interface Reason {
  readonly condition: Condition;
  /** An SQL text, such as `'hold:H-12'`. */
  readonly label: RawBuilder<string>;
}

export function any(conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) return sql<boolean>`false`;
  return sql<boolean>`(${sql.join(conditions, sql` or `)})`;
}

export function all(conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) return sql<boolean>`true`;
  return sql<boolean>`(${sql.join(conditions, sql` and `)})`;
}

/** `child.columns = parent.columns`, with the values that make a polymorphic reference hold. */
export function joins(edge: Edge, child: string, parent: string): Condition {
  const cast = edge.asText ? sql`::text` : sql``;
  const pairs = edge.columns.map((column, index) => {
    const target = ident(parent, edge.toColumns[index] ?? '');
    return sql<boolean>`${ident(child, column)}${cast} = ${target}${cast}`;
  });
  const when = Object.entries(edge.when).map(([column, value]) => sql<boolean>`${ident(child, column)}::text = ${String(value)}`);
  return all([...pairs, ...when, ...inPartitions(edge, child, parent)]);
}

/** Of a foreign key onto a partition: equal values elsewhere are no reference. */
function inPartitions({ partly }: Edge, child: string, parent: string): Condition[] {
  if (!partly?.pairs) return [];
  const among = (alias: string, oids: readonly number[]): Condition =>
    sql<boolean>`${ident(alias)}.tableoid = any(${oids.map(String)}::oid[])`;
  return [any(partly.pairs.map(({ from, to }) => all([...(from === null ? [] : [among(child, from)]), among(parent, to)])))];
}

/** The holds that protect rows of `table`: those by table, and those of subjects to whom a path leads. */
export function holdReasons(table: string, alias: string, holds: ActiveHolds, paths: readonly SubjectPath[], catalog: Catalog): Reason[] {
  const byTable = holds.tables.flatMap((hold) => {
    if (hold.scope.kind !== 'table') return [];
    const where = partOf(catalog, hold.scope.table, table, alias);
    if (where === null) return [];
    return [
      { condition: all([...where, matches(hold.scope, alias, catalog.tables[table])]), label: sql<string>`${`hold:${hold.id}`}::text` },
    ];
  });
  const bySubject = paths.filter((path) => holds.subjects.includes(path.subject)).map((path) => subjectReason(path, alias));
  return [...byTable, ...bySubject];
}

/** Which rows of `table` stand in `held` too: all, those of some partitions, or none (null). */
function partOf(catalog: Catalog, held: string, table: string, alias: string): Condition[] | null {
  if (held === table || isPartitionOf(catalog, table, held)) return [];
  if (!isPartitionOf(catalog, held, table)) return null;
  const oids = leaves(catalog, held).map((leaf) => String(leaf.oid));
  return [sql<boolean>`${ident(alias, 'tableoid')} = any(${oids}::oid[])`];
}

function isPartitionOf(catalog: Catalog, table: string, ancestor: string): boolean {
  const parent = catalog.tables[table]?.partitionOf ?? null;
  return parent !== null && (parent === ancestor || isPartitionOf(catalog, parent, ancestor));
}

/** Rows that a hold by table names. Values are compared in the column's own type. */
export function matches(hold: TableHold, alias: string, table: CatalogTable | undefined): Condition {
  return sql<boolean>`(${all(hold.conditions.map((condition) => compare(condition, alias, table)))} is true)`;
}

function compare(condition: HoldCondition, alias: string, table: CatalogTable | undefined): Condition {
  const column = ident(alias, condition.column);
  if (condition.value === null) return condition.operator === '=' ? sql<boolean>`${column} is null` : sql<boolean>`${column} is not null`;
  const type = table?.columns.find((candidate) => candidate.name === condition.column)?.type;
  // The type's name comes from format_type(), which quotes it. An unknown column fails in Postgres, before any change.
  const value = type === undefined ? sql`${condition.value}` : sql`cast(${condition.value}::text as ${sql.raw(type)})`;
  return sql<boolean>`${column} ${sql.raw(condition.operator)} ${value}`;
}

function subjectReason(path: SubjectPath, alias: string): Reason {
  const aliases = [alias, ...path.steps.map((_, index) => `${alias}_p${index}`)];
  const from = path.steps.map((step, index) => sql`, ${tableRef(step.to)} as ${ident(aliases[index + 1] ?? '')}`);
  const ways = path.steps.map((step, index) => joins(step, aliases[index] ?? '', aliases[index + 1] ?? ''));
  const last = aliases.at(-1) ?? alias;
  const key = sql.join(path.keyColumns.map((column) => sql`${ident(last, column)}::text`));
  const body = sql`
    from probity.hold as h${sql.join(from, sql` `)}
    where h.subject = ${path.subject} and ${ACTIVE} and h.subject_key = array[${key}] and ${all(ways)}`;
  return { condition: sql<boolean>`exists (select 1 ${body})`, label: sql<string>`(select 'hold:' || min(h.hold_id) ${body})` };
}
