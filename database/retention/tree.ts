import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { CatalogTable } from '../../domain/catalog.ts';
import type { DeletionEdge, DeletionNode } from '../../domain/retention/graph.ts';
import { StoreError } from '../errors.ts';
import { ident, tableRef } from '../identifiers.ts';
import { applyTo, ROW, takes, type Change } from './change.ts';
import { joins } from './protection.ts';
import type { Condition } from './times.ts';

export interface TreeResult {
  readonly changed: number;
  /** Rows that went or were detached in other tables: `along:public.address`, `detached:public.note`. */
  readonly along: Readonly<Record<string, number>>;
}

/**
 * Whether rows of this table may go by one statement without locking them first. Not when other rows go along, when a constraint would
 * silently take or change rows that arrive meanwhile, or when a trigger could swallow the change.
 */
export function needsTree(table: CatalogTable, tree: DeletionNode, action: 'delete' | 'mask' | 'aggregate'): boolean {
  const event = action === 'mask' ? 'update' : 'delete';
  const swallowing = table.triggers.some(
    (trigger) => trigger.enabled && trigger.timing === 'before' && trigger.level === 'row' && trigger.events.includes(event),
  );
  if (swallowing) return true;
  if (action === 'mask') return false;
  return tree.edges.some(
    ({ edge, action: child }) =>
      child !== 'keep' || (edge.foreignKey !== null && !['no action', 'restrict'].includes(edge.foreignKey.onDelete)),
  );
}

/**
 * Deletes the rows of a range with what goes along: locks the rows, then those behind them, judges again under the locks,
 * and lets all go in one statement, so that the order of keys and cycles among them do not matter: constraints are checked at its end.
 */
export async function changeTree(trx: Transaction<unknown>, change: Change, range: Condition): Promise<TreeResult> {
  const unit = tableRef(change.unit);
  const locked = await ctids(
    trx,
    sql`select ${ident(ROW, 'ctid')}::text as ctid from ${unit} as ${ident(ROW)} where ${range} and ${takes(change)} for update`,
  );
  if (locked.length === 0) return { changed: 0, along: {} };
  const branches = change.action.kind === 'mask' ? [] : treeBranches(change.predicates.tree);
  for (const branch of branches) {
    const names = sql.join(branch.path.map((_, index) => ident(aliasAt(index + 1))));
    await sql`select 1 from ${branchFrom(change, branch)} where ${branchWhere(branch, locked)} for update of ${names}`.execute(trx);
  }
  const judged = await ctids(
    trx,
    sql`select ${ident(ROW, 'ctid')}::text as ctid from ${unit} as ${ident(ROW)} where ${among(ROW, locked)} and ${takes(change)}`,
  );
  if (judged.length === 0) return { changed: 0, along: {} };
  const along: Record<string, number> = {};
  for (const detach of branches.filter((branch) => branch.action === 'detach')) {
    const key = `detached:${detach.table}`;
    along[key] = (along[key] ?? 0) + (await detachBranch(trx, change, detach, judged));
  }
  const deletions = [...groupByTable(branches.filter((branch) => branch.action === 'delete'))];
  const expected: number[] = [];
  for (const [, paths] of deletions) expected.push(await countBranches(trx, change, paths, judged));
  const statements = deletions.map(
    ([table, paths]) => sql`delete from ${tableRef(table)} as c where ${branchRows(change, paths, judged)} returning 1`,
  );
  const result = await applyTo(trx, change, among(ROW, judged), statements);
  if (result.changed !== judged.length) throw swallowed(change, change.table);
  for (const [index, [table]] of deletions.entries()) {
    if (result.along[index] !== expected[index]) throw swallowed(change, table);
    along[`along:${table}`] = expected[index] ?? 0;
  }
  return { changed: result.changed, along };
}

async function ctids(trx: Transaction<unknown>, query: RawBuilder<unknown>): Promise<string[]> {
  const { rows } = await (query as RawBuilder<{ ctid: string }>).execute(trx);
  return rows.map((row) => row.ctid);
}

function among(alias: string, rows: readonly string[]): Condition {
  return sql<boolean>`${ident(alias, 'ctid')} = any(${rows}::tid[])`;
}

/** One way from the root to rows that change along: the edges in order, from the root outwards. */
interface Branch {
  readonly table: string;
  readonly action: 'delete' | 'detach';
  readonly path: readonly DeletionEdge[];
}

function treeBranches(root: DeletionNode): Branch[] {
  const branches: Branch[] = [];
  const visit = (node: DeletionNode, path: readonly DeletionEdge[]): void => {
    for (const edge of node.edges) {
      if (edge.action === 'keep') continue;
      const further = [...path, edge];
      if (edge.child !== null) visit(edge.child, further);
      branches.push({ table: edge.edge.from, action: edge.action, path: further });
    }
  };
  visit(root, []);
  return branches;
}

function groupByTable(branches: readonly Branch[]): Map<string, Branch[]> {
  const groups = new Map<string, Branch[]>();
  for (const branch of branches) groups.set(branch.table, [...(groups.get(branch.table) ?? []), branch]);
  return groups;
}

function aliasAt(index: number): string {
  return index === 0 ? ROW : `b${index}`;
}

/** The root's unit and the tables of a branch, joined by `branchWhere`. */
function branchFrom(change: Change, branch: Branch): RawBuilder<unknown> {
  const tables = branch.path.map(({ edge }, index) => sql`${tableRef(edge.from)} as ${ident(aliasAt(index + 1))}`);
  return sql.join([sql`${tableRef(change.unit)} as ${ident(ROW)}`, ...tables]);
}

function branchWhere(branch: Branch, roots: readonly string[]): Condition {
  const ways = branch.path.map(({ edge }, index) => joins(edge, aliasAt(index + 1), aliasAt(index)));
  return sql<boolean>`${sql.join([among(ROW, roots), ...ways], sql` and `)}`;
}

/** Rows of table `c` at the ends of branches. */
function branchRows(change: Change, branches: readonly Branch[], roots: readonly string[]): Condition {
  const selects = branches.map((branch) => {
    const end = aliasAt(branch.path.length);
    return sql`select ${ident(end, 'tableoid')}, ${ident(end, 'ctid')} from ${branchFrom(change, branch)} where ${branchWhere(branch, roots)}`;
  });
  return sql<boolean>`(c.tableoid, c.ctid) in (${sql.join(selects, sql` union `)})`;
}

async function countBranches(
  trx: Transaction<unknown>,
  change: Change,
  branches: readonly Branch[],
  roots: readonly string[],
): Promise<number> {
  const table = branches[0]?.table ?? change.table;
  const { rows } = await sql<{
    count: number;
  }>`select count(*) as count from ${tableRef(table)} as c where ${branchRows(change, branches, roots)}`.execute(trx);
  return rows[0]?.count ?? 0;
}

/** Sets a reference null where the row that it belongs to is not itself among the deleted ones. */
async function detachBranch(trx: Transaction<unknown>, change: Change, branch: Branch, roots: readonly string[]): Promise<number> {
  const last = branch.path.at(-1);
  if (last === undefined) return 0;
  const columns = change.scope.catalog.tables[branch.table]?.columns ?? [];
  // One null column ends a reference (MATCH SIMPLE); of a composite one, others may belong to the key.
  const detachable = last.edge.columns.filter((name) => columns.find((column) => column.name === name)?.nullable === true);
  const nullable = detachable.map((column) => sql`${ident(column)} = null`);
  const root = change.table === branch.table ? sql`not (c.tableoid = ${change.unitOid}::oid and ${among('c', roots)}) and ` : sql``;
  const result =
    await sql`update ${tableRef(branch.table)} as c set ${sql.join(nullable)} where ${root}${branchRows(change, [branch], roots)}`.execute(
      trx,
    );
  return Number(result.numAffectedRows ?? 0n);
}

function swallowed(change: Change, table: string): StoreError {
  const sentence = 'a trigger of the table swallows changes: rows that were deleted are still there; nothing was changed';
  return new StoreError({ store: change.scope.store, table, code: 'PB003', kind: 'swallowed', retryable: false, sentence });
}
