import type { Catalog } from './catalog.ts';

/** `schema.table` of the partitioned table at the top, or of the table itself. */
export function rootOf(catalog: Catalog, table: string): string {
  const parent = catalog.tables[table]?.partitionOf ?? null;
  return parent === null ? table : rootOf(catalog, parent);
}

/** The physical tables behind a table: its leaves, or itself. */
export function leavesOf(catalog: Catalog, table: string): string[] {
  const partitions = catalog.tables[table]?.partitioning?.partitions ?? null;
  return partitions === null ? [table] : partitions.flatMap((partition) => leavesOf(catalog, partition.table));
}
