import { inStore, storeOf } from '../../manifest/ids.ts';
import type { ColumnDeclaration, TableId } from '../../manifest/model.ts';
import type { CatalogTable } from '../catalog.ts';
import type { Processing } from './record.ts';

/** A live column of a declared table, and what the manifest says of it. */
export interface UsedColumn {
  readonly table: TableId;
  readonly name: string;
  /** Null when the manifest does not classify it. */
  readonly declared: ColumnDeclaration | null;
  readonly purposes: readonly string[];
}

/** Not about anybody: they make no category of personal data. */
const IMPERSONAL: readonly (string | null)[] = ['technical', 'aggregate'];

export function liveTableOf({ catalogs }: Pick<Processing, 'catalogs'>, id: TableId): CatalogTable | undefined {
  return catalogs[storeOf(id)]?.tables[inStore(id)];
}

/** All columns that the databases have in declared tables. A column that nobody classified serves what its table serves. */
export function usedColumns(processing: Processing): UsedColumn[] {
  return Object.entries(processing.manifest.tables).flatMap(([table, declared]) =>
    (liveTableOf(processing, table)?.columns ?? []).map(({ name }): UsedColumn => {
      const column = declared.columns?.[name] ?? null;
      return { table, name, declared: column, purposes: column?.purposes ?? declared.purposes };
    }),
  );
}

/** Whether a column may say something about a person; what nobody classified may. */
export function isPersonal({ declared }: UsedColumn): boolean {
  return declared === null || declared.identifying || declared.special !== null || !IMPERSONAL.includes(declared.category);
}

/** `reltuples` as a number of rows; null when the database has not counted yet. A partitioned table is the sum of its partitions. */
export function estimatedRows(processing: Processing, id: TableId): number | null {
  const live = liveTableOf(processing, id);
  if (!live) return null;
  const partitions = (live.partitioning?.partitions ?? []).map((it) => estimatedRows(processing, `${storeOf(id)}.${it.table}`));
  if (live.partitioning && partitions.length > 0)
    return partitions.every((it) => it !== null) ? partitions.reduce((sum, it) => sum + it, 0) : null;
  return live.estimatedRows < 0 ? null : Math.round(live.estimatedRows);
}
