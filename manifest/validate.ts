import { saysWho } from './categories.ts';
import { problem } from './codes.ts';
import { RUNNABLE_JOBS } from './defaults.ts';
import { roughDays } from './duration.ts';
import { columnParts, storeOf } from './ids.ts';
import type { Manifest, TableDeclaration, TableId } from './model.ts';
import { nearest } from './nearest.ts';
import { KEY, type Path, type Problem } from './problem.ts';
import type { Source } from './source.ts';
import { consents } from './validate-consents.ts';
import { purposes } from './validate-purposes.ts';
import { declared, knownStore, type Add, type Check, type Names } from './validation.ts';

/** Rules between the parts of a manifest that need no database. `names` are the names that the user declared, right or wrong inside. */
export function validate(manifest: Manifest, names: Names, place: Source['place']): Problem[] {
  const problems: Problem[] = [];
  const add: Add = (code, path, message, fix = null, severity) => problems.push(problem(code, place(path), message, fix, severity));
  const check: Check = { manifest, names, add };
  homeStore(check);
  for (const [id, table] of Object.entries(manifest.tables)) declaredTable(check, id, table);
  ignoredTables(check);
  subjects(check);
  references(check);
  recipients(check);
  purposes(manifest, add);
  consents(check);
  sink(check);
  for (const [name, purpose] of Object.entries(manifest.purposes)) {
    if (purpose.ends !== null) knownStore(check, purpose.ends, ['purposes', name, 'ends']);
  }
  if (manifest.regimes.from !== null) subjectName(check, manifest.regimes.from, ['regimes', 'from'], 'any');
  schedules(check);
  return problems;
}

function homeStore({ manifest, names, add }: Check): void {
  const homes = Object.entries(manifest.stores).filter(([, store]) => store.home);
  if (names.stores.length === 0) add('P015', ['stores'], 'no store is declared', 'write `stores: { name: { url: "${DATABASE_URL}" } }`');
  else if (homes.length === 0) add('P015', ['stores', KEY], 'no store is the home store', 'write `home: true` at one of them');
  for (const [name] of homes.slice(1)) {
    add(
      'P015',
      ['stores', name, 'home'],
      `\`${name}\` is a second home store beside \`${homes[0]![0]}\``,
      'leave `home: true` at one of them',
    );
  }
  for (const [name, store] of Object.entries(manifest.stores)) {
    if (/:\/\/[^/@:]*:(?!\$\{)[^/@]+@/.test(store.url) || /[?&]password=(?!\$\{)/.test(store.url)) {
      add('P019', ['stores', name, 'url'], `the url of \`${name}\` holds a password`, 'write "${NAME}" and set NAME in the environment');
    }
  }
}

function declaredTable(check: Check, id: TableId, table: TableDeclaration): void {
  const { manifest, add } = check;
  const at: Path = ['tables', id];
  knownStore(check, id, [...at, KEY]);
  if (id in manifest.ignored) add('P016', ['ignore', id, KEY], `\`${id}\` is declared and ignored`, 'remove one of the two');
  purposesKnown(check, table.purposes, [...at, 'purposes']);
  for (const [column, it] of Object.entries(table.columns ?? {})) {
    if (it.purposes) purposesKnown(check, it.purposes, [...at, 'columns', column, 'purposes']);
    const isFound = Object.values(manifest.subjects).some(
      (subject) => subject.table === id && (subject.birth === column || Object.values(subject.identities).includes(column)),
    );
    if (it.onErase?.with === 'keep' && it.because === null && (isFound || saysWho(it)))
      add(
        'P030',
        [...at, 'columns', column, 'on_erase'],
        `\`${column}\` says who somebody is, and nothing says why it may outlast an erasure`,
        'write `because: …` beside it',
      );
  }
  table.json.forEach((it, index) => {
    const same = table.json.findIndex((other) => other.column === it.column && other.path === it.path);
    if (same !== index) add('P017', [...at, 'json', index], `${it.column} ${it.path} stands here twice`, 'remove one');
    if (it.refers !== null) subjectName(check, it.refers, [...at, 'json', index, 'refers'], 'identity');
  });
  if (table.stays !== null) staying(check, id, table);
  const rule = table.retention;
  if (!rule) return;
  const ruleAt: Path = [...at, 'retention'];
  const sameStore = (other: string, path: Path, what: string): void => {
    if (knownStore(check, other, path) && storeOf(other) !== storeOf(id)) {
      add('P020', path, `${what} \`${other}\` is in another store than \`${id}\``, `name a table of store \`${storeOf(id)}\``);
    }
  };
  if ('lastOf' in rule.after) {
    sameStore(rule.after.lastOf, [...ruleAt, 'after', 'last'], 'the last activity');
    if (columnParts(rule.after.lastOf).table === id) {
      add(
        'P020',
        [...ruleAt, 'after', 'last'],
        'the last activity is in the table itself',
        `write \`after: ${columnParts(rule.after.lastOf).column}\``,
      );
    }
  }
  for (const child of Object.keys(rule.children)) sameStore(child, [...ruleAt, 'children', child, KEY], 'the child table');
  if (rule.then.kind === 'aggregate') {
    sameStore(rule.then.into, [...ruleAt, 'then', 'aggregate_into'], 'the target');
    if (rule.then.into === id)
      add('P021', [...ruleAt, 'then', 'aggregate_into'], `\`${id}\` is aggregated into itself`, 'name another table');
  }
  if (table.floor && roughDays(table.floor.keep) > roughDays(rule.keep)) {
    add('P018', [...at, 'floor', 'keep'], `the floor of ${table.floor.keep} is longer than the retention of ${rule.keep}: the floor wins`);
  }
}

/** Rows that stay whoever goes are nobody's, and what still says who it was is said to stay. */
function staying({ manifest, add }: Check, id: TableId, table: TableDeclaration): void {
  const at: Path = ['tables', id, 'stays'];
  const own = Object.keys(manifest.subjects).find((name) => manifest.subjects[name]!.table === id);
  if (own !== undefined) add('P032', at, `a row of \`${id}\` is a ${own}, and goes with them`, 'name what keeps it under `purposes`');
  if (manifest.shared.some((it) => it.table === id))
    add('P032', at, `\`${id}\` belongs to who shares it`, 'say `on_erase: keep` under `shared`');
  const references = manifest.references.filter(({ from }) => columnParts(from).table === id);
  for (const { from, as } of references)
    if (as === 'owner' || as === 'both')
      add(
        'P032',
        at,
        `\`${from}\` is said to be \`as: ${as}\`, so the row goes with whom it names`,
        'say `as: mention`, or leave `stays` out',
      );
  const taken = new Set(references.flatMap((it) => [columnParts(it.from).column, ...it.with]));
  for (const [column, it] of Object.entries(table.columns ?? {}))
    if (saysWho(it) && !taken.has(column) && it.onErase?.with !== 'keep')
      add(
        'P033',
        ['tables', id, 'columns', column],
        `\`${column}\` says who somebody is, and nothing takes it from the rows that stay`,
        'name it under `with` of the reference whose person it is, or say `on_erase: keep` and why in `because`',
      );
}

function ignoredTables(check: Check): void {
  for (const id of Object.keys(check.manifest.ignored)) knownStore(check, id, ['ignore', id, KEY]);
}

function subjects(check: Check): void {
  for (const [name, subject] of Object.entries(check.manifest.subjects)) knownStore(check, subject.table, ['subjects', name, 'table']);
}

function references(check: Check): void {
  const { manifest, add } = check;
  const seen = new Set<string>();
  manifest.references.forEach((it, index) => {
    const at: Path = ['references', index];
    knownStore(check, it.from, [...at, 'from']);
    subjectName(check, it.to, [...at, 'to'], 'identity');
    const id = JSON.stringify([it.from, it.to, Object.entries(it.when).sort(([a], [b]) => (a < b ? -1 : 1))]);
    if (seen.has(id)) add('P017', at, `the reference from \`${it.from}\` to \`${it.to}\` stands here twice`, 'remove one');
    seen.add(id);
  });
  const shared = new Set<string>();
  manifest.shared.forEach((it, index) => {
    knownStore(check, it.table, ['shared', index, 'table']);
    knownStore(check, it.owners, ['shared', index, 'owners']);
    if (storeOf(it.table) !== storeOf(it.owners))
      add('P020', ['shared', index, 'owners'], `\`${it.owners}\` is in another store than \`${it.table}\``);
    if (shared.has(it.table)) add('P017', ['shared', index, 'table'], `\`${it.table}\` is declared as shared twice`, 'remove one');
    shared.add(it.table);
  });
}

function recipients(check: Check): void {
  for (const [name, recipient] of Object.entries(check.manifest.recipients)) {
    purposesKnown(check, recipient.purposes, ['recipients', name, 'purposes']);
    recipient.receives.forEach((it, index) => subjectName(check, it, ['recipients', name, 'receives', index], 'any'));
  }
}

function sink({ manifest, add }: Check): void {
  if (manifest.sink === null || manifest.sink.key.startsWith('${')) return;
  add('P019', ['sink', 'key'], 'the key of the sink stands in the manifest', 'write "${NAME}" and set NAME in the environment');
}

function schedules({ manifest, add }: Check): void {
  const seen = new Map<string, string>();
  for (const [name, schedule] of Object.entries(manifest.schedules)) {
    for (const job of schedule.run) {
      const id = `${job} ${schedule.cron}`;
      const first = seen.get(id);
      if (first === name) add('P017', ['schedules', name, 'run'], `\`${job}\` stands here twice`, 'remove one');
      else if (first !== undefined)
        add('P017', ['schedules', name], `\`${name}\` runs ${job} at the same times as \`${first}\``, 'remove one');
      seen.set(id, name);
      if (!RUNNABLE_JOBS.includes(job))
        add('P022', ['schedules', name, 'run'], `this version does not run \`${job}\` yet`, `it runs ${RUNNABLE_JOBS.join(', ')}`);
    }
  }
}

function purposesKnown({ names, add }: Check, purposes: readonly string[], path: Path): void {
  purposes.forEach((purpose, index) => {
    if (purposes.indexOf(purpose) !== index) add('P017', [...path, index], `the purpose \`${purpose}\` stands here twice`, 'remove one');
    if (names.purposes.includes(purpose)) return;
    const near = nearest(purpose, names.purposes);
    add('P013', [...path, index], `there is no purpose \`${purpose}\``, near ? `write \`${near}\`` : declared('purposes', names.purposes));
  });
}

/** `customer` and `customer.email`; a whole column id needs its store only. With `any`, a column of the subject's table may follow the dot. */
function subjectName(check: Check, text: string, path: Path, after: 'identity' | 'any'): void {
  const { manifest, names, add } = check;
  const split = text.split('.');
  if (split.length === 4) return void knownStore(check, text, path);
  const [name = '', part] = split;
  if (!names.subjects.includes(name)) {
    const near = nearest(name, names.subjects);
    const fix = near ? `write \`${[near, part].filter(Boolean).join('.')}\`` : declared('subjects', names.subjects);
    return add('P014', path, `there is no subject \`${name}\``, fix);
  }
  const identities = Object.keys(manifest.subjects[name]?.identities ?? {});
  if (part === undefined || after === 'any' || !manifest.subjects[name] || identities.includes(part)) return;
  const near = nearest(part, identities);
  add(
    'P014',
    path,
    `the subject \`${name}\` has no identity \`${part}\``,
    near ? `write \`${name}.${near}\`` : declared('identities', identities),
  );
}
