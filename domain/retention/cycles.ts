import type { Catalog } from '../catalog.ts';
import type { Edge } from './graph.ts';

/** Tables that hold each other, each by a foreign key to the next, and the first of these keys. */
export interface Cycle {
  readonly tables: readonly string[];
  readonly edge: Edge;
}

/** Where a column of the edge is NOT NULL it stays; a reference is gone when one of its columns is NULL, with MATCH FULL when all are. */
export function canDetach(catalog: Catalog, edge: Edge): boolean {
  const columns = catalog.tables[edge.from]?.columns.filter((it) => edge.columns.includes(it.name) && it.generated === null) ?? [];
  const open = columns.filter((it) => it.nullable).length;
  return edge.foreignKey?.match === 'full' ? open === edge.columns.length : open > 0;
}

/** Whether a row behind the edge must be gone before the row that it points at, in any order of statements. */
export function isRigid(catalog: Catalog, edge: Edge): boolean {
  const key = edge.foreignKey;
  return key !== null && key.enforced && !key.deferrable && !canDetach(catalog, edge);
}

/**
 * One shortest cycle for each group of `tables` that hold each other by foreign keys that cannot be opened. Self-references are no cycle:
 * one statement takes all of the rows.
 */
export function rigidCycles(catalog: Catalog, edges: readonly Edge[], tables: ReadonlySet<string>): Cycle[] {
  const rigid = edges.filter((edge) => tables.has(edge.from) && tables.has(edge.to) && edge.from !== edge.to && isRigid(catalog, edge));
  const cycles: Cycle[] = [];
  for (const edge of rigid) {
    if (cycles.some((it) => it.tables.includes(edge.from))) continue;
    const back = shortestWay(rigid, edge.to, edge.from);
    if (back) cycles.push({ tables: [edge.from, ...back.slice(0, -1)], edge });
  }
  return cycles;
}

export function cycleText({ tables }: Cycle): string {
  return [...tables, tables[0]].join(' → ');
}

/** What a person may do to the first key of the cycle. */
export function cycleFix({ edge }: Cycle): string {
  return `let ${edge.from} (${edge.columns.join(', ')}) be NULL, or make \`${edge.name}\` deferrable`;
}

/** The tables from `start` to `end`, both included; null when no way leads there. */
function shortestWay(edges: readonly Edge[], start: string, end: string): string[] | null {
  const cameFrom = new Map<string, string | null>([[start, null]]);
  for (const here of cameFrom.keys()) {
    if (here === end) {
      const way: string[] = [];
      for (let at: string | null | undefined = end; at; at = cameFrom.get(at)) way.unshift(at);
      return way;
    }
    for (const edge of edges) if (edge.from === here && !cameFrom.has(edge.to)) cameFrom.set(edge.to, here);
  }
  return null;
}
