import { canonicalHash } from './canonical.ts';
import type { Catalog, CatalogTable, ForeignKey } from './catalog.ts';

/** A foreign key of another table (or of the same one) that references a table. */
export interface IncomingKey {
  /** `schema.table` that declares it. */
  readonly from: string;
  readonly key: ForeignKey;
}

/** Every foreign key onto a table, in a stable order. `id` is `schema.table`. */
export function incomingKeys(catalog: Catalog, id: string): readonly IncomingKey[] {
  return Object.keys(catalog.tables)
    .sort()
    .flatMap((from) => catalog.tables[from]!.foreignKeys.filter((key) => key.references === id).map((key) => ({ from, key })));
}

/**
 * SHA-256 of everything in a table whose change would make a plan mean something else. What its owner changes every day is left out: sizes,
 * partitions that come and go, plain indexes, comments, privileges. Pass `incoming` so that a new foreign key onto the table is noticed too.
 */
export function schemaFingerprint(table: CatalogTable, incoming: readonly IncomingKey[] = []): string {
  const partitioning =
    table.partitioning === null
      ? null
      : {
          strategy: table.partitioning.strategy,
          columns: table.partitioning.columns,
        };
  return canonicalHash({
    schema: table.schema,
    name: table.name,
    oid: table.oid,
    kind: table.kind,
    partitionOf: table.partitionOf,
    partitioning,
    columns: table.columns.map(({ comment: _comment, ...column }) => column),
    primaryKey: table.primaryKey,
    uniques: sorted(table.uniques),
    checks: sorted(table.checks),
    foreignKeys: sorted(table.foreignKeys),
    // What their functions write depends on which tables there are.
    triggers: sorted(table.triggers.map(({ writes: _writes, ...trigger }) => trigger)),
    rules: sorted(table.rules),
    rowSecurity: table.rowSecurity,
    refused: table.refused,
    incoming: sorted(incoming),
  });
}

/** Order carries no meaning in these lists, so it must not change the hash. */
function sorted(values: readonly unknown[]): unknown[] {
  return values
    .map((value) => [canonicalHash(value), value] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, value]) => value);
}
