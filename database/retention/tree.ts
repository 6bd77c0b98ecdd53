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
  const unit = sql`${tableRef(change.unit)} as ${ident(ROW)}`;
  const rootId = sql`${ident(ROW, 'ctid')}::text as id`;
  const locked = await ids(trx, sql`select ${rootId} from ${unit} where ${range} and ${takes(change)} for update`);
  if (locked.length === 0) return { changed: 0, along: {} };
  const branches = change.action.kind === 'mask' ? [] : treeBranches(change.predicates.tree);
  let roots: Roots = { range, ctids: locked };
  let following = await rowsBehind(trx, change, branches, roots, sql` for update of `);
  const judged = await ids(trx, sql`select ${rootId} from ${unit} where ${amongRoots(roots)} and ${takes(change)}`);
  if (judged.length === 0) return { changed: 0, along: {} };
  if (judged.length < locked.length) {
    roots = { range, ctids: judged };
    following = await rowsBehind(trx, change, branches, roots, null);
  }
  const along: Record<string, number> = {};
  for (const branch of branches.filter((candidate) => candidate.action === 'detach')) {
    const key = `detached:${branch.table}`;
    along[key] = (along[key] ?? 0) + (await detachBranch(trx, change, branch, roots));
  }
  const deletions = branches.filter((branch) => branch.action === 'delete');
  const result = await applyTo(
    trx,
    change,
    amongRoots(roots),
    deletions.map((branch) => deletion(change, branch, roots)),
  );
  if (result.changed !== judged.length) throw swallowed(change, change.table);
  for (const table of new Set(deletions.map((branch) => branch.table))) {
    const gone = deletions.reduce((sum, branch, index) => sum + (branch.table === table ? (result.along[index] ?? 0) : 0), 0);
    if (gone !== following.get(table)) throw swallowed(change, table);
    along[`along:${table}`] = gone;
  }
  return { changed: result.changed, along };
}

/** The rows of a batch. The range says again where they are, which lets Postgres read those pages alone. */
interface Roots {
  readonly range: Condition;
  readonly ctids: readonly string[];
}

function amongRoots({ range, ctids }: Roots): Condition {
  return sql<boolean>`${range} and ${ident(ROW, 'ctid')} = any(${ctids}::tid[])`;
}

async function ids(trx: Transaction<unknown>, query: RawBuilder<unknown>): Promise<string[]> {
  const { rows } = await (query as RawBuilder<{ id: string }>).execute(trx);
  return rows.map((row) => row.id);
}

/** How many rows stand behind the roots, by table; a row that several ways lead to counts once. Locks them when asked to. */
async function rowsBehind(
  trx: Transaction<unknown>,
  change: Change,
  branches: readonly Branch[],
  roots: Roots,
  lock: RawBuilder<unknown> | null,
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, Set<string>>();
  for (const branch of branches) {
    const end = endOf(branch);
    const locking = lock === null ? sql`` : sql`${lock}${ident(end)}`;
    const rows = await ids(
      trx,
      sql`select ${ident(end, 'tableoid')}::text || ${ident(end, 'ctid')}::text as id from ${branchTables(change, branch, true)} where ${branchWhere(branch, roots)}${locking}`,
    );
    if (branch.action === 'delete') found.set(branch.table, new Set([...(found.get(branch.table) ?? []), ...rows]));
  }
  return new Map([...found].map(([table, rows]) => [table, rows.size]));
}

/** One way from the root to rows that change along: the edges in order, from the root outwards. */
export interface Branch {
  readonly table: string;
  readonly action: 'delete' | 'detach';
  readonly path: readonly DeletionEdge[];
}

export function treeBranches(root: DeletionNode): Branch[] {
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

function aliasAt(index: number): string {
  return index === 0 ? ROW : `b${index}`;
}

export function endOf(branch: Branch): string {
  return aliasAt(branch.path.length);
}

/** The root's unit and the tables of a branch, with or without the one at its end; joined by `branchWhere`. */
export function branchTables(change: Change, branch: Branch, withEnd: boolean): RawBuilder<unknown> {
  const tables = branch.path.map(({ edge }, index) => sql`${tableRef(edge.from)} as ${ident(aliasAt(index + 1))}`);
  return sql.join([sql`${tableRef(change.unit)} as ${ident(ROW)}`, ...(withEnd ? tables : tables.slice(0, -1))]);
}

function branchWhere(branch: Branch, roots: Roots): Condition {
  return behind(branch, amongRoots(roots));
}

/** The rows at the end of a branch that stand behind roots which a condition names. */
export function behind(branch: Branch, roots: Condition): Condition {
  const ways = branch.path.map(({ edge }, index) => joins(edge, aliasAt(index + 1), aliasAt(index)));
  return sql<boolean>`${sql.join([roots, ...ways], sql` and `)}`;
}

function deletion(change: Change, branch: Branch, roots: Roots): RawBuilder<unknown> {
  return sql`delete from ${tableRef(branch.table)} as ${ident(endOf(branch))} using ${branchTables(change, branch, false)} where ${branchWhere(branch, roots)} returning 1`;
}

/** Sets a reference null where the row that it belongs to is not itself among the deleted ones. */
async function detachBranch(trx: Transaction<unknown>, change: Change, branch: Branch, roots: Roots): Promise<number> {
  const last = branch.path.at(-1);
  if (last === undefined) return 0;
  const end = endOf(branch);
  const columns = change.scope.catalog.tables[branch.table]?.columns ?? [];
  // One null column ends a reference (MATCH SIMPLE); of a composite one, others may belong to the key.
  const detachable = last.edge.columns.filter((name) => columns.find((column) => column.name === name)?.nullable === true);
  const nullable = detachable.map((column) => sql`${ident(column)} = null`);
  const isRoot = sql<boolean>`(${ident(end, 'tableoid')} = ${change.unitOid}::oid and ${ident(end, 'ctid')} = any(${roots.ctids}::tid[]))`;
  const notRoot = change.table === branch.table ? sql` and not ${isRoot}` : sql``;
  const result = await sql`
    update ${tableRef(branch.table)} as ${ident(end)} set ${sql.join(nullable)} from ${branchTables(change, branch, false)}
    where ${branchWhere(branch, roots)}${notRoot}`.execute(trx);
  return Number(result.numAffectedRows ?? 0n);
}

function swallowed(change: Change, table: string): StoreError {
  const sentence = 'a trigger of the table swallows changes: rows that were deleted are still there; nothing was changed';
  return new StoreError({ store: change.scope.store, table, code: 'PB003', kind: 'swallowed', retryable: false, sentence });
}
