import type { ColumnId, TableId } from './model.ts';

/** `store.schema.table` in its parts. Ids are checked when a manifest is loaded, so three parts are certain. */
export function tableParts(id: TableId): { readonly store: string; readonly schema: string; readonly table: string } {
  const [store = '', schema = '', table = ''] = id.split('.');
  return { store, schema, table };
}

/** `schema.table`: how a store's catalog names it. */
export function inStore(id: TableId): string {
  const { schema, table } = tableParts(id);
  return `${schema}.${table}`;
}

/** The store of a table or column id. */
export function storeOf(id: string): string {
  return tableParts(id).store;
}

/** `store.schema.table.column` in table and column. */
export function columnParts(id: ColumnId): { readonly table: TableId; readonly column: string } {
  const at = id.lastIndexOf('.');
  return { table: id.slice(0, at), column: id.slice(at + 1) };
}
