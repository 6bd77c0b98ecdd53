import type { OnErase } from '../../manifest/model.ts';
import type { Path } from '../../manifest/problem.ts';
import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { erasureGraph } from '../requests/graph.ts';
import { fixedColumns } from '../requests/maskable.ts';
import { misfit } from './actions.ts';
import { tableName, type StoreCheck } from './context.ts';

/** What `on_erase` says fits the column that it is said of, as far as the catalog tells. Names of columns are another rule's matter. */
export function checkOnErase({ tables, manifest, catalog, add }: StoreCheck): void {
  const graph = erasureGraph('', catalog, manifest);
  for (const { declared, live, at } of tables) {
    const fixed = fixedColumns(graph, tableName(live), live, declared);
    for (const column of live.columns) {
      const choice = declared.columns?.[column.name]?.onErase ?? null;
      if (choice === null || choice.with === 'keep') continue;
      const path: Path = [...at, 'columns', column.name, 'on_erase'];
      const why = fixed.get(column.name) ?? unfit(column, live, choice);
      if (why !== null) add('P142', path, `\`${column.name}\` cannot hold what \`on_erase\` says: ${why}`);
    }
  }
}

function unfit(column: CatalogColumn, live: CatalogTable, choice: OnErase): string | null {
  if (choice.with === 'null') return column.nullable ? null : 'it is NOT NULL';
  if (choice.with === 'generated')
    return ['boolean', 'enum', 'other'].includes(column.typeCategory) ? `nothing can be made up for type ${column.type}` : null;
  if (choice.with !== 'constant') return null;
  const unique = live.uniques.find((it) => it.includes(column.name));
  return (
    misfit(column, choice.value) ?? (unique === undefined ? null : `${unique.join(', ')} is unique, and many rows would get the same value`)
  );
}
