import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import type { Edge } from '../retention/graph.ts';

/**
 * Whether what an edge points at may be several rows, so that nobody can tell whose the referencing row is. Of an identity it is asked who else
 * has the value; a subject's key is its own matter; and of what is shared several are owners.
 */
export function pointsAtSeveral({ from, to, toColumns, foreignKey }: Edge, catalog: Catalog, manifest: Manifest): boolean {
  const live = catalog.tables[to];
  // A turned edge leads from what is shared to who owns it.
  if (foreignKey !== null || live === undefined || manifest.shared.some((it) => inStore(it.table) === from && inStore(it.owners) === to))
    return false;
  if (!toColumns.every((name) => live.columns.some((it) => it.name === name))) return false;
  if (live.uniques.some((unique) => unique.every((column) => toColumns.includes(column)))) return false;
  const own = Object.values(manifest.subjects).filter(({ table }) => table === `${catalog.store}.${to}`);
  if (own.some(({ key, identities }) => key.join() === toColumns.join() || Object.values(identities).includes(toColumns[0] ?? '')))
    return false;
  return !manifest.shared.some(
    ({ table, owners }) => storeOf(table) === catalog.store && inStore(table) === to && inStore(owners) === from,
  );
}
