import type { Catalog, ForeignKey } from '../catalog.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { ChildAction, Manifest, Reference, ReferenceRole, RetentionRule } from '../../manifest/model.ts';
import { rootOf } from '../partitions.ts';
import { spaced } from '../processing/words.ts';
import { resolveRoles, type ResolvedRole, type Role } from '../people/roles.ts';
import { keyEdges, type Partly } from './edges.ts';

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
  /** What it means for the row, where it leads to people; null where it does not. */
  readonly as: Role | null;
  /** Why, in words. */
  readonly because: string | null;
  /** Columns of `from` that say who it is, too, and go along with the reference. */
  readonly with: readonly string[];
  /** Only where no key of the whole tables stands behind it, nor a reference of the manifest. */
  readonly partly?: Partly;
}

/** What of a manifest says who refers to whom. A draft says of no table that its rows stay. */
export type Referring = Pick<Manifest, 'subjects' | 'references' | 'shared'> & Partial<Pick<Manifest, 'tables'>>;

/**
 * All edges of a store: its foreign keys, and those of the manifest's references whose both ends lie in it. Partitions are their table.
 * Everybody who asks what points at what asks here.
 */
export function storeEdges(catalog: Catalog, manifest: Referring): Edge[] {
  const { edges, roles } = storeReferences(catalog, manifest);
  return edges.map((it) => {
    const found = roles.get(it);
    return { ...it.edge, as: found?.role ?? null, because: found?.because ?? null };
  });
}

/** What the manifest's references to people of other stores mean for rows of this one. */
export function crossRoles(catalog: Catalog, manifest: Referring): ReadonlyMap<Reference, ResolvedRole> {
  const { cross, roles } = storeReferences(catalog, manifest);
  return new Map(cross.flatMap((it) => (roles.has(it) ? [[it.reference, roles.get(it)!] as const] : [])));
}

function storeReferences(catalog: Catalog, manifest: Referring) {
  const homes = new Set(
    Object.values(manifest.subjects).flatMap(({ table }) => (storeOf(table) === catalog.store ? [inStore(table)] : [])),
  );
  const shared = manifest.shared.filter(({ table }) => storeOf(table) === catalog.store);
  const owners = new Set(shared.map((it) => `${inStore(it.owners)} ${inStore(it.table)}`));
  const edges = rawEdges(catalog, manifest).map((edge) => ({
    from: edge.from,
    to: edge.to,
    columns: edge.columns,
    declared: edge.declared,
    polymorphic: Object.keys(edge.when).length > 0,
    edge,
  }));
  const cross = manifest.references.flatMap((reference) => {
    const from = splitColumn(reference.from);
    const target = referenceTarget(reference.to, manifest);
    if (from?.store !== catalog.store || target === null || target.store === catalog.store) return [];
    if (!Object.values(manifest.subjects).some(({ table }) => table === `${target.store}.${target.table}`)) return [];
    return [
      {
        from: from.table,
        to: null,
        columns: [from.column],
        declared: reference.as,
        polymorphic: Object.keys(reference.when).length > 0,
        reference,
      },
    ];
  });
  // Who owns what people share is not owned by it.
  const leading = [...edges.filter(({ from, to }) => !owners.has(`${from} ${to}`)), ...cross];
  const roles = resolveRoles<(typeof leading)[number]>(leading, {
    homes,
    shared: new Set(shared.map(({ table }) => inStore(table))),
    staying: stayingTables(catalog, manifest),
    primaryKey: (table) => catalog.tables[table]?.primaryKey ?? [],
  });
  return { edges, cross, roles };
}

function stayingTables(catalog: Catalog, manifest: Referring): Map<string, string> {
  const found = Object.entries(manifest.tables ?? {}).filter(([id]) => storeOf(id) === catalog.store);
  return new Map(
    found.flatMap(([id, { stays }]) => (stays ? [[inStore(id), `its rows stay (${spaced(stays.basis)}): ${stays.because}`] as const] : [])),
  );
}

type RawEdge = Omit<Edge, 'as' | 'because'> & { readonly declared: ReferenceRole | null };

function rawEdges(catalog: Catalog, manifest: Referring): RawEdge[] {
  const keys = keyEdges(catalog).map((key): RawEdge => ({ ...key, declared: null, with: [] }));
  const declared = manifest.references.map((reference) => referenceEdge(reference, catalog, manifest)).filter((edge) => edge !== null);
  // A column that several keys share, such as a tenant's, says of none of them what it means.
  const meant = new Map(
    declared.flatMap((edge) => {
      const same = keys.filter((key) => isSaidOf(edge, key));
      const columns = new Set(same.map((key) => key.columns.join()));
      return columns.size === 1 ? same.map((key) => [key, edge] as const) : [];
    }),
  );
  const said = keys.map((key) => {
    const same = meant.get(key);
    return same === undefined ? key : { ...wholly(key), declared: same.declared, with: same.with };
  });
  const told = new Set(meant.values());
  return [...said, ...declared.filter((edge) => !told.has(edge))];
}

/** Said in the manifest, it is so whatever becomes of partitions. */
function wholly({ partly: _partly, ...edge }: RawEdge): RawEdge {
  return edge;
}

/** A reference of the manifest says what a foreign key means when it names one of its columns, and the same table. */
function isSaidOf(declared: RawEdge, key: RawEdge): boolean {
  if (declared.from !== key.from || declared.to !== key.to || Object.keys(declared.when).length > 0) return false;
  const at = key.columns.indexOf(declared.columns[0]!);
  return at >= 0 && (key.columns.length > 1 ? declared.toColumns.includes(key.toColumns[at]!) : key.toColumns[0] === declared.toColumns[0]);
}

function referenceEdge(reference: Reference, catalog: Catalog, manifest: Referring): RawEdge | null {
  const from = splitColumn(reference.from);
  const target = referenceTarget(reference.to, manifest);
  if (from === null || target === null || from.store !== catalog.store || target.store !== catalog.store) return null;
  return {
    name: `reference ${reference.from}`,
    from: rootOf(catalog, from.table),
    columns: [from.column],
    to: rootOf(catalog, target.table),
    toColumns: target.columns,
    when: reference.when,
    foreignKey: null,
    asText: category(catalog, from.table, from.column) !== category(catalog, target.table, target.columns[0]),
    declared: reference.as,
    with: reference.with,
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
export function referenceTarget(to: string, manifest: Referring): Target | null {
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
    as: 'owner',
    because: 'it belongs to who shares it',
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

/** All ways, without repeating a table, from `table` to each subject of the store whose its rows may be; shortest first. */
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
          if (
            edge.from !== at ||
            edge.as === 'mention' ||
            edge.to === table ||
            steps.some((step) => step.to === edge.to || step.from === edge.to)
          )
            continue;
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
