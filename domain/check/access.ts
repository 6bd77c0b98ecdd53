import { inStore } from '../../manifest/ids.ts';
import { KEY } from '../../manifest/problem.ts';
import type { CatalogTable } from '../catalog.ts';
import { placeOfTable, quoted, ruled, tableName, type StoreCheck } from './context.ts';
import { deletions } from './deletion.ts';

type Privilege = 'select' | 'update' | 'delete';

/** What rules need to do, our role may do, and nothing in the table changes what it does. */
export function checkAccess(check: StoreCheck): void {
  const needs = neededPrivileges(check);
  for (const { live, at } of check.tables) {
    if (live.rowSecurity.filtersUs) {
      const fix = `alter role ${quoted(check.catalog.role.name)} bypassrls, or connect as the owner of the table`;
      check.add('P111', [...at, KEY], `row security hides rows of \`${tableName(live)}\` from role \`${check.catalog.role.name}\``, fix);
    }
  }
  for (const [name, privileges] of needs) {
    const live = check.catalog.tables[name];
    if (!live) continue;
    missing(check, live, privileges);
    const changes = [...privileges].some((it) => it !== 'select');
    if (changes) unwritable(check, live, privileges);
  }
}

/** By `schema.table`: what all rules together need. */
function neededPrivileges(check: StoreCheck): Map<string, Set<Privilege>> {
  const needs = new Map<string, Set<Privilege>>();
  const need = (table: string, ...privileges: Privilege[]): void => {
    const sofar = needs.get(table) ?? new Set();
    for (const it of privileges) sofar.add(it);
    needs.set(table, sofar);
  };
  for (const { live, rule } of ruled(check)) {
    need(tableName(live), 'select', rule.then.kind === 'mask' ? 'update' : 'delete');
    if (rule.then.kind === 'aggregate') need(inStore(rule.then.into), 'select', 'update');
    if ('lastOf' in rule.after) need(rule.after.lastOf.split('.').slice(1, 3).join('.'), 'select');
  }
  for (const { edges } of deletions(check)) {
    for (const { edge, action } of edges) {
      need(edge.from, 'select');
      if (action === 'delete') need(edge.from, 'delete');
      if (action === 'detach') need(edge.from, 'update');
    }
  }
  return needs;
}

function missing(check: StoreCheck, live: CatalogTable, needed: ReadonlySet<Privilege>): void {
  const lacking = [...needed].filter((it) => !live.privileges[it]);
  if (lacking.length === 0) return;
  const role = check.catalog.role.name;
  // Without reading nothing can even be planned; without writing one can still observe.
  const severity = lacking.includes('select') || check.manifest.mode === 'enforce' ? 'error' : 'warning';
  const message = `role \`${role}\` has no ${lacking.join(', ').toUpperCase()} on \`${tableName(live)}\``;
  check.add(
    'P125',
    placeOfTable(check, tableName(live)),
    message,
    `grant ${lacking.join(', ')} on ${quoted(live.schema, live.name)} to ${quoted(role)}`,
    severity,
  );
}

function unwritable(check: StoreCheck, live: CatalogTable, privileges: ReadonlySet<Privilege>): void {
  const at = placeOfTable(check, tableName(live));
  const refused =
    live.refused ??
    (live.kind === 'view' ? 'it is a view' : live.kind === 'foreign' ? 'it is a foreign table: its rows are in another database' : null);
  if (refused !== null) check.add('P124', at, `\`${tableName(live)}\` is not changed: ${refused}`);
  for (const rule of live.rules) {
    check.add(
      'P123',
      at,
      `the rewrite rule \`${rule}\` on \`${tableName(live)}\` may change what a DELETE or UPDATE does`,
      `drop rule ${quoted(rule)} on ${quoted(live.schema, live.name)}`,
    );
  }
  for (const trigger of live.triggers) {
    const event = trigger.events.find((it) => (it === 'delete' || it === 'update') && privileges.has(it));
    if (!trigger.enabled || trigger.timing === 'after' || !event) continue;
    // A trigger of the statement cannot cancel a row, but it may raise an error, and then nothing of the run happens.
    const could = trigger.level === 'row' ? 'cancel' : 'refuse';
    const each = trigger.level === 'row' ? `each ${event}` : `each statement that ${event}s`;
    const message = `the trigger \`${trigger.name}\` runs ${trigger.timing} ${each} on \`${tableName(live)}\` and could ${could} it`;
    // Nearly every schema touches `updated_at` so; a swallowed delete is rarer and worse.
    check.add('P132', at, message, null, event === 'delete' ? 'warning' : 'info');
  }
}
