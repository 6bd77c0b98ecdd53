import { inStore, storeOf } from '../../manifest/ids.ts';
import { KEY } from '../../manifest/problem.ts';
import type { Edge } from '../retention/graph.ts';
import { canDetach } from './children.ts';
import type { StoreCheck } from './context.ts';
import { deletions } from './deletion.ts';

/**
 * Tables whose rows hold each other: none can be deleted first. A cycle opens at a foreign key that can become NULL or
 * that is checked at commit only, so only the others count. Self-references are no cycle: leaves go first.
 */
export function checkCycles(check: StoreCheck): void {
  const fix = (edge: Edge): string => `let ${edge.from} (${edge.columns.join(', ')}) be NULL, or make \`${edge.name}\` deferrable`;
  const said = new Set<string>();
  for (const { table, deletes } of deletions(check)) {
    for (const cycle of rigidCycles(check, new Set(deletes))) {
      said.add(cycle.tables.join());
      check.add('P109', [...table.at, 'retention', KEY], `foreign keys go round: ${shown(cycle)}`, fix(cycle.edge));
    }
  }
  for (const [name, subject] of Object.entries(check.manifest.subjects)) {
    if (storeOf(subject.table) !== check.store) continue;
    for (const cycle of rigidCycles(check, referencing(check, inStore(subject.table)))) {
      if (!said.has(cycle.tables.join()))
        check.add('P110', ['subjects', name, KEY], `foreign keys go round: ${shown(cycle)}`, fix(cycle.edge));
    }
  }
}

interface Cycle {
  readonly tables: readonly string[];
  readonly edge: Edge;
}

function shown({ tables }: Cycle): string {
  return [...tables, tables[0]].join(' → ');
}

/** Every table that points at `table`, directly or not, without those that the manifest ignores. */
function referencing(check: StoreCheck, table: string): Set<string> {
  const found = new Set([table]);
  // A set may grow while it is walked: what is added is visited too.
  for (const parent of found) {
    for (const edge of check.edges)
      if (edge.to === parent && !(`${check.store}.${edge.from}` in check.manifest.ignored)) found.add(edge.from);
  }
  return found;
}

/** One shortest cycle for each group of tables that hold each other by foreign keys that cannot be opened. */
function rigidCycles(check: StoreCheck, tables: ReadonlySet<string>): Cycle[] {
  const rigid = check.edges.filter(
    (edge) =>
      tables.has(edge.from) &&
      tables.has(edge.to) &&
      edge.from !== edge.to &&
      edge.foreignKey !== null &&
      !edge.foreignKey.deferrable &&
      !canDetach(check, edge),
  );
  const cycles: Cycle[] = [];
  for (const edge of rigid) {
    if (cycles.some((it) => it.tables.includes(edge.from))) continue;
    const back = shortestWay(rigid, edge.to, edge.from);
    if (back) cycles.push({ tables: [edge.from, ...back.slice(0, -1)], edge });
  }
  return cycles;
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
