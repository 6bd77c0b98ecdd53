import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { countErasure, verifyErasure } from '../../database/requests/erasure/count.ts';
import { writeKeys } from '../../database/requests/erasure/keys.ts';
import { openErasure } from '../../database/requests/erasure/target.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import { Run, openWorld, type World } from './executor/world.ts';

/*
 * From the words of a manifest to the bytes of the rows that stay, over random columns: the expectation reads the manifest by a table of its own, and
 * knows nothing of plans.
 */

/** `PROBITY_MASK_CASES=500` looks longer, `PROBITY_MASK_SEED=n` looks again. */
const CASES = Number(process.env['PROBITY_MASK_CASES'] ?? 40);
const SEED = Number(process.env['PROBITY_MASK_SEED'] ?? Date.now() % 2 ** 31);
const PEOPLE = 6;

interface Kind {
  /** Of the row with this number; never a default, and never what a mask would choose. */
  readonly value: (row: number) => string;
  /** Says something in words, to a reader of the table. */
  readonly words: boolean;
  readonly usual?: string;
  /** Something can be made up for it. */
  readonly made: boolean;
}

const KINDS: Readonly<Record<string, Kind>> = {
  text: { value: (row) => `'secret ${row}'`, words: true, usual: `'usual'`, made: true },
  'varchar(40)': { value: (row) => `'secret ${row}'`, words: true, usual: `'usual'`, made: true },
  listed: { value: () => `'paid'`, words: false, usual: `'new'`, made: false },
  mood: { value: () => `'sad'`, words: false, made: false },
  int: { value: (row) => `${1000 + row}`, words: false, usual: '7', made: true },
  numeric: { value: (row) => `${row}.25`, words: false, usual: '0.5', made: true },
  boolean: { value: () => 'true', words: false, usual: 'false', made: false },
  timestamptz: { value: (row) => `'2026-01-0${row} 12:00Z'`, words: false, made: true },
  date: { value: (row) => `'2026-02-0${row}'`, words: false, made: true },
  uuid: { value: (row) => `'00000000-0000-4000-8000-00000000000${row}'`, words: false, made: true },
  jsonb: { value: (row) => `'{"secret": ${row}}'`, words: true, usual: `'{}'`, made: true },
  json: { value: (row) => `'{"secret":  ${row}}'`, words: true, usual: `'[]'`, made: false },
  bytea: { value: (row) => `'\\xabcd0${row}'`, words: true, made: true },
  'text[]': { value: (row) => `'{secret,${row}}'`, words: true, usual: `'{}'`, made: true },
  inet: { value: (row) => `'10.0.0.${row}'`, words: true, made: false },
};

interface Column {
  readonly kind: string;
  readonly nullable: boolean;
  readonly usual: boolean;
  readonly unique: boolean;
  readonly category: string | null;
  readonly identifying: boolean;
  readonly special: boolean;
  readonly ownPurpose: boolean;
  readonly onErase: 'null' | 'generated' | 'keep' | 'usual' | null;
}

const column: fc.Arbitrary<Column> = fc
  .record({
    kind: fc.constantFrom(...Object.keys(KINDS)),
    nullable: fc.boolean(),
    usual: fc.boolean(),
    unique: fc.nat(5).map((it) => it === 0),
    category: fc.constantFrom(
      null,
      null,
      'other',
      'other',
      'other',
      'time',
      'technical',
      'contact',
      'free_text',
      'health',
      'behaviour',
      'financial',
      'our own word',
    ),
    identifying: fc.nat(9).map((it) => it === 0),
    special: fc.nat(9).map((it) => it === 0),
    ownPurpose: fc.nat(4).map((it) => it === 0),
    onErase: fc.constantFrom(null, null, null, null, null, 'null' as const, 'generated' as const, 'keep' as const, 'usual' as const),
  })
  .map((it) => {
    const kind = KINDS[it.kind]!;
    const unique = it.unique && kind.words && kind.made;
    const impossible =
      (it.onErase === 'null' && !it.nullable) ||
      (it.onErase === 'generated' && !kind.made) ||
      (it.onErase === 'usual' && (unique || kind.usual === undefined));
    return { ...it, unique, onErase: impossible ? null : it.onErase };
  });
const columns = fc.array(column, { minLength: 4, maxLength: 9 });

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

test(
  `over ${CASES} random manifests rows that stay lose what says who it was, and are else the same, byte for byte (PROBITY_MASK_SEED=${SEED})`,
  async () => {
    const seen = { same: 0, changed: 0, fixed: 0 };
    await fc.assert(
      fc.asyncProperty(columns, columns, (person, account) => check(person, account, seen)),
      { seed: SEED, numRuns: CASES, endOnFailure: true },
    );
    if (CASES >= 40) for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(CASES);
  },
  CASES * 15_000,
);

type Expected = 'same' | 'changed';

/** What a reader of the manifest expects of a column in a row that stays: needed by others, or kept for the law while the purpose `use` ended. */
function expected(it: Column, why: 'needed' | 'ended'): Expected {
  if (it.onErase !== null) return it.onErase === 'keep' ? 'same' : 'changed';
  if (it.identifying || it.special) return 'changed';
  const { words } = KINDS[it.kind]!;
  switch (it.category) {
    case 'other':
    case 'time':
    case 'technical':
      return 'same';
    case 'behaviour':
    case 'financial':
      return words || it.nullable || why === 'ended' ? 'changed' : 'same';
    case null:
      return words || (why === 'ended' && it.ownPurpose) ? 'changed' : 'same';
    default:
      return 'changed';
  }
}

let runs = 0;

async function check(person: readonly Column[], account: readonly Column[], seen: Record<Expected | 'fixed', number>): Promise<void> {
  await world.query('truncate probity.lease, probity.run_key');
  await world.query(ddl(person, account));
  const manifest = manifestOf(person, account);
  const scope = { ended: null, remaining: [{ purpose: 'law', basis: 'legal_obligation', article: 'Art. 17(3)(b)' }] } as const;
  const erasure = planErasure('person', scope, await readCatalog(world.store), manifest);
  expect(erasure.problems).toEqual([]);
  const target = await openErasure(world.store, manifest, erasure);
  const before = { person: await contents('person'), account: await contents('account') };
  // Of these 1 and 2 are needed by rows that are nobody's; the accounts of all stay for the law.
  const runId = `masks-${++runs}`;
  await writeKeys(world.store, runId, 'person', [1, 2, 3, 4].map((id) => ({ chunk: 0, person: id, class: 0, identity: 'key', parts: [String(id)] }))); // prettier-ignore
  const dry = await countErasure(target, { runId, chunk: 0, class: 0 });
  const run = await new Run([target], runId).open();
  expect((await run.take(0)).body.counts).toEqual(dry.counts);
  const after = { person: await contents('person'), account: await contents('account') };

  expect(after.person.map(({ id }) => id)).toEqual(['1', '2', '5', '6']);
  expect(after.account.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5', '6']);
  let needed = 0;
  for (const [table, declared] of [
    ['person', person],
    ['account', account],
  ] as const) {
    for (const row of after[table]) {
      const old = before[table].find(({ id }) => id === row['id'])!;
      if (Number(row['id']) > 4) {
        expect(row).toEqual(old);
        continue;
      }
      let differs = false;
      for (const [at, it] of declared.entries()) {
        const name = `c${at}`;
        const label = `${table}.${name} ${JSON.stringify(it)}`;
        const wanted = expected(it, table === 'person' ? 'needed' : 'ended');
        if (wanted === 'same') expect(row[name], label).toBe(old[name]);
        else if (it.onErase === 'null' || (it.nullable && it.onErase === null)) expect(row[name], label).toBeNull();
        else expect(row[name], label).not.toBe(old[name]);
        if (it.onErase === 'usual') expect([row[name], seen.fixed++][0], label).toBe(row[`u${at}`]);
        seen[wanted] += 1;
        differs ||= row[name] !== old[name];
      }
      expect(row['kept']).toBe(old['kept']);
      if (table === 'person' && differs) needed += 1;
    }
  }
  expect(dry.counts['masked:pinned:public.person'] ?? 0).toBe(needed);
  expect(dry.tables.find(({ table }) => table === 'public.person')).toMatchObject({ masked: needed, needed, pinned: 2 - needed });
  expect(JSON.stringify(dry.tables)).not.toMatch(/secret|2026-0|abcd/);
  expect((await verifyErasure(target, { runId, chunk: 0, class: 0 })).remaining).toBe(0);
  const versions = 'select xmin::text from person union all select xmin::text from account';
  const written = await world.query(versions);
  await run.take(0);
  expect(await world.query(versions)).toEqual(written);
}

/** Every value as its text, beside what the manifest may want it to be. */
async function contents(table: string): Promise<Record<string, string | null>[]> {
  const names = await world.query<{ name: string }>(
    `select attname as name from pg_attribute where attrelid = '${table}'::regclass and attnum > 0 and attname <> 'person_id' order by attnum`,
  );
  return world.query(`select ${names.map(({ name }) => `${name}::text`).join(', ')} from ${table} order by id`);
}

function ddl(person: readonly Column[], account: readonly Column[]): string {
  return [
    'drop schema public cascade; create schema public',
    `create type mood as enum ('happy', 'sad')`,
    `create table person (id int primary key, ${definitions(person)})`,
    `create table account (id int primary key, person_id int not null, kept text, ${definitions(account)})`,
    'create table need (id int primary key, person_id int not null references person)',
    ...Array.from({ length: PEOPLE }, (_, at) => `insert into person values (${at + 1}, ${values(person, at + 1)})`),
    ...Array.from(
      { length: PEOPLE },
      (_, at) => `insert into account values (${at + 1}, ${at + 1}, 'kept ${at}', ${values(account, at + 1)})`,
    ),
    'insert into need values (1, 1), (2, 2)',
  ].join(';\n');
}

function definitions(declared: readonly Column[]): string {
  return declared
    .flatMap(({ kind, nullable, usual, unique }, at) => {
      const it = KINDS[kind]!;
      const type = kind === 'listed' ? 'text' : kind;
      const check = kind === 'listed' ? ` check (c${at} in ('deleted', 'new', 'paid'))` : '';
      const standard = usual && it.usual !== undefined ? ` default ${it.usual}` : '';
      return [
        `c${at} ${type}${nullable ? '' : ' not null'}${standard}${unique ? ' unique' : ''}${check}`,
        // What `on_erase` may want, as the type spells it.
        `u${at} ${type}`,
      ];
    })
    .join(', ');
}

function values(declared: readonly Column[], row: number): string {
  return declared.flatMap(({ kind }) => [KINDS[kind]!.value(row), KINDS[kind]!.usual ?? 'null']).join(', ');
}

function manifestOf(person: readonly Column[], account: readonly Column[]): Parameters<typeof openErasure>[1] {
  const { manifest, problems } = parseManifestValue({
    organisation: 'Test',
    mode: 'enforce',
    stores: { shop: { url: world.url } },
    purposes: { use: { basis: 'consent', description: 'Use' }, law: { basis: 'legal_obligation', description: 'Law' } },
    subjects: { person: { table: 'shop.public.person', key: 'id', identities: {} } },
    references: [{ from: 'shop.public.account.person_id', to: 'person' }],
    ignore: { 'shop.public.need': 'nobody’s' },
    tables: {
      'shop.public.person': { purposes: ['use'], columns: { id: 'key', ...said(person) } },
      'shop.public.account': {
        purposes: ['use'],
        columns: { id: 'key', person_id: 'key', kept: { category: 'free_text', purposes: ['law'] }, ...said(account) },
      },
    },
  });
  if (manifest === null) throw new Error(JSON.stringify(problems));
  return manifest;
}

function said(declared: readonly Column[]): Record<string, unknown> {
  const entries = declared.flatMap((it, at): [string, unknown][] => {
    const about = {
      ...(it.category === null ? {} : { category: it.category }),
      ...(it.identifying ? { identifying: true } : {}),
      ...(it.special ? { special: 'health' } : {}),
      ...(it.ownPurpose ? { purposes: ['use'] } : {}),
      ...(it.onErase === null ? {} : { on_erase: choice(it), because: 'it was decided so' }),
    };
    return [[`c${at}`, about], [`u${at}`, 'other']]; // prettier-ignore
  });
  return Object.fromEntries(entries);
}

function choice({ kind, onErase }: Column): unknown {
  if (onErase === 'null') return null;
  if (onErase !== 'usual') return onErase;
  const usual = KINDS[kind]!.usual!;
  if (usual.startsWith(`'`)) return { constant: usual.slice(1, -1) };
  return { constant: JSON.parse(usual) as unknown };
}
