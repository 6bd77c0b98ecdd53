import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, Reference, SharedTable } from '../../manifest/model.ts';
import { canonicalJson } from '../canonical.ts';
import type { Catalog } from '../catalog.ts';
import type { ResolvedRole, Role } from '../people/roles.ts';
import { crossRoles, referenceTarget, storeEdges, type Edge } from '../retention/graph.ts';

/** How ways and columns call the subject's key; everything else is the name of an identity. */
export const KEY_IDENTITY = 'key';

/** A store as an erasure sees it: partitions are their parent, and every list is in one order whatever the order of what was read. */
export interface ErasureGraph {
  readonly subject: string;
  readonly catalog: Catalog;
  readonly manifest: Manifest;
  readonly edges: readonly Edge[];
  /** What references to people of other stores mean for their rows. */
  readonly cross: ReadonlyMap<Reference, ResolvedRole>;
  readonly shared: readonly SharedEdge[];
}

/** What people share, by the edge of the table that says who owns it. */
export interface SharedEdge {
  readonly owners: Edge;
  readonly rule: SharedTable;
}

export function erasureGraph(subject: string, catalog: Catalog, manifest: Manifest): ErasureGraph {
  const edges = distinct(storeEdges(catalog, manifest).filter((edge) => edge.from in catalog.tables && edge.to in catalog.tables));
  const shared = manifest.shared
    .filter((rule) => storeOf(rule.table) === catalog.store)
    .flatMap((rule) => edges.filter(isBetween(rule)).map((owners) => ({ owners, rule })));
  return { subject, catalog, manifest, edges, cross: crossRoles(catalog, manifest), shared };
}

function isBetween({ table, owners }: SharedTable): (edge: Edge) => boolean {
  return (edge) => edge.from === inStore(owners) && edge.to === inStore(table);
}

/** A reference that several foreign keys repeat is one. */
function distinct(edges: readonly Edge[]): Edge[] {
  const meaning = ({ from, to, columns, toColumns, when }: Edge): unknown => [from, to, columns, toColumns, when];
  const byMeaning = Map.groupBy(
    inOrder(edges, (edge) => [meaning(edge), edge]),
    (edge) => canonicalJson(meaning(edge)),
  );
  return [...byMeaning.values()].map(([first]) => first!);
}

/** Sorted by the canonical text of what is looked at. */
export function inOrder<T>(values: readonly T[], by: (value: T) => unknown = (value) => value): T[] {
  return values
    .map((value) => ({ value, text: canonicalJson(by(value)) }))
    .sort((one, other) => (one.text < other.text ? -1 : one.text > other.text ? 1 : 0))
    .map(({ value }) => value);
}

/** The subject's own table, if this store holds it. */
export function homeOf({ subject, catalog, manifest }: ErasureGraph): string | null {
  const table = manifest.subjects[subject]?.table;
  return table !== undefined && storeOf(table) === catalog.store ? inStore(table) : null;
}

/** Whose own table it is: the row of another kind of subject is that subject's, whatever it references. */
export function isOthersOwn({ subject, catalog, manifest }: ErasureGraph, table: string): boolean {
  const id = `${catalog.store}.${table}`;
  return manifest.subjects[subject]?.table !== id && Object.values(manifest.subjects).some((it) => it.table === id);
}

/** Columns of a table that name the subject themselves. */
export interface DirectEnd {
  readonly columns: readonly string[];
  readonly identity: string;
  readonly asText: boolean;
}

/** Whose the rows of a table are by what they say themselves; first by its key. What only mentions the subject is left out. */
export function directEnds(graph: ErasureGraph, table: string): DirectEnd[] {
  const declared = graph.manifest.subjects[graph.subject];
  if (declared === undefined || isOthersOwn(graph, table)) return [];
  const home = homeOf(graph);
  if (home === table) return [{ columns: declared.key, identity: KEY_IDENTITY, asText: false }];
  if (home === null) return elsewhere(graph, table);
  const ends = graph.edges.flatMap((edge) => (edge.from === table && edge.to === home && edge.as !== 'mention' ? endsOf(graph, edge) : []));
  const byMeaning = Map.groupBy(ends, (it) => canonicalJson([it.columns, it.identity]));
  return [...byMeaning.values()].map(([first]) => first!).sort((one, other) => isKey(other) - isKey(one));
}

const isKey = (end: DirectEnd): number => Number(end.identity === KEY_IDENTITY);

/** The ends that an edge to the subject's own table makes; a polymorphic one is a hop, for its columns alone say nothing. */
export function endsOf(graph: ErasureGraph, edge: Edge): DirectEnd[] {
  const declared = graph.manifest.subjects[graph.subject];
  if (declared === undefined || edge.to !== homeOf(graph) || Object.keys(edge.when).length > 0) return [];
  const { asText } = edge;
  const carried = declared.key.map((column) => edge.columns[edge.toColumns.indexOf(column)]).filter((it) => it !== undefined);
  if (carried.length === declared.key.length) return [{ columns: carried, identity: KEY_IDENTITY, asText }];
  const identity = identityOf(graph, edge.toColumns);
  return identity === null ? [] : [{ columns: edge.columns, identity, asText }];
}

/** References to a subject whose table another store holds. Types are compared where the values are. */
function elsewhere(graph: ErasureGraph, table: string): DirectEnd[] {
  return crossReferences(graph, table).flatMap(({ column, identity, polymorphic, as }) =>
    polymorphic || identity === null || as === 'mention' ? [] : [{ columns: [column], identity, asText: false }],
  );
}

export interface CrossReference {
  readonly column: string;
  /** Null: it is none that is followed. */
  readonly identity: string | null;
  readonly polymorphic: boolean;
  readonly as: Role;
  readonly because: string;
  readonly with: readonly string[];
}

/** The manifest's references from a table to the subject in another store. */
export function crossReferences(graph: ErasureGraph, table: string): CrossReference[] {
  const { catalog, manifest, subject, cross } = graph;
  const found = [...cross].flatMap(([reference, { role, because }]): CrossReference[] => {
    const column = reference.from.slice(reference.from.lastIndexOf('.') + 1);
    const target = referenceTarget(reference.to, manifest);
    if (reference.from !== `${catalog.store}.${table}.${column}` || target === null) return [];
    if (`${target.store}.${target.table}` !== manifest.subjects[subject]?.table) return [];
    const polymorphic = Object.keys(reference.when).length > 0;
    return [{ column, identity: identityOf(graph, target.columns), polymorphic, as: role, because, with: reference.with }];
  });
  return inOrder(found);
}

/** What columns of the subject's table are to it: its key, an identity, or nothing of the kind. */
export function identityOf({ manifest, subject }: ErasureGraph, columns: readonly string[]): string | null {
  const declared = manifest.subjects[subject];
  if (declared === undefined) return null;
  if (declared.key.join() === columns.join()) return KEY_IDENTITY;
  const [column] = columns;
  if (columns.length !== 1) return null;
  const names = Object.keys(declared.identities).sort();
  return names.find((name) => declared.identities[name] === column) ?? null;
}
