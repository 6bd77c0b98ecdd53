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
 * Columns of a store that a request leaves alone, whoever's rows they are in: those that a purpose which goes on covers, and, where it ends some
 * purposes only, everything that serves others or that nobody declared for them. An erasure leaves alone only tables of which nobody can say
 * whose their rows are: a purpose goes on with the person's own rows, and is no reason to name them in somebody else's. `reached`: tables whose rows
 * lead to people.
 */
export function expectedColumns(
  { ended, remaining }: ErasureScope,
  reached: ReadonlySet<string>,
  catalog: Catalog,
  manifest: Manifest,
): ExpectedColumns[] {
  const goesOn = new Set(remaining.map(({ purpose }) => purpose));
  const stays = (purposes: readonly string[]): boolean =>
    purposes.some((it) => goesOn.has(it)) || (ended !== null && !(purposes.length > 0 && purposes.every((it) => ended.includes(it))));
  const declared = Object.entries(manifest.tables).flatMap(([id, table]): ExpectedColumns[] => {
    if (storeOf(id) !== catalog.store || (ended === null && reached.has(inStore(id)))) return [];
    const names = catalog.tables[inStore(id)]?.columns.map(({ name }) => name) ?? [];
    const columns = names.filter((name) => stays(table.columns?.[name]?.purposes ?? table.purposes));
    return columns.length === 0 ? [] : [{ table: inStore(id), columns }];
  });
  if (ended === null) return declared;
  const others = Object.keys(catalog.tables).filter((table) => !(`${catalog.store}.${table}` in manifest.tables));
  return [...declared, ...others.map((table) => ({ table, columns: null }))];
}
