import type { Catalog, ForeignKey } from '../catalog.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { ChildAction, Manifest, Reference, RetentionRule } from '../../manifest/model.ts';

/** One way in which rows of `from` point at rows of `to`, inside one store. Tables are `schema.table`. */
export interface Edge {
  readonly name: string;
  readonly from: string;
  readonly columns: readonly string[];
  readonly to: string;
  readonly toColumns: readonly string[];
  /** Column values of `from` under which the reference holds (polymorphic references). */
  readonly when: Readonly<Record<string, string | number | boolean>>;
  /** Null when no constraint stands behind it. */
  readonly foreignKey: ForeignKey | null;
  /** The two sides have types that only their text compares: a polymorphic id is often text. */
  readonly asText: boolean;
}

/** All edges of a store: its foreign keys, and those of the manifest's references whose both ends lie in it. */
export function storeEdges(catalog: Catalog, manifest: Manifest): Edge[] {
  const keys = Object.values(catalog.tables).flatMap((table) =>
    table.foreignKeys.map((key): Edge => ({
      name: key.name,
      from: `${table.schema}.${table.name}`,
      columns: key.columns,
      to: key.references,
      toColumns: key.referencedColumns,
      when: {},
      foreignKey: key,
      asText: false,
    })),
  );
  const declared = manifest.references.map((reference) => referenceEdge(reference, catalog, manifest)).filter((edge) => edge !== null);
  return [...keys, ...declared.filter((edge) => !keys.some((key) => sameEdge(key, edge)))];
}

function sameEdge(a: Edge, b: Edge): boolean {
  return a.from === b.from && a.to === b.to && a.columns.join() === b.columns.join() && a.toColumns.join() === b.toColumns.join();
}

function referenceEdge(reference: Reference, catalog: Catalog, manifest: Manifest): Edge | null {
  const from = splitColumn(reference.from);
  const target = referenceTarget(reference.to, manifest);
  if (from === null || target === null || from.store !== catalog.store || target.store !== catalog.store) return null;
  return {
    name: `reference ${reference.from}`,
    from: from.table,
    columns: [from.column],
    to: target.table,
    toColumns: target.columns,
    when: reference.when,
    foreignKey: null,
    asText: category(catalog, from.table, from.column) !== category(catalog, target.table, target.columns[0]),
  };
}

function category(catalog: Catalog, table: string, column: string | undefined): string | undefined {
  return catalog.tables[table]?.columns.find((candidate) => candidate.name === column)?.typeCategory;
}

interface Target {
  readonly store: string;
  readonly table: string;
  readonly columns: readonly string[];
}

/** `customer`, `customer.email` or `store.schema.table.column` as a table with columns. */
export function referenceTarget(to: string, manifest: Manifest): Target | null {
  const [head = '', identity] = to.split('.');
  const subject = manifest.subjects[head];
  if (subject !== undefined && to.split('.').length <= 2) {
    const columns = identity === undefined ? subject.key : [subject.identities[identity] ?? identity];
    return { store: storeOf(subject.table), table: inStore(subject.table), columns };
  }
  const column = splitColumn(to);
  return column === null ? null : { store: column.store, table: column.table, columns: [column.column] };
}

function splitColumn(id: string): { store: string; table: string; column: string } | null {
  const parts = id.split('.');
  if (parts.length !== 4) return null;
  const [store = '', schema = '', table = '', column = ''] = parts;
  return { store, table: `${schema}.${table}`, column };
}

/** The edge from what people share back to who shares it: no constraint stands behind it. */
export function turned(edge: Edge): Edge {
  return {
    ...edge,
    name: `shared ${edge.name}`,
    from: edge.to,
    columns: edge.toColumns,
    to: edge.from,
    toColumns: edge.columns,
    foreignKey: null,
  };
}

/** A table whose rows go, with the edges that point at it and what each does to the rows behind it. */
export interface DeletionNode {
  readonly table: string;
  readonly edges: readonly DeletionEdge[];
}

export interface DeletionEdge {
  readonly edge: Edge;
  readonly action: ChildAction;
  /** For `delete`: what goes with the child. Null otherwise. */
  readonly child: DeletionNode | null;
}

/** What a rule says about referencing tables, by `schema.table` of its own store. A mask deletes nothing, so nothing goes with it. */
export function childActions(rule: RetentionRule, store: string): Record<string, ChildAction> {
  if (rule.then.kind === 'mask') return {};
  const named = Object.entries(rule.children).filter(([id]) => storeOf(id) === store);
  return Object.fromEntries(named.map(([id, action]) => [inStore(id), action]));
}

/**
 * What stands in the way of deleting rows of `table`, or goes with them: a tree over the edges that point at it.
 * An edge from a table that already stands on the way (a cycle, a self-reference) is never followed further: a row that
 * is itself being deleted does not block, any other row keeps or is detached as declared.
 */
export function deletionTree(table: string, edges: readonly Edge[], children: Readonly<Record<string, ChildAction>>): DeletionNode {
  return node(table, [table]);

  function node(parent: string, way: readonly string[]): DeletionNode {
    const pointing = edges.filter((edge) => edge.to === parent);
    return { table: parent, edges: pointing.map((edge) => follow(edge, way)) };
  }

  function follow(edge: Edge, way: readonly string[]): DeletionEdge {
    const declared = children[edge.from] ?? 'keep';
    if (way.includes(edge.from)) return { edge, action: declared === 'detach' ? 'detach' : 'keep', child: null };
    return { edge, action: declared, child: declared === 'delete' ? node(edge.from, [...way, edge.from]) : null };
  }
}

/** Every table that a deletion tree deletes from or detaches, the root first, each once. */
export function treeTables(root: DeletionNode): string[] {
  const found = new Set<string>([root.table]);
  const visit = (node: DeletionNode): void => {
    for (const { edge, action, child } of node.edges) {
      if (action !== 'keep') found.add(edge.from);
      if (child !== null) visit(child);
    }
  };
  visit(root);
  return [...found];
}

/** A way from a table's rows to a subject's key: foreign keys to follow, each to the next table. */
export interface SubjectPath {
  readonly subject: string;
  readonly steps: readonly Edge[];
  /** Columns, in the last table reached, that equal the subject's key. */
  readonly keyColumns: readonly string[];
}

// Longer ways exist only in schemas where a hold by table says more; the limits keep the statement plannable.
const MAX_HOPS = 4;
const MAX_PATHS = 64;

/** All ways, without repeating a table, from `table` to each subject of the store; shortest first. */
export function subjectPaths(table: string, edges: readonly Edge[], manifest: Manifest, store: string): SubjectPath[] {
  const paths: SubjectPath[] = [];
  for (const [name, subject] of Object.entries(manifest.subjects)) {
    if (storeOf(subject.table) !== store) continue;
    const home = inStore(subject.table);
    if (home === table) {
      paths.push({ subject: name, steps: [], keyColumns: subject.key });
      continue;
    }
    let frontier: { at: string; steps: Edge[] }[] = [{ at: table, steps: [] }];
    for (let hop = 0; hop < MAX_HOPS && frontier.length > 0; hop++) {
      const next: typeof frontier = [];
      for (const { at, steps } of frontier) {
        for (const edge of edges) {
          if (edge.from !== at || edge.to === table || steps.some((step) => step.to === edge.to || step.from === edge.to)) continue;
          if (edge.to !== home) next.push({ at: edge.to, steps: [...steps, edge] });
          else paths.push({ subject: name, ...arrive(edge, steps, subject.key) });
        }
      }
      frontier = next;
    }
  }
  return paths.slice(0, MAX_PATHS);
}

/** The last hop needs no join when the reference carries the subject's key itself. */
function arrive(edge: Edge, steps: readonly Edge[], key: readonly string[]): { steps: readonly Edge[]; keyColumns: readonly string[] } {
  const carried = key.map((column) => edge.columns[edge.toColumns.indexOf(column)]);
  const direct = carried.every((column) => column !== undefined) && Object.keys(edge.when).length === 0;
  return direct ? { steps, keyColumns: carried.filter((column) => column !== undefined) } : { steps: [...steps, edge], keyColumns: key };
}
