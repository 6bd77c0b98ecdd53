import { basesOf, isChosen, isOptIn } from '../../manifest/basis.ts';
import { columnParts, storeOf } from '../../manifest/ids.ts';
import type { Purpose, TableDeclaration } from '../../manifest/model.ts';
import { KEY, type Path } from '../../manifest/problem.ts';
import { listed, liveColumn, liveTable, tableName, type KnownTable, type StoreCheck } from './context.ts';
import { hasWayToSubject, waysToSubjects } from './ways.ts';

const BIRTHS: readonly string[] = ['date', 'timestamp', 'timestamptz', 'int2', 'int4', 'int8'];

/** Permission can be judged for what purposes use: whose it is, since when, and by which facts. */
export function checkPermission(check: StoreCheck): void {
  births(check);
  // Without any subject every table would be reported; a manifest may begin with retention alone.
  if (Object.keys(check.manifest.subjects).length > 0) for (const table of check.tables) shown(check, table);
  // These look at all stores at once, so they are said for one of them.
  if (!check.manifest.stores[check.store]?.home) return;
  facts(check);
  withdrawals(check);
}

function births(check: StoreCheck): void {
  for (const [name, subject] of Object.entries(check.manifest.subjects)) {
    const at: Path = ['subjects', name];
    if (subject.birth === null) continue;
    const live = liveTable(check, subject.table, [...at, 'table']);
    const column = live && liveColumn(check, live, subject.birth, [...at, 'birth']);
    if (!column || BIRTHS.includes(column.baseType)) continue;
    check.add(
      'P135',
      [...at, 'birth'],
      `\`${column.name}\` is of type ${column.type}`,
      'name a date, a timestamp, or a whole number (the year)',
    );
  }
}

/** Whether a view of a purpose could ever show a row of the table. */
function shown(check: StoreCheck, { live, declared, at }: KnownTable): void {
  const used = usedBy(check, declared);
  if (used.length === 0 || isAggregate(declared) || live.partitionOf !== null) return;
  const optIn = used.filter(([, purpose]) => basesOf(purpose, check.manifest).some(isOptIn)).map(([name]) => name);
  const name = tableName(live);
  if (!hasWayToSubject(check, name)) {
    const message = `\`${name}\` serves ${listed(used.map(([it]) => it))}, and no way leads from it to ${Object.keys(check.manifest.subjects).join(' or ')}`;
    check.add(
      'P138',
      [...at, KEY],
      message,
      'add `references: [{ from: table.column, to: subject }]`',
      optIn.length > 0 ? 'warning' : 'info',
    );
    return;
  }
  if (optIn.length === 0 || declared.capturedAt !== null) return;
  const captured = waysToSubjects(check, name).some((way) => way.some((it) => check.manifest.tables[`${check.store}.${it}`]?.capturedAt));
  if (captured) return;
  const message = `\`${name}\` serves ${listed(optIn)}, and nothing says when its rows were captured: none is ever shown`;
  check.add('P137', [...at, KEY], message, 'add `captured_at: column`');
}

function usedBy({ manifest }: StoreCheck, declared: TableDeclaration): [string, Purpose][] {
  return Object.entries(manifest.purposes).filter(([name]) => uses(declared, name).length > 0);
}

/** Columns that a purpose uses; `*` for those of a table whose columns are not classified. */
function uses({ columns, purposes }: TableDeclaration, purpose: string): string[] {
  if (columns === null) return purposes.includes(purpose) ? ['*'] : [];
  return Object.entries(columns)
    .filter(([, it]) => (it.purposes ?? purposes).includes(purpose))
    .map(([name]) => name);
}

function isAggregate({ columns }: TableDeclaration): boolean {
  return columns !== null && Object.values(columns).every((it) => it.category === 'aggregate');
}

/** What is asked of a subject's own row is there, in the home store. */
function facts({ manifest, store, add }: StoreCheck): void {
  const own = Object.values(manifest.subjects).map((it) => it.table);
  for (const [name, { ends }] of Object.entries(manifest.purposes)) {
    if (ends === null || own.includes(columnParts(ends).table)) continue;
    const fix = own.length > 0 ? `name a column of ${own.join(' or ')}` : 'declare the subject under `subjects`';
    add('P140', ['purposes', name, 'ends'], `\`${columnParts(ends).table}\` is not the table of a subject`, fix);
  }
  if (Object.keys(manifest.purposes).length === 0) return;
  for (const [name, { table }] of Object.entries(manifest.subjects)) {
    if (storeOf(table) === store) continue;
    const message = `\`${name}\` lives in store \`${storeOf(table)}\`, and permission is judged in \`${store}\`: every answer about a ${name} is no`;
    add('P139', ['subjects', name, 'table'], message, `write \`home: true\` at \`${storeOf(table)}\``);
  }
}

/** Purposes that people can end, and of which nothing would go. */
function withdrawals({ manifest, add }: StoreCheck): void {
  for (const [name, purpose] of Object.entries(manifest.purposes)) {
    if (!basesOf(purpose, manifest).some(isChosen)) continue;
    const tables = Object.values(manifest.tables).filter((it) => uses(it, name).length > 0);
    if (tables.length === 0 || tables.some((it) => goesWith(it, name))) continue;
    const keepers = tables.flatMap((it) => keepersOf(it, uses(it, name), name));
    add(
      'P141',
      ['purposes', name, KEY],
      `nothing is used for \`${name}\` alone: after a withdrawal ${listed([...new Set(keepers)])} would keep all of it`,
    );
  }
}

/** Whether rows or columns of the table serve that purpose alone. Keys go with their row only. */
function goesWith({ columns, purposes }: TableDeclaration, purpose: string): boolean {
  const alone = (some: readonly string[]): boolean => some.length > 0 && some.every((it) => it === purpose);
  const own = Object.values(columns ?? {}).map((it) => ({ isKey: it.category === 'key', purposes: it.purposes ?? purposes }));
  const rowGoes = alone(purposes) && own.every((it) => it.purposes.every((one) => one === purpose));
  return rowGoes || own.some((it) => !it.isKey && alone(it.purposes));
}

/** The other purposes of what a purpose uses; where that is keys only, of the rows that they are the keys of. */
function keepersOf({ columns, purposes }: TableDeclaration, used: readonly string[], purpose: string): string[] {
  const others = (names: readonly string[]): string[] =>
    names.flatMap((name) => columns?.[name]?.purposes ?? purposes).filter((it) => it !== purpose);
  const ofUsed = others(used);
  return ofUsed.length > 0 ? ofUsed : others(Object.keys(columns ?? {}));
}
