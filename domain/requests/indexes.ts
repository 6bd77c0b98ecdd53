import type { Catalog, CatalogTable } from '../catalog.ts';
import { quoted } from '../check/context.ts';
import { EMAIL } from '../serving/replica.ts';
import type { TableErasure } from './model.ts';

/** A look-up by columns that no index serves, so that the whole table is read each time. */
export interface MissingIndex {
  /** `schema.table` */
  readonly table: string;
  readonly columns: readonly string[];
  /** What would mend it; we suggest indexes and never build them. */
  readonly sql: string;
}

/** Columns by which an erasure finds rows, and those that must be looked up when a row goes, without an index. */
export function missingIndexes(tables: readonly TableErasure[], catalog: Catalog): MissingIndex[] {
  const found = new Map<string, MissingIndex>();
  const need = (name: string, columns: readonly string[], fixed: readonly string[], address: boolean): void => {
    const live = catalog.tables[name];
    if (live === undefined || columns.length === 0 || (!address && serves(live, columns, fixed))) return;
    // Whether an index over an expression is there the catalog does not tell.
    if (address && live.indexes.some((index) => index.columns.length === 0)) return;
    const keys = [...fixed, ...columns].map((column) => (address ? `lower(btrim(${quoted(column)}::text))` : quoted(column)));
    const on = `${quoted(...name.split('.'))} (${keys.map((key) => (address ? `(${key})` : key)).join(', ')})`;
    const sql =
      live.partitioning === null
        ? `create index concurrently on ${on}`
        : `create index concurrently on each partition of ${on}, create index on only the parent, and attach them`;
    found.set(sql, { table: name, columns, sql });
  };
  for (const { table, ways, incoming } of tables) {
    for (const way of ways) {
      for (const step of way.steps) need(step.from, step.columns, Object.keys(step.when), false);
      need(way.steps.at(-1)?.to ?? table, way.columns, [], way.identity === EMAIL);
    }
    for (const { edge } of incoming) need(edge.from, edge.columns, Object.keys(edge.when), false);
  }
  return [...found.values()];
}

/** An index helps when its first columns are the ones looked for, in any order; columns that the condition fixes may stand between. */
function serves(live: CatalogTable, columns: readonly string[], fixed: readonly string[]): boolean {
  return live.indexes.some((index) => {
    if (!index.valid || index.partial) return false;
    const end = index.columns.findIndex((column) => !columns.includes(column) && !fixed.includes(column));
    const leading = end < 0 ? index.columns : index.columns.slice(0, end);
    return columns.every((column) => leading.includes(column));
  });
}
