import { sql, type RawBuilder } from 'kysely';
import type { Catalog, CatalogColumn } from '../../domain/catalog.ts';
import { namedElsewhere } from '../../domain/retention/elsewhere.ts';
import { childActions, deletionTree, subjectPaths, type DeletionEdge, type DeletionNode, type Edge } from '../../domain/retention/graph.ts';
import { cutOff, floorCutOff } from '../../domain/time.ts';
import type { Manifest, RetentionRule } from '../../manifest/model.ts';
import type { ActiveHolds } from '../holds.ts';
import { ident, tableRef } from '../identifiers.ts';
import { all, any, joins, type Reason } from './protection.ts';
import { heldReasons } from './held-names.ts';
import { requestElsewhereReason, requestReason } from './protected.ts';
import { before, future, infinite, notBefore, unreadable, type Condition, type TimeReading } from './times.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';

/** Everything that judging rows of one store depends on. */
export interface Scope {
  readonly store: string;
  readonly manifest: Manifest;
  readonly catalog: Catalog;
  readonly edges: readonly Edge[];
  readonly holds: ActiveHolds;
  readonly asOf: Date;
  /** In plans, the tables purged before this one in the same run: rows that their own rules take do not stand in the way. */
  readonly earlier: readonly string[];
}

export interface RulePredicates {
  readonly tree: DeletionNode;
  readonly cutOff: Date;
  /** The rule takes the row, nothing else considered. */
  readonly expired: Condition;
  /** The rule cannot judge the row and keeps it: with the reason. */
  readonly odd: readonly Reason[];
  /** Something protects an expired row: holds, floors, rows that reference it. In order of precedence. */
  readonly protectedBy: readonly Reason[];
}

/** Compiles the rule of `table` into conditions on the row that `alias` names. */
export function compileRule(scope: Scope, table: string, alias: string, cutDate?: Date): RulePredicates {
  const rule = scope.manifest.tables[`${scope.store}.${table}`]?.retention;
  if (rule === null || rule === undefined) throw new Error(`There is no retention rule for ${table}`);
  const cut = cutDate ?? cutOff(scope.asOf, rule.keep, scope.manifest.timezone);
  const tree = deletionTree(table, scope.edges, childActions(rule, scope.store));
  const time =
    'column' in rule.after ? ownTime(scope, table, alias, rule, rule.after.column, cut) : lastActivity(scope, table, alias, rule, cut);
  const protectedBy = [
    ...ownProtection(scope, table, alias),
    ...(rule.then.kind === 'mask' ? [] : blockers(scope, tree, alias, [{ table, alias }])),
  ];
  return { tree, cutOff: cut, ...time, protectedBy };
}

function columnOf(scope: Scope, table: string, name: string): CatalogColumn {
  const column = scope.catalog.tables[table]?.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`There is no column ${name} in ${table}`);
  return column;
}

function literal(text: string): RawBuilder<string> {
  return sql<string>`${text}::text`;
}

function ownTime(
  scope: Scope,
  table: string,
  alias: string,
  rule: RetentionRule,
  name: string,
  cut: Date,
): Pick<RulePredicates, 'expired' | 'odd'> {
  const column = columnOf(scope, table, name);
  const value = ident(alias, name);
  const reading: TimeReading = { zone: scope.manifest.timezone, zoneless: rule.zoneless };
  const cases = [
    { declared: rule.missing, kind: 'missing', condition: sql<boolean>`${value} is null` },
    { declared: rule.infinite, kind: 'infinite', condition: infinite(value) },
    { declared: rule.future, kind: 'future', condition: future(value, column, scope.asOf, reading) },
  ];
  const odd = cases
    .filter((one) => one.declared === 'keep')
    .map((one) => ({ condition: one.condition, label: literal(`${one.kind}:${name}`) }));
  if (unreadable(column, reading)) odd.push({ condition: sql<boolean>`isfinite(${value})`, label: literal(`zoneless:${name}`) });
  const taken = cases.filter((one) => one.declared === 'expire').map((one) => one.condition);
  return { expired: taken.length === 0 ? before(value, column, cut, reading) : any([before(value, column, cut, reading), ...taken]), odd };
}

function lastActivity(scope: Scope, table: string, alias: string, rule: RetentionRule, cut: Date): Pick<RulePredicates, 'expired' | 'odd'> {
  const lastOf = 'lastOf' in rule.after ? rule.after.lastOf : '';
  const [, schema = '', name = '', columnName = ''] = lastOf.split('.');
  const other = `${schema}.${name}`;
  const edge = scope.edges.find((candidate) => candidate.from === other && candidate.to === table);
  if (edge === undefined) throw new Error(`${other} does not reference ${table}`);
  const column = columnOf(scope, other, columnName);
  const reading: TimeReading = { zone: scope.manifest.timezone, zoneless: rule.zoneless };
  const there = `${alias}_last`;
  const value = ident(there, columnName);
  const exists = (condition: Condition): Condition =>
    sql<boolean>`exists (select 1 from ${tableRef(other)} as ${ident(there)} where ${joins(edge, there, alias)} and ${condition})`;
  const expired = sql<boolean>`(${exists(before(value, column, cut, reading))} and not ${exists(notBefore(value, column, cut, reading))})`;
  const known = exists(sql<boolean>`${value} > '-infinity'`);
  const missing = sql<boolean>`not ${known}`;
  const odd = rule.missing === 'expire' ? [] : [{ condition: missing, label: literal(`missing:${name}.${columnName}`) }];
  if (unreadable(column, reading)) odd.push({ condition: known, label: literal(`zoneless:${name}.${columnName}`) });
  return { expired: rule.missing === 'expire' ? any([expired, missing]) : expired, odd };
}

/** Holds, requests that wait for the row, and the floor on a row itself. */
function ownProtection(scope: Scope, table: string, alias: string): Reason[] {
  const { holds } = scope;
  const anybody = holds.subjects.length + holds.requested.length > 0;
  const paths = anybody ? subjectPaths(table, scope.edges, scope.manifest, scope.store) : [];
  const elsewhere = anybody ? namedElsewhere(table, scope.edges, scope.manifest, scope.catalog) : [];
  const requested = ({ subject }: { readonly subject: string }): boolean => holds.requested.includes(subject);
  const reasons = [
    ...heldReasons(table, alias, holds, { paths, elsewhere, catalog: scope.catalog }),
    ...paths.filter(requested).map((path) => requestReason(path, alias)),
    ...elsewhere.filter(requested).map((way) => requestElsewhereReason(way, alias)),
  ];
  const floor = scope.manifest.tables[`${scope.store}.${table}`]?.floor;
  if (floor !== null && floor !== undefined) {
    const column = columnOf(scope, table, floor.after);
    // A zone-less floor is read locally; a time that cannot be compared keeps the row under its floor.
    const free = before(ident(alias, floor.after), column, floorCutOff(scope.asOf, floor, scope.manifest.timezone), {
      zone: scope.manifest.timezone,
      zoneless: 'local',
    });
    reasons.push({ condition: sql<boolean>`(${free} is not true)`, label: literal(`floor:${floor.rule}`) });
  }
  return reasons;
}

interface Ancestor {
  readonly table: string;
  readonly alias: string;
}

/** Rows elsewhere that keep the row: each with the table that holds them. */
function blockers(scope: Scope, node: DeletionNode, alias: string, way: readonly Ancestor[]): Reason[] {
  return node.edges.flatMap((edge, index) => {
    const child = `${alias}_${index}`;
    const reasons = childReasons(scope, edge, child, way);
    if (reasons.length === 0) return [];
    const behind = sql`from ${tableRef(edge.edge.from)} as ${ident(child)} where ${joins(edge.edge, child, alias)}`;
    // The label is asked for only where the row stays: it tells what in the end keeps it, however far behind.
    const labels = reasons.map(({ condition, label }) => sql`(select ${label} ${behind} and ${condition} limit 1)`);
    const conditions = any(reasons.map((reason) => reason.condition));
    return [{ condition: sql<boolean>`exists (select 1 ${behind} and ${conditions})`, label: sql<string>`coalesce(${sql.join(labels)})` }];
  });
}

/** Why a row behind an edge keeps the row in front of it: none for never. */
function childReasons(scope: Scope, { edge, action, child: node }: DeletionEdge, child: string, way: readonly Ancestor[]): Reason[] {
  if (action === 'detach') return ownProtection(scope, edge.from, child);
  if (action === 'delete' && node !== null) {
    return [...ownProtection(scope, edge.from, child), ...blockers(scope, node, child, [...way, { table: edge.from, alias: child }])];
  }
  const others = way.filter((ancestor) => ancestor.table === edge.from);
  const notItself = others.map(
    (ancestor) =>
      sql<boolean>`(${ident(child)}.tableoid, ${ident(child)}.ctid) is distinct from (${ident(ancestor.alias)}.tableoid, ${ident(ancestor.alias)}.ctid)`,
  );
  const staying = others.length === 0 ? goesByItsOwnRule(scope, edge.from, child) : null;
  const conditions = [...notItself, ...(staying === null ? [] : [sql<boolean>`(${staying} is not true)`])];
  return [{ condition: all(conditions), label: literal(`child:${edge.from}`) }];
}

/** True of rows that their own rule deletes earlier in the same run; null when it deletes none. */
export function goesByItsOwnRule(scope: Scope, table: string, alias: string): Condition | null {
  const rule = scope.manifest.tables[`${scope.store}.${table}`]?.retention;
  const turn = scope.earlier.indexOf(table);
  if (turn < 0 || rule === null || rule === undefined || rule.then.kind === 'mask') return null;
  const compiled = compileRule({ ...scope, earlier: scope.earlier.slice(0, turn) }, table, alias);
  return sql<boolean>`(${compiled.expired} and not ${any(compiled.protectedBy.map((reason) => reason.condition))})`;
}

/** `store.schema.table` ids of a store's tables that have a rule. */
export function ruledTables(manifest: Manifest, store: string): string[] {
  return Object.entries(manifest.tables)
    .filter(([id, table]) => table.retention !== null && storeOf(id) === store)
    .map(([id]) => inStore(id));
}
