import { columnParts, inStore, storeOf } from '../../manifest/ids.ts';
import type { Path } from '../../manifest/problem.ts';
import type { Catalog, CatalogTable } from '../catalog.ts';
import { referenceTarget, type Edge } from '../retention/graph.ts';
import { pointsAtSeveral } from '../requests/unique.ts';
import { isDeclared, liveColumn, liveTable, placeOfTable, quoted, tableName, type StoreCheck } from './context.ts';

/** References, foreign keys and declared ones: they exist, compare like with like, are vouched for, and can be followed fast. */
export function checkReferences(check: StoreCheck): void {
  declared(check);
  for (const edge of check.edges) {
    severalTargets(check, edge);
    // What nobody declares is never deleted, so nobody looks for its children.
    if (!isDeclared(check, edge.to)) continue;
    const from = check.catalog.tables[edge.from];
    if (!from) continue;
    vouched(check, edge);
    if (!indexedWholly(check.catalog, from, edge)) missingIndex(check, from, edge);
  }
}

function declared(check: StoreCheck): void {
  check.manifest.references.forEach((reference, index) => {
    const at: Path = ['references', index];
    const from = columnParts(reference.from);
    const live = liveTable(check, from.table, [...at, 'from']);
    const column = live && liveColumn(check, live, from.column, [...at, 'from']);
    for (const name of live ? Object.keys(reference.when) : []) liveColumn(check, live!, name, [...at, 'when', name]);
    const target = referenceTarget(reference.to, check.manifest);
    if (!target || target.store !== check.store) return;
    const targetTable = liveTable(check, `${target.store}.${target.table}`, [...at, 'to']);
    if (!targetTable) return;
    // It may say what a foreign key of several columns means, by one that no other has.
    const said = check.edges.some(
      (edge) =>
        edge.foreignKey !== null && edge.from === inStore(from.table) && edge.to === target.table && edge.columns.includes(from.column),
    );
    if (said && target.columns.length !== 1) return;
    if (target.columns.length !== 1) {
      const message = `the key of \`${reference.to}\` has ${target.columns.length} columns, and the reference has one`;
      check.add('P134', [...at, 'to'], message, 'refer to a column that is unique by itself', 'error');
      return;
    }
    const to = liveColumn(check, targetTable, target.columns[0]!, [...at, 'to']);
    if (column && to && column.typeCategory !== to.typeCategory) {
      check.add(
        'P134',
        at,
        `\`${reference.from}\` is of type ${column.type}, and \`${target.table}.${to.name}\` of type ${to.type}: compared as text`,
      );
    }
  });
}

function severalTargets(check: StoreCheck, edge: Edge): void {
  if (!pointsAtSeveral(edge, check.catalog, check.manifest)) return;
  const [column] = edge.columns;
  const index = check.manifest.references.findIndex(({ from }) => from === `${check.store}.${edge.from}.${column}`);
  const message = `\`${edge.from}.${column}\` refers to \`${edge.to}\` (${edge.toColumns.join(', ')}), which is not unique: a row may point at several`;
  const fix = 'refer to a unique column; or turn it round and declare the table under `shared`, if several people own its rows';
  check.add('P143', ['references', Math.max(index, 0), 'to'], message, fix);
}

function vouched(check: StoreCheck, edge: Edge): void {
  const key = edge.foreignKey;
  if (!key || (key.enforced && key.validated)) return;
  const why = key.enforced ? 'NOT VALID' : 'NOT ENFORCED';
  // Of a key of partitions it is not known here which of them have it.
  const fix = key.enforced && !edge.partly ? `alter table ${quotedName(edge.from)} validate constraint ${quoted(key.name)}` : null;
  check.add('P130', placeOfTable(check, edge.from), `the foreign key \`${key.name}\` of \`${edge.from}\` is ${why}`, fix);
}

/** An index of the table, or one in each partition of it. */
function indexedWholly(catalog: Catalog, from: CatalogTable, edge: Edge): boolean {
  if (indexed(from, edge)) return true;
  const partitions = from.partitioning?.partitions ?? [];
  return (
    partitions.length > 0 && partitions.every(({ table }) => catalog.tables[table] && indexedWholly(catalog, catalog.tables[table], edge))
  );
}

/** An index helps when its first columns are the reference's, in any order; columns that its condition fixes may stand between. */
function indexed(from: CatalogTable, edge: Edge): boolean {
  return from.indexes.some((index) => {
    if (!index.valid || index.partial) return false;
    const end = index.columns.findIndex((column) => !edge.columns.includes(column) && !Object.hasOwn(edge.when, column));
    const leading = end < 0 ? index.columns : index.columns.slice(0, end);
    return edge.columns.every((column) => leading.includes(column));
  });
}

function missingIndex(check: StoreCheck, from: CatalogTable, edge: Edge): void {
  const columns = [...Object.keys(edge.when), ...edge.columns].map((it) => quoted(it)).join(', ');
  const partial = from.indexes.some((index) => index.partial && index.columns[0] === edge.columns[0]);
  const fix = from.partitioning
    ? `create index concurrently on each partition of ${quotedName(edge.from)} (${columns}), create index on only the parent, and attach them`
    : `create index concurrently on ${quotedName(edge.from)} (${columns})`;
  const message = `\`${tableName(from)}\` (${edge.columns.join(', ')}) references \`${edge.to}\` ${partial ? 'with only a partial index' : 'without an index'}`;
  check.add('P108', placeOfTable(check, edge.from), message, fix);
}

function quotedName(name: string): string {
  return quoted(...name.split('.'));
}

/** Whether a reference of the manifest leads from the table to a subject, in this store or another. */
export function refersToSubject({ manifest, store }: StoreCheck, table: string): boolean {
  return manifest.references.some(({ from, to }) => {
    const parts = columnParts(from);
    return (
      storeOf(from) === store &&
      parts.table === `${store}.${table}` &&
      (to.split('.')[0] ?? '') in manifest.subjects &&
      to.split('.').length <= 2
    );
  });
}
