import { sql, type Kysely } from 'kysely';
import type { Catalog, CatalogTable, Partition } from '../../domain/catalog.ts';
import type { Change } from './change.ts';
import { cutFor } from './times.ts';

/** A physical table behind a declared one: the table itself, or a leaf of its partition tree. */
export interface PhysicalUnit {
  /** `schema.table` */
  readonly table: string;
  readonly oid: number;
  /** Its entry in the parent's partition list; null for a table without partitions. */
  readonly partition: Partition | null;
  /** The partitioned table of which it is a direct partition. */
  readonly parent: string | null;
}

/** The leaves of a table, in catalog order. */
export function leaves(catalog: Catalog, name: string): PhysicalUnit[] {
  const table = catalog.tables[name];
  if (table === undefined) return [];
  if (table.partitioning === null) return [{ table: name, oid: table.oid, partition: null, parent: null }];
  return table.partitioning.partitions.flatMap((partition) => {
    const child = catalog.tables[partition.table];
    if (child !== undefined && child.partitioning !== null) return leaves(catalog, partition.table);
    return [{ table: partition.table, oid: partition.oid, partition, parent: name }];
  });
}

/** Pages of a physical table now; batches never look behind this number, rechecks do. */
export async function blockCount(db: Kysely<unknown>, oid: number): Promise<number> {
  const { rows } = await sql<{ blocks: number }>`
    select (pg_relation_size(${oid}::oid) / current_setting('block_size')::bigint) as blocks`.execute(db);
  return rows[0]?.blocks ?? 0;
}

/** Why a partition may not be dropped whole; null when it may. Rows that stay are the caller's to count. */
export async function whyNotDroppable(db: Kysely<unknown>, change: Change, unit: PhysicalUnit): Promise<string | null> {
  const { catalog } = change.scope;
  const rule = change.scope.manifest.tables[`${change.scope.store}.${change.table}`]?.retention;
  if (rule === null || rule === undefined) return 'no rule';
  if (unit.partition === null || unit.parent === null) return 'not partitioned';
  if (rule.then.kind !== 'delete') return `its rows are to be ${rule.then.kind === 'mask' ? 'masked' : 'aggregated'} first`;
  if (!('column' in rule.after)) return 'its age is in another table';
  const parent = catalog.tables[unit.parent];
  const child = catalog.tables[unit.table];
  if (parent === undefined || child === undefined) return 'not in the catalog';
  if (unit.parent !== change.table) return 'a partition of a partition';
  if (parent.partitioning?.partitions.some((partition) => partition.isDefault) === true) return 'there is a default partition';
  if (parent.partitioning?.columns.length !== 1 || parent.partitioning.columns[0] !== rule.after.column)
    return 'not partitioned by the rule’s time';
  if (!parent.privileges.owner || !child.privileges.owner) return 'our role does not own the partition';
  if (change.scope.edges.some((edge) => edge.to === change.table || edge.to === unit.table)) return 'other tables reference it';
  if (hasDeleteTriggers(parent) || hasDeleteTriggers(child)) return 'a trigger wants to see each deletion';
  if (unit.partition.to === null) return 'its range has no end';
  const column = parent.columns.find((candidate) => candidate.name === ('column' in rule.after ? rule.after.column : ''));
  if (column === undefined || (column.baseType === 'timestamp' && rule.zoneless === 'keep')) return 'its times have no zone';
  const cut = cutFor(column, change.predicates.cutOff, { zone: change.scope.manifest.timezone, zoneless: rule.zoneless });
  const { rows } = await sql<{
    past: boolean;
  }>`select cast(${unit.partition.to}::text as ${sql.raw(column.type)}) <= ${cut} as past`.execute(db);
  return rows[0]?.past === true ? null : 'part of its range has not expired';
}

function hasDeleteTriggers(table: CatalogTable): boolean {
  return table.triggers.some((trigger) => trigger.enabled && trigger.events.includes('delete'));
}

/** The rule's own time column, when a whole, valid btree leads with it. */
export function timeIndex(table: CatalogTable | undefined, column: string | null): string | null {
  if (table === undefined || column === null) return null;
  const found = table.indexes.some((index) => index.method === 'btree' && index.valid && !index.partial && index.columns[0] === column);
  return found ? column : null;
}
