import { inStore, storeOf } from '../../manifest/ids.ts';
import { KEY, type Path } from '../../manifest/problem.ts';
import { canDetach } from '../retention/cycles.ts';
import { isDeclared, listed, liveTable, rootOf, tableName, type StoreCheck } from './context.ts';
import { deletions, type Deletion } from './deletion.ts';

/** Rows that reference expired rows: each has a declared fate, and none goes outside the plan. */
export function checkChildren(check: StoreCheck): void {
  for (const deletion of deletions(check)) {
    named(check, deletion);
    undeclared(check, deletion);
    outside(check, deletion);
  }
}

function named(check: StoreCheck, { table, edges }: Deletion): void {
  for (const [id, action] of Object.entries(table.rule.children)) {
    const path: Path = [...table.at, 'retention', 'children', id];
    const live = storeOf(id) === check.store ? liveTable(check, id, [...path, KEY]) : null;
    if (!live) continue;
    const pointing = edges.filter(({ edge }) => edge.from === inStore(id));
    if (pointing.length === 0) {
      const whole = tableName(rootOf(check.catalog, live));
      const fix =
        whole === inStore(id)
          ? 'remove it, or declare the reference under `references`'
          : `write \`${check.store}.${whole}\`, of which it is a part`;
      check.add('P120', [...path, KEY], `\`${id}\` references neither \`${table.id}\` nor a child that is deleted`, fix);
    }
    if (action !== 'detach') continue;
    for (const { edge } of pointing) {
      if (!canDetach(check.catalog, edge)) {
        check.add('P121', path, `\`${edge.from}\` (${edge.columns.join(', ')}) cannot become NULL`, 'write `delete` or `keep`');
      }
    }
  }
}

function undeclared(check: StoreCheck, { table, children, edges }: Deletion): void {
  const silent = edges.filter(({ edge }) => !(edge.from in children));
  if (silent.length === 0) return;
  const names = [
    ...new Set(silent.map(({ edge }) => (edge.from === edge.to ? `${edge.from} itself (${edge.columns.join(', ')})` : edge.from))),
  ];
  check.add(
    'P131',
    [...table.at, 'retention', KEY],
    `rows of \`${table.id}\` that are referenced by ${listed(names)} are kept`,
    'say so, or otherwise, under `children`',
  );
}

/** Foreign keys that would delete or change rows of tables for which nobody has said that it may happen. */
function outside(check: StoreCheck, { table, children, edges }: Deletion): void {
  for (const { edge } of edges) {
    const key = edge.foreignKey;
    if (!key || !key.enforced || !['cascade', 'set null', 'set default'].includes(key.onDelete)) continue;
    if (Object.hasOwn(children, edge.from) || isDeclared(check, edge.from)) continue;
    const message = `\`${edge.from}\` is not declared, and its foreign key \`${key.name}\` is ON DELETE ${key.onDelete.toUpperCase()} on \`${edge.to}\``;
    check.add('P122', [...table.at, 'retention', KEY], message, `declare \`${check.store}.${edge.from}\`, or name it under \`children\``);
  }
}
