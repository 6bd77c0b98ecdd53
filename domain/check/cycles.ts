import { inStore, storeOf } from '../../manifest/ids.ts';
import { KEY } from '../../manifest/problem.ts';
import { cycleFix, cycleText, rigidCycles } from '../retention/cycles.ts';
import type { StoreCheck } from './context.ts';
import { deletions } from './deletion.ts';

/**
 * Tables whose rows hold each other: none can be deleted first. A cycle opens at a foreign key that can become NULL or
 * that is checked at commit only, so only the others count. Self-references are no cycle: leaves go first.
 */
export function checkCycles(check: StoreCheck): void {
  const said = new Set<string>();
  for (const { table, deletes } of deletions(check)) {
    for (const cycle of rigidCycles(check.catalog, check.edges, new Set(deletes))) {
      said.add(cycle.tables.join());
      check.add('P109', [...table.at, 'retention', KEY], `foreign keys go round: ${cycleText(cycle)}`, cycleFix(cycle));
    }
  }
  for (const [name, subject] of Object.entries(check.manifest.subjects)) {
    if (storeOf(subject.table) !== check.store) continue;
    for (const cycle of rigidCycles(check.catalog, check.edges, referencing(check, inStore(subject.table)))) {
      if (!said.has(cycle.tables.join()))
        check.add('P110', ['subjects', name, KEY], `foreign keys go round: ${cycleText(cycle)}`, cycleFix(cycle));
    }
  }
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
