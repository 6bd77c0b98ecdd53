import type { Manifest } from '../../manifest/model.ts';
import type { Catalog, CatalogColumn } from '../catalog.ts';

/** How a passage in a column goes: out of its text, out of the texts of its document, or with the whole value. */
export type Redacting = 'text' | 'document' | 'null';

/** How passages in a column (`schema.table`, name) are redacted; or a sentence that says why they are not. */
export function redacting(
  catalog: Catalog,
  manifest: Manifest,
  table: string,
  name: string,
): { readonly how: Redacting; readonly column: CatalogColumn } | { readonly refused: string } {
  const live = catalog.tables[table];
  const column = live?.columns.find((it) => it.name === name);
  if (live === undefined || column === undefined) return { refused: 'it is no single column: erase by hand what is theirs' };
  const floor = manifest.tables[`${catalog.store}.${table}`]?.floor ?? null;
  if (floor !== null) return { refused: `the law keeps its rows as they are (${floor.rule}): dismiss what may stay` };
  if (live.refused !== null) return { refused: live.refused };
  if (!live.privileges.update) return { refused: 'our role may not change it: grant update on it' };
  if (column.generated !== null) return { refused: 'it is generated from other columns: redact these' };
  const pointed = Object.values(catalog.tables).some(({ foreignKeys }) =>
    foreignKeys.some(({ references, referencedColumns }) => references === table && referencedColumns.includes(name)),
  );
  if (live.primaryKey?.includes(name) === true || pointed || live.foreignKeys.some(({ columns }) => columns.includes(name)))
    return { refused: 'it is part of a key: erase the row by hand where it is theirs' };
  switch (column.typeCategory) {
    case 'string':
      return { how: 'text', column };
    case 'json':
      return { how: 'document', column };
    default:
      return column.nullable
        ? { how: 'null', column }
        : { refused: `it is no text and may not be null (${column.type}): erase by hand what is theirs` };
  }
}
