import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { singular, snake } from '../words.ts';

/** The `entity_id` beside an `entity_type`; null when the column is not the first of such a pair. */
export function pairedId({ columns, foreignKeys }: CatalogTable, type: string): CatalogColumn | null {
  const stem = /^(.+)_type$/.exec(snake(type))?.[1];
  const id = stem === undefined ? undefined : columns.find((it) => snake(it.name) === `${stem}_id`);
  if (id === undefined || id.name.includes('.') || foreignKeys.some((key) => key.columns.includes(id.name))) return null;
  return id;
}

/** How well the name of a class names a table: `Wiki::Page` is `wiki_pages`, or else `pages`. 0: not at all. */
export function namesTable(type: string, table: string): number {
  const whole = singular(type);
  const last = singular(type.split('::').at(-1)!);
  const named = singular(table);
  if (named === whole) return 2;
  return named === last ? 1 : 0;
}
