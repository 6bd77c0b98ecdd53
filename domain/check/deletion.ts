import { inStore, storeOf } from '../../manifest/ids.ts';
import type { ChildAction } from '../../manifest/model.ts';
import { deletionTree, treeTables, type DeletionEdge, type DeletionNode } from '../retention/graph.ts';
import { ruled, tableName, type RuledTable, type StoreCheck } from './context.ts';

/** A rule that deletes rows, with everything that stands in the way or goes with them. */
export interface Deletion {
  readonly table: RuledTable;
  readonly children: Readonly<Record<string, ChildAction>>;
  readonly edges: readonly DeletionEdge[];
  /** Tables that rows are deleted from, the rule's own first. */
  readonly deletes: readonly string[];
  /** Tables that lose rows or references. */
  readonly changes: readonly string[];
}

/** The deletions of a store's rules; `children` are by `schema.table`. A mask deletes nothing. */
export function deletions(check: StoreCheck): Deletion[] {
  return ruled(check)
    .filter(({ rule }) => rule.then.kind !== 'mask')
    .map((table) => {
      const named = Object.entries(table.rule.children).filter(([id]) => storeOf(id) === check.store);
      const children = Object.fromEntries(named.map(([id, action]) => [inStore(id), action]));
      const tree = deletionTree(tableName(table.live), check.edges, children);
      const edges = allEdges(tree);
      const deletes = [...new Set([tree.table, ...edges.filter((it) => it.child !== null).map((it) => it.edge.from)])];
      return { table, children, edges, deletes, changes: treeTables(tree) };
    });
}

function allEdges(node: DeletionNode): DeletionEdge[] {
  return node.edges.flatMap((it) => [it, ...(it.child ? allEdges(it.child) : [])]);
}
