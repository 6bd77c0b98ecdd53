import { columnParts } from '../../manifest/ids.ts';
import type { Manifest, TableDeclaration } from '../../manifest/model.ts';
import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { referenceTarget } from '../retention/graph.ts';
import type { ErasureGraph } from './graph.ts';

/** Columns that can be masked without losing whose a row is, what it belongs to, and when the rest of it goes. */
export function maskableColumns(graph: ErasureGraph, table: string, live: CatalogTable, declared: TableDeclaration): CatalogColumn[] {
  const fixed = fixedColumns(graph, table, live, declared);
  return live.columns.filter(({ name }) => !fixed.has(name));
}

/** Columns that no mask may touch, whatever they say of anybody, each with the reason as a clause. */
export function fixedColumns(
  graph: ErasureGraph,
  table: string,
  live: CatalogTable,
  declared: TableDeclaration,
): ReadonlyMap<string, string> {
  const id = `${graph.catalog.store}.${table}`;
  const all = (names: readonly (string | null)[], why: string) => names.flatMap((name) => (name === null ? [] : [[name, why] as const]));
  const columns = (some: (column: CatalogColumn) => boolean): string[] => live.columns.filter(some).map(({ name }) => name);
  // What is told first counts least.
  return new Map([
    ...all(timeColumns(graph.manifest, id, declared), 'rules count from it'),
    ...all(referenceColumns(graph, table), 'it says whose the row is, or what it belongs to'),
    ...all(live.partitioning?.columns ?? [], 'it is part of the partition key'),
    ...all(live.primaryKey ?? [], 'it is part of the primary key'),
    ...all(columns((it) => it.identity), 'it is an identity column'),
    // It follows the columns that it is made from.
    ...all(columns((it) => it.generated !== null), 'it is generated'),
  ]); // prettier-ignore
}

/** Columns by which somebody is found, or that say when somebody was born, whatever their category. */
export function namingColumns({ manifest, catalog }: ErasureGraph, table: string): ReadonlySet<string> {
  const id = `${catalog.store}.${table}`;
  const subjects = Object.values(manifest.subjects).filter((it) => it.table === id);
  const referring = manifest.references.flatMap(({ from, to }) => {
    const source = columnParts(from);
    const target = referenceTarget(to, manifest);
    const isNaming = target !== null && isAddress(manifest, `${target.store}.${target.table}`, target.columns);
    return source.table === id && isNaming ? [source.column] : [];
  });
  return new Set([
    ...subjects.flatMap(({ identities, birth }) => [...Object.values(identities), ...(birth === null ? [] : [birth])]),
    ...referring,
  ]);
}

/** Times that rules count from: without them a contract would seem to go on, and what stays would stay for ever. */
function timeColumns(manifest: Manifest, id: string, { retention, floor, capturedAt }: TableDeclaration): string[] {
  const after = Object.values(manifest.tables).flatMap((it) =>
    it.retention && 'lastOf' in it.retention.after ? [it.retention.after.lastOf] : [],
  );
  const ends = Object.values(manifest.purposes).flatMap((it) => (it.ends === null ? [] : [it.ends]));
  const elsewhere = [...after, ...ends].map(columnParts).filter((it) => it.table === id);
  const own = [retention && 'column' in retention.after ? retention.after.column : null, floor?.after ?? null, capturedAt];
  return [...elsewhere.map((it) => it.column), ...own.filter((it) => it !== null)];
}

/**
 * Both sides of foreign keys and of references, and the subject's key. Addresses by which the manifest finds people are no keys: they go.
 */
function referenceColumns({ edges, manifest, catalog }: ErasureGraph, table: string): string[] {
  const id = `${catalog.store}.${table}`;
  const constrained = edges
    .filter((edge) => edge.foreignKey !== null)
    .flatMap((edge) => [...(edge.from === table ? edge.columns : []), ...(edge.to === table ? edge.toColumns : [])]);
  const subjects = Object.values(manifest.subjects).filter((it) => it.table === id);
  return [...constrained, ...subjects.flatMap((it) => it.key), ...declaredKeys(manifest, id)];
}

/** Columns that references of the manifest leave from, with their conditions, and arrive at. */
function declaredKeys(manifest: Manifest, id: string): string[] {
  return manifest.references.flatMap(({ from, when, to }) => {
    const source = columnParts(from);
    const target = referenceTarget(to, manifest);
    if (target === null || isAddress(manifest, `${target.store}.${target.table}`, target.columns)) return [];
    return [
      ...(source.table === id ? [source.column, ...Object.keys(when)] : []),
      ...(`${target.store}.${target.table}` === id ? target.columns : []),
    ];
  });
}

/** An identity of some subject that is not its key, too. */
function isAddress(manifest: Manifest, table: string, columns: readonly string[]): boolean {
  return Object.values(manifest.subjects).some(
    ({ table: own, key, identities }) =>
      own === table && columns.length === 1 && key.join() !== columns.join() && Object.values(identities).includes(columns[0]!),
  );
}
