import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import type { ErasureScope } from './model.ts';

/** Where somebody may still be found after a request: these columns of a table, or (null) all of them. */
export interface ExpectedColumns {
  /** `schema.table` */
  readonly table: string;
  readonly columns: readonly string[] | null;
}

/**
 * Columns of a store that a request about some purposes is not about, whoever's rows they are in: everything that serves other purposes, or that nobody
 * declared for these. A request about everything looks everywhere: a purpose that goes on keeps the person's own rows, and is no reason to name
 * them anywhere else.
 */
export function expectedColumns({ ended, remaining }: ErasureScope, catalog: Catalog, manifest: Manifest): ExpectedColumns[] {
  if (ended === null) return [];
  const goesOn = new Set(remaining.map(({ purpose }) => purpose));
  const stays = (purposes: readonly string[]): boolean =>
    purposes.some((it) => goesOn.has(it)) || !(purposes.length > 0 && purposes.every((it) => ended.includes(it)));
  const declared = Object.entries(manifest.tables).flatMap(([id, table]): ExpectedColumns[] => {
    if (storeOf(id) !== catalog.store) return [];
    const names = catalog.tables[inStore(id)]?.columns.map(({ name }) => name) ?? [];
    const columns = names.filter((name) => stays(table.columns?.[name]?.purposes ?? table.purposes));
    return columns.length === 0 ? [] : [{ table: inStore(id), columns }];
  });
  const others = Object.keys(catalog.tables).filter((table) => !(`${catalog.store}.${table}` in manifest.tables));
  return [...declared, ...others.map((table) => ({ table, columns: null }))];
}
