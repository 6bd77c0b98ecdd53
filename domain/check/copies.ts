import { KEY } from '../../manifest/problem.ts';
import type { CatalogTrigger } from '../catalog.ts';
import { leavesOf } from '../partitions.ts';
import { subjectPaths } from '../retention/graph.ts';
import { isDeclared, listed, quoted, ruled, tableName, type KnownTable, type StoreCheck } from './context.ts';
import { deletions } from './deletion.ts';

/** Triggers that run when rows go or are masked, and may keep a copy of them elsewhere. */
export function checkCopies(check: StoreCheck): void {
  const deleted = new Set(deletions(check).flatMap(({ deletes }) => deletes));
  const masked = new Set(ruled(check).flatMap(({ live, rule }) => (rule.then.kind === 'mask' ? [tableName(live)] : [])));
  for (const table of check.tables) {
    const name = tableName(table.live);
    const ofPeople = subjectPaths(name, check.edges, check.manifest, check.store).length > 0;
    for (const [on, trigger] of triggersOf(check, table)) {
      const goes = trigger.events.includes('delete') && (deleted.has(name) || ofPeople);
      const changes = trigger.events.includes('update') && masked.has(name);
      if (trigger.enabled && trigger.timing === 'after' && (goes || changes)) told(check, table, on, trigger, goes ? 'delete' : 'update');
    }
  }
}

/** Of the table, and of partitions that have some of their own. */
function triggersOf({ catalog }: StoreCheck, { live }: KnownTable): [string, CatalogTrigger][] {
  const names = new Set([tableName(live), ...leavesOf(catalog, tableName(live))]);
  const all = [...names].flatMap((on) => (catalog.tables[on]?.triggers ?? []).map((trigger): [string, CatalogTrigger] => [on, trigger]));
  return all.filter(([, { name }], index) => all.findIndex(([, other]) => other.name === name) === index);
}

function told(check: StoreCheck, { at }: KnownTable, on: string, trigger: CatalogTrigger, event: 'delete' | 'update'): void {
  const { tables, more } = trigger.writes;
  const others = tables.filter((table) => table !== on);
  const what = `the trigger \`${trigger.name}\` runs after ${event} on \`${on}\``;
  const drop = `drop trigger ${quoted(trigger.name)} on ${quoted(...on.split('.'))}`;
  if (others.length > 0) {
    const unknown = others.filter((table) => !isDeclared(check, table));
    const fix = unknown.length > 0 ? `declare ${listed(unknown.map((it) => `\`${check.store}.${it}\``))}, or ${drop}` : null;
    const rest = more ? '; more than that its text does not tell' : '';
    check.add('P152', [...at, KEY], `${what} and may write to ${listed(others.map((it) => `\`${it}\``))}${rest}`, fix);
  } else if (more) {
    const fix = `look whether it keeps what goes, or ${drop}`;
    check.add('P152', [...at, KEY], `${what}; what its function ${trigger.function} writes cannot be told`, fix);
  }
}
