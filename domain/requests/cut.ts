import type { CatalogTable, ForeignKey } from '../catalog.ts';
import type { Edge } from '../retention/graph.ts';

/**
 * The columns that end a reference when they become null. One is enough unless the key is MATCH FULL. Empty where only columns could be cut that
 * other references need, such as a tenant's: the row would lose whose it is as well.
 */
export function cutColumns(live: CatalogTable, edge: Edge): readonly string[] {
  const open = edge.columns.filter((name) =>
    live.columns.some((column) => column.name === name && column.nullable && column.generated === null),
  );
  const others = live.foreignKeys.filter((key) => !isSame(edge, key)).flatMap((key) => key.columns);
  const own = open.filter((name) => !others.includes(name));
  if (edge.foreignKey?.match === 'full') return own.length === edge.columns.length ? own : [];
  return own;
}

/** A key that names the same row by the same columns, or by more or fewer of them. */
function isSame(edge: Edge, key: ForeignKey): boolean {
  const within = (some: readonly string[], all: readonly string[]): boolean => some.every((name) => all.includes(name));
  const [fewer, more] = [within(key.columns, edge.columns), within(edge.columns, key.columns)];
  return (fewer && more) || ((fewer || more) && key.references === edge.to);
}
