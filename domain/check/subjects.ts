import { inStore, storeOf } from '../../manifest/ids.ts';
import { KEY, type Path } from '../../manifest/problem.ts';
import type { TableDeclaration } from '../../manifest/model.ts';
import { listed, liveColumn, liveTable, tableName, type StoreCheck } from './context.ts';
import { tablesOfSubjects } from './ways.ts';

/** Subjects can be named by a unique key, and found from every table that holds data about them. */
export function checkSubjects(check: StoreCheck): void {
  for (const [name, subject] of Object.entries(check.manifest.subjects)) {
    const at: Path = ['subjects', name];
    const live = liveTable(check, subject.table, [...at, 'table']);
    if (!live) continue;
    const key = subject.key.map((column) => liveColumn(check, live, column, [...at, 'key']));
    for (const [identity, column] of Object.entries(subject.identities)) liveColumn(check, live, column, [...at, 'identities', identity]);
    const unique = live.uniques.some((it) => it.length === subject.key.length && it.every((column) => subject.key.includes(column)));
    if (!unique && key.every((it) => it !== null)) {
      const fix = live.primaryKey
        ? `write \`key: ${live.primaryKey.length === 1 ? live.primaryKey[0] : `[${live.primaryKey.join(', ')}]`}\``
        : null;
      check.add('P114', [...at, 'key'], `\`${subject.key.join(', ')}\` is not unique in \`${tableName(live)}\``, fix);
    }
  }
  partsOfSubjects(check);
  nameless(check);
  paths(check);
}

/** Somebody whose own row says who they are can be looked for in texts; by a key alone hardly. */
function nameless(check: StoreCheck): void {
  for (const [name, subject] of Object.entries(check.manifest.subjects)) {
    const columns = check.manifest.tables[subject.table]?.columns ?? {};
    const telling = Object.keys(columns).filter((column) => columns[column]!.identifying && !subject.key.includes(column));
    if (storeOf(subject.table) !== check.store || Object.keys(subject.identities).length > 0 || telling.length === 0) continue;
    check.add(
      'P145',
      ['subjects', name],
      `\`${name}\` has no identities: texts are searched for its key alone, not for ${listed(telling)}`,
      `write \`identities: { ${telling[0]}: ${telling[0]}, … }\``,
    );
  }
}

/** `customer.country` in `regimes.from` and `recipients.*.receives`: an identity, or a column of the subject's table. */
function partsOfSubjects(check: StoreCheck): void {
  const { manifest } = check;
  const part = (text: string, path: Path): void => {
    const [name = '', column, ...more] = text.split('.');
    const subject = manifest.subjects[name];
    if (!subject || column === undefined || more.length > 0 || column === '*' || column in subject.identities) return;
    const live = storeOf(subject.table) === check.store ? check.catalog.tables[inStore(subject.table)] : undefined;
    if (live) liveColumn(check, live, column, path);
  };
  if (manifest.regimes.from !== null) part(manifest.regimes.from, ['regimes', 'from']);
  for (const [name, recipient] of Object.entries(manifest.recipients)) {
    recipient.receives.forEach((it, index) => part(it, ['recipients', name, 'receives', index]));
  }
}

/** Whoever says something about a person can be found by that person. */
function paths(check: StoreCheck): void {
  const { manifest } = check;
  // Without any subject every table would be reported; a manifest may begin with retention alone.
  if (Object.keys(manifest.subjects).length === 0) return;
  const found = tablesOfSubjects(check);
  for (const { live, declared, at } of check.tables) {
    const columns = personalColumns(declared);
    if (columns.length === 0 || found.has(tableName(live))) continue;
    const message = `\`${tableName(live)}\` holds ${listed(columns)}, and no way leads from it to ${Object.keys(manifest.subjects).join(' or ')}`;
    check.add('P113', [...at, KEY], message, 'add `references: [{ from: table.column, to: subject }]`');
  }
}

/** Columns that say something about a person: identifying, protected or special ones. */
export function personalColumns(declared: TableDeclaration): string[] {
  return Object.entries(declared.columns ?? {})
    .filter(([, it]) => it.identifying || it.protected !== null || it.special !== null)
    .map(([name]) => name);
}
