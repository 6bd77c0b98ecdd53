import type { Catalog } from '../catalog.ts';
import { canDetach, isRigid } from '../retention/cycles.ts';
import type { Edge } from '../retention/graph.ts';

/** `from` goes before `to`. */
export interface Before {
  readonly from: string;
  readonly to: string;
}

/**
 * Rows that reference go before rows that are referenced. Tables that reference each other stand together; among them what cannot be opened
 * decides first: foreign keys that are neither nullable nor deferrable, then `ways` (rows are found before what leads to them goes), then
 * foreign keys that are not nullable, then the others. Foreign keys bind only where rows of both tables go: `deleted`.
 */
export function executionOrder(
  catalog: Catalog,
  tables: readonly string[],
  deleted: ReadonlySet<string>,
  edges: readonly Edge[],
  ways: readonly Before[],
): string[] {
  const inside = <T extends Before>(some: readonly T[]): T[] =>
    some.filter(({ from, to }) => from !== to && tables.includes(from) && tables.includes(to));
  const references = inside(edges);
  const along = inside(ways);
  const binding = references.filter(({ from, to, foreignKey }) => foreignKey?.enforced === true && deleted.has(from) && deleted.has(to));
  const rigid = binding.filter((edge) => isRigid(catalog, edge));
  const fixed = binding.filter((edge) => !canDetach(catalog, edge));
  return components(tables, [...references, ...along]).flatMap((component) => opened(component, [rigid, along, fixed, references]));
}

/** A component in the order in which the fewest edges are opened; the first kinds of edges are the hardest to open. */
function opened(component: readonly string[], kinds: readonly (readonly Before[])[]): string[] {
  const left = new Set(component);
  const waiting = (table: string, some: readonly Before[]): number =>
    some.filter((edge) => edge.to === table && left.has(edge.from)).length;
  const order: string[] = [];
  while (left.size > 0) {
    const [next] = [...left]
      .map((table) => ({ table, cost: kinds.map((some) => waiting(table, some)) }))
      .sort((one, other) => compare(one.cost, other.cost) || (one.table < other.table ? -1 : 1));
    left.delete(next!.table);
    order.push(next!.table);
  }
  return order;
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : one[at]! - other[at]!;
}

/** Strongly connected components by Tarjan's algorithm, in the direction of the edges: referencing ones first. Each in the order of names. */
export function components(tables: readonly string[], edges: readonly Before[]): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const next = Map.groupBy(edges, (edge) => edge.from);
  const visit = (table: string): void => {
    index.set(table, index.size);
    low.set(table, index.get(table)!);
    stack.push(table);
    const targets = [...new Set((next.get(table) ?? []).map((edge) => edge.to))].sort();
    for (const to of targets) {
      if (!index.has(to)) visit(to);
      if (stack.includes(to)) low.set(table, Math.min(low.get(table)!, low.get(to)!));
    }
    if (low.get(table) !== index.get(table)) return;
    const component = stack.splice(stack.indexOf(table));
    found.push(component.sort());
  };
  for (const table of tables.toSorted()) if (!index.has(table)) visit(table);
  return found.reverse();
}
