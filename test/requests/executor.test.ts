import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { countErasure, verifyErasure } from '../../database/requests/erasure/count.ts';
import { analyseKeys, countKeys, removeKeys, writeKeys } from '../../database/requests/erasure/keys.ts';
import { unfitByPostgres } from '../../database/requests/erasure/wanted.ts';
import { openErasure, type ErasureTarget } from '../../database/requests/erasure/target.ts';
import type { StoreErasure, TableErasure } from '../../domain/requests/model.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import { storeEdges } from '../../domain/retention/graph.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import type { Manifest } from '../../manifest/model.ts';
import { NO_FAULTS, openWorld, Run, type World } from './executor/world.ts';

let world: World;
let runs = 0;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.query(
    'drop schema public cascade; create schema public; truncate probity.hold, probity.hold_name, probity.lease, probity.run_key',
  );
});

const WAY = { steps: [], columns: ['customer_id'], identity: 'key', asText: false, shared: null, together: [] } as const;
const REST = {
  rows: 'delete',
  masks: [],
  masksWhenPinned: [],
  wanted: {},
  spared: [],
  json: [],
  keptBy: [],
  floor: null,
  shared: null,
  ways: [WAY],
  owners: [],
  mentions: [],
} as const;

/** Tables in order, each a plan but for what is usual; what references rows that go pins them unless said otherwise. */
async function open(
  tables: readonly (Partial<TableErasure> & { table: string })[],
  more: Partial<Manifest> = {},
  detach: readonly string[] = [],
): Promise<ErasureTarget> {
  const catalog = await readCatalog(world.store);
  const subjects = { customer: { table: 'shop.public.customer', key: ['customer_id'], identities: { email: 'email' }, birth: null } };
  const manifest = { ...world.base, subjects, tables: {}, ...more };
  const edges = storeEdges(catalog, manifest);
  const erasure: StoreErasure = {
    store: 'shop',
    subject: 'customer',
    remaining: [],
    problems: [],
    tables: tables.map((it): TableErasure => {
      const incoming = edges
        .filter((edge) => edge.to === it.table)
        .map((edge) => ({ edge, otherwise: detach.includes(edge.from) ? ('detach' as const) : ('pin' as const) }));
      return { ...REST, incoming: (it.rows ?? 'delete') === 'delete' ? incoming : [], ...it };
    }),
  };
  return openErasure(world.store, manifest, erasure);
}

/** Keys of people 1 to n, in chunks of `size`. */
async function keys(people: readonly number[], size = people.length): Promise<string> {
  const runId = `run-${++runs}`;
  await writeKeys(
    world.store,
    runId,
    'customer',
    people.map((id, index) => ({ chunk: Math.floor(index / size), person: index, class: 0, identity: 'key', parts: [String(id)] })),
  );
  return runId;
}

const CUSTOMER = `create table customer (customer_id int primary key, email text, name text);
  insert into customer select i, 'c' || i || '@x.example', 'name ' || i from generate_series(1, 4) i`;

test('keys are written once, counted and removed', async () => {
  const runId = await keys([7, 8, 9], 2);
  const more = [
    { chunk: 0, person: 0, class: 0, identity: 'key', parts: ['7'] },
    { chunk: 1, person: 2, class: 0, identity: 'pair', parts: ['a', `b,"{}'\\`] },
  ];
  await writeKeys(world.store, runId, 'customer', more);
  await analyseKeys(world.store);
  expect(await countKeys(world.store, runId)).toEqual({
    keys: 4,
    people: 3,
    chunks: [
      { chunk: 0, class: 0, people: 2 },
      { chunk: 1, class: 0, people: 1 },
    ],
  });
  expect(await world.query(`select parts from probity.run_key where identity = 'pair'`)).toEqual([{ parts: ['a', `b,"{}'\\`] }]);
  expect(await removeKeys(world.store, runId)).toBe(4);
  expect(await removeKeys(world.store, runId)).toBe(0);
});

const MASKED = `
  create domain short_code as varchar(8) check (value ~ '^[0-9a-z~-]+$');
  create domain contact as text check (value like '%@%');
  create type mood as enum ('happy', 'sad');
  create table customer (
    customer_id int primary key,
    plain text, must text not null, tiny char(3) not null, country varchar(2) not null check (country = upper(country) and length(country) = 2),
    handle text not null unique, mail contact not null, login contact not null unique, code short_code not null unique, number int not null unique,
    age int not null check (age between 18 and 120), amount numeric(6,2) not null, ok boolean not null, feeling mood not null, born date not null,
    seen timestamptz not null, token uuid not null unique, tags text[] not null, scores int[], doc jsonb not null, raw json, blob bytea not null,
    ip inet not null, span int4range not null, one text, other text, low int not null, high int not null, expression text not null,
    size int generated always as (length(must)) stored,
    check (one is not null or other is not null), check (low < high));
  create unique index on customer (lower(expression)) where expression <> '';
  insert into customer select i, 'p', 'must ' || i, 'abc', 'DE', 'h' || i, 'a@b', 'l' || i || '@b', 'c' || i, i * 7, 40, 12.5, true, 'sad', '1980-01-01',
    '2020-01-01', gen_random_uuid(), '{a,b}', '{1}', '{"a": 1}', '[1]', 'x', '10.0.0.1', '[1,5)', 'one', 'other', 1, 5, 'E' || i from generate_series(1, 50) i`;
const COLUMNS =
  'plain must tiny country handle mail login code number age amount ok feeling born seen token tags scores doc raw blob ip span one other low expression size'.split(
    ' ',
  );

test('masks satisfy types, lengths, domains, checks over one and over several columns, and unique indexes; a repetition changes nothing', async () => {
  await world.query(MASKED);
  const before = await world.query('select * from customer order by customer_id');
  const target = await open([{ table: 'public.customer', rows: 'mask', masks: COLUMNS }]);
  const people = before.map((row) => Number(row['customer_id'])).filter((id) => id > 2);
  const runId = await keys(people);
  const dry = await countErasure(target, { runId, chunk: 0, class: 0 });
  expect(dry.counts).toEqual({ 'masked:public.customer': 48 });
  const run = await new Run([target], runId).open();
  expect((await run.take(0)).body.counts).toEqual(dry.counts);
  const after = await world.query('select * from customer order by customer_id');
  expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
  for (const [index, row] of after.entries()) {
    if (index < 2) continue;
    for (const column of COLUMNS.filter((name) => !['low', 'size', 'one', 'other', 'ok', 'feeling'].includes(name)))
      expect(row[column], column).not.toEqual(before[index]![column]);
    expect([row['one'], row['other']].filter((it) => it === 'one' || it === 'other')).toEqual([]);
    expect(row['high']).toBe(5);
  }
  for (const column of ['handle', 'login', 'code', 'number', 'token', 'expression'])
    expect(new Set(after.map((row) => String(row[column]))).size, column).toBe(50);
  expect((await run.take(0)).body.counts).toEqual({ 'kept:purpose:public.customer': 48 });
  expect(await world.query('select * from customer order by customer_id')).toEqual(after);
  expect((await verifyErasure(target, { runId, chunk: 0, class: 0 })).remaining).toBe(0);
});

test('a trigger that keeps the time of the last change does not undo a mask', async () => {
  await world.query(
    `create table customer (customer_id int primary key, name text not null, seen_at timestamptz, updated_at timestamptz not null);
     insert into customer values (1, 'One', '2026-01-01', '2026-01-01'), (2, 'Two', '2026-01-01', '2026-01-01');
     create function stamp() returns trigger language plpgsql as $$ begin new.updated_at = now(); return new; end $$;
     create trigger stamp before update on customer for each row execute function stamp()`,
  );
  const target = await open([{ table: 'public.customer', rows: 'mask', masks: ['name', 'seen_at', 'updated_at'] }]);
  const runId = await keys([1]);
  await (await new Run([target], runId).open()).take(0);
  expect((await verifyErasure(target, { runId, chunk: 0, class: 0 })).remaining).toBe(0);
  await world.query(`alter table customer disable trigger stamp; update customer set updated_at = '2026-02-01' where customer_id = 1`);
  await world.query('alter table customer enable trigger stamp');
  expect((await verifyErasure(target, { runId, chunk: 0, class: 0 })).remaining).toBe(1);
});

const STAYING = `create type rank as enum ('administrator', 'member');
  create table customer (customer_id int primary key, name text not null, lang varchar(5) not null default 'en', nick text not null unique, raw json not null,
    role rank not null, status text not null check (status in ('new', 'paid', 'deleted')), seen timestamptz not null, secret text not null, flag boolean not null);
  insert into customer select i, 'Name ' || i, 'de', 'nick ' || i, '{"a": 1}', 'member', 'paid', '2026-01-01', 'secret ' || i, true from generate_series(1, 3) i;
  create table need (id int primary key, customer_id int not null references customer); insert into need values (1, 1), (2, 2)`;

/** A store of which the customer 1 and 2 are needed by rows that are nobody's, and what the manifest says of a customer's columns. */
async function staying(
  columns: Readonly<Record<string, unknown>>,
): Promise<{ target: ErasureTarget; manifest: Manifest; erasure: StoreErasure }> {
  await world.query(STAYING);
  const { manifest, problems } = parseManifestValue({
    organisation: 'Test',
    mode: 'enforce',
    stores: { shop: { url: world.url } },
    purposes: { use: { basis: 'contract', description: 'Use' } },
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: {} } },
    tables: { 'shop.public.customer': { purposes: ['use'], columns: { customer_id: 'key', ...columns } } },
    ignore: { 'shop.public.need': 'nobody’s' },
  });
  if (manifest === null) throw new Error(JSON.stringify(problems));
  const erasure = planErasure('customer', { remaining: [], ended: null }, await readCatalog(world.store), manifest);
  return { manifest, erasure, target: await openErasure(world.store, manifest, erasure) };
}
const OTHERS = { role: 'other', status: 'other', seen: 'time', secret: 'other', flag: 'other' };

test('in a row that others need what is nobody’s stays as it is; what must not be empty gets its default, or says nothing', async () => {
  const { target } = await staying({ name: 'contact', lang: 'location', nick: 'contact', raw: 'free_text', ...OTHERS });
  const before = await world.query('select role, status, seen, secret, flag from customer order by customer_id');
  const run = await new Run([target], await keys([1, 2])).open();
  await run.take(0);
  expect(await world.query('select role, status, seen, secret, flag from customer order by customer_id')).toEqual(before);
  const [one, , other] = await world.query('select name, lang, nick, raw::text from customer order by customer_id');
  expect(one).toEqual({ name: 'erased', lang: 'en', nick: expect.stringMatching(/^erased-[0-9a-f]{32}$/) as unknown, raw: '{}' });
  expect(other).toEqual({ name: 'Name 3', lang: 'de', nick: 'nick 3', raw: '{"a": 1}' });
  const again = await world.query('select xmin::text, * from customer');
  await run.take(0);
  expect(await world.query('select xmin::text, * from customer')).toEqual(again);
});

test('a column holds what on_erase says, whatever its category, and is spared for a reason', async () => {
  const { target } = await staying({
    name: { category: 'contact', on_erase: 'generated' },
    lang: { category: 'other', on_erase: { constant: 'xx' } },
    nick: { category: 'contact', on_erase: 'keep', because: 'it is published' },
    raw: 'other',
    ...OTHERS,
    status: { category: 'other', on_erase: { constant: 'deleted' } },
    role: { category: 'other', on_erase: { constant: 'member' } },
  });
  await (await new Run([target], await keys([1, 2])).open()).take(0);
  expect(await world.query('select name, lang, nick, role, status, flag from customer order by customer_id limit 1')).toEqual([
    {
      name: expect.stringMatching(/^erased-[0-9a-f]{32}$/) as unknown,
      lang: 'xx',
      nick: 'nick 1',
      role: 'member',
      status: 'deleted',
      flag: true,
    },
  ]);
});

test('what on_erase wants and a type, an enum or a check refuses is found by asking Postgres', async () => {
  const { manifest } = await staying({ name: 'contact', lang: 'location', nick: 'contact', raw: 'other', ...OTHERS });
  const declared = manifest.tables['shop.public.customer']!;
  const constant = (value: string) => ({ ...declared.columns!['flag']!, onErase: { with: 'constant' as const, value } });
  const columns = {
    ...declared.columns,
    role: constant('nobody'),
    status: constant('gone'),
    name: constant('x'),
    secret: constant('y'),
    seen: constant('soon'),
  };
  const wanting = { ...manifest, tables: { 'shop.public.customer': { ...declared, columns } } };
  const catalog = await readCatalog(world.store);
  expect((await unfitByPostgres(world.store, catalog, wanting)).map(({ column, why }) => `${column}: ${why}`)).toEqual([
    'role: its type or a unique index refuses it',
    'status: the check `customer_status_check` refuses it',
    'seen: its type or a unique index refuses it',
  ]);
  await expect(
    openErasure(world.store, wanting, planErasure('customer', { remaining: [], ended: null }, catalog, wanting)),
  ).rejects.toMatchObject({
    kind: 'constraint',
    table: 'public.customer',
  });
});

test('of a closed list every row wears the same value', async () => {
  await world.query(
    `create table customer (customer_id int primary key, kind text not null check (kind in ('it''s a phone', 'tablet', 'desktop')));
     insert into customer values (1, 'tablet'), (2, 'desktop'), (3, 'tablet')`,
  );
  const target = await open([{ table: 'public.customer', rows: 'mask', masks: ['kind'] }]);
  await (await new Run([target], await keys([1, 2])).open()).take(0);
  expect(await world.query('select kind from customer order by customer_id')).toEqual([
    { kind: `it's a phone` },
    { kind: `it's a phone` },
    { kind: 'tablet' },
  ]);
});

test.each([
  [
    'a check that nothing fits',
    'create table customer (customer_id int primary key, secret text not null check (secret ~ $$^[A-Z]{3}-[0-9]{9}$$))',
    'customer_secret_check',
    'secret',
  ],
  [
    'an enum that must be unique',
    `create type mood as enum ('happy'); create table customer (customer_id int primary key, secret mood not null unique)`,
    undefined,
    'secret',
  ],
  [
    'a check over a column that stays',
    'create table customer (customer_id int primary key, secret int not null, kept int, constraint tied check (secret = kept * 1000 + 7))',
    'tied',
    'secret',
  ],
])('%s is refused by name, without a value, before anything changes', async (_, ddl, constraint, column) => {
  await world.query(ddl.replaceAll('$$', `'`));
  if (constraint === 'tied') await world.query('insert into customer values (1, 42007, 42)');
  const error = await open([{ table: 'public.customer', rows: 'mask', masks: ['secret'] }]).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    name: 'StoreError',
    kind: 'constraint',
    code: 'PB006',
    retryable: false,
    table: 'public.customer',
    constraint,
  });
  expect((error as Error).message).toContain(column);
  expect((error as Error).message).not.toContain('42007');
});

test('a row that the masks do not fit, and that came after they were chosen, is found before anything changes', async () => {
  await world.query(
    'create table customer (customer_id int primary key, low int not null, high int not null, constraint ordered check (low < high))',
  );
  const target = await open([{ table: 'public.customer', rows: 'mask', masks: ['low'] }]);
  await world.query('insert into customer values (1, 2, 8), (2, -9, -7)');
  const runId = await keys([1, 2]);
  const run = await new Run([target], runId).open();
  for (const attempt of [() => run.take(0), () => countErasure(target, { runId, chunk: 0, class: 0 })])
    await expect(attempt()).rejects.toMatchObject({ kind: 'constraint', constraint: 'ordered', table: 'public.customer' });
  expect(await world.query('select low from customer order by 1')).toEqual([{ low: -9 }, { low: 2 }]);
});

test('parts of documents go where they name the person; neighbours stay, in anybody’s rows', async () => {
  await world.query(`${CUSTOMER};
    create table event (id int primary key, doc jsonb not null, raw json);
    insert into event values
      (1, '{"to": {"mail": " C1@X.example ", "x": 1}, "all": [{"m": "c1@x.example"}, {"m": "c2@x.example"}, 7], "list": ["c2@x.example", "c1@x.example"]}', '{"b":1, "mail":"c1@x.example"}'),
      (2, '{"to": [{"mail": "c2@x.example"}, {"mail": "c1@x.example"}], "all": {"m": "c1@x.example"}, "list": []}', '{"b":  1}'),
      (3, '{"to": {"mail": "c3@x.example"}}', '{"mail":  "c3@x.example"}'), (4, 'null', null)`);
  const part = (column: string, path: string, onErase: 'remove' | 'null') => ({ column, path, identity: 'email', onErase });
  const json = [
    part('doc', '$.to.mail', 'null'),
    part('doc', '$.all[*].m', 'remove'),
    part('doc', '$.list[*]', 'remove'),
    part('raw', '$."mail"', 'remove'),
  ];
  const target = await open([{ table: 'public.event', rows: 'keep', ways: [], json }]);
  const runId = await keys([]);
  await writeKeys(world.store, runId, 'customer', [{ chunk: 0, person: 1, class: 0, identity: 'email', parts: ['c1@x.example'] }]);
  const dry = await countErasure(target, { runId, chunk: 0, class: 0 });
  const run = await new Run([target], runId).open();
  expect((await run.take(0)).body.counts).toEqual({ 'masked:public.event': 2 });
  expect(dry.counts).toEqual({ 'masked:public.event': 2 });
  expect(await world.query('select id, doc, raw::text from event order by id')).toEqual([
    { id: 1, doc: { to: { mail: null, x: 1 }, all: [{}, { m: 'c2@x.example' }, 7], list: ['c2@x.example'] }, raw: '{"b": 1}' },
    { id: 2, doc: { to: [{ mail: 'c2@x.example' }, { mail: null }], all: {}, list: [] }, raw: '{"b": 1}' },
    { id: 3, doc: { to: { mail: 'c3@x.example' } }, raw: '{"mail":  "c3@x.example"}' },
    { id: 4, doc: null, raw: null },
  ]);
  expect((await run.take(0)).body.counts).toEqual({});
});

test('a trigger that swallows a deletion is found, and nothing is changed', async () => {
  await world.query(`${CUSTOMER};
    create table note (id int primary key, customer_id int references customer); insert into note select i, i from generate_series(1, 4) i;
    create function keep() returns trigger language plpgsql as 'begin if old.id = 2 then return null; end if; return old; end';
    create trigger keep before delete on note for each row execute function keep()`);
  const target = await open([{ table: 'public.note' }, { table: 'public.customer' }]);
  const run = await new Run([target], await keys([1, 2])).open();
  await expect(run.take(0)).rejects.toMatchObject({ kind: 'swallowed', table: 'public.note' });
  expect(await world.query('select count(*)::int as n from note')).toEqual([{ n: 4 }]);
});

test('a foreign key that the plan does not know is refused: it could take more than was planned', async () => {
  await world.query(`${CUSTOMER}; create table note (id int, customer_id int references customer on delete cascade)`);
  await expect(open([{ table: 'public.customer', incoming: [] }])).rejects.toMatchObject({ kind: 'schema', table: 'public.customer' });
});

test('nobody writes more about a person while they are erased; what came just before goes too', async () => {
  await world.query(
    `${CUSTOMER}; create table note (id int primary key, customer_id int references customer); insert into note values (1, 1), (2, 2)`,
  );
  const target = await open([{ table: 'public.note' }, { table: 'public.customer' }]);
  const run = await new Run([target], await keys([1])).open();
  const early = await world.store.pool.connect();
  await early.query('begin');
  await early.query('insert into note values (3, 1)');
  const taking = run.take(0);
  await sleep(300);
  await early.query('commit');
  early.release();
  expect((await taking).body.counts).toEqual({ 'erased:public.note': 2, 'erased:public.customer': 1 });
  // While the step stands between its locks and its end, an insert waits, and then finds nobody.
  const second = await new Run([target], await keys([2])).open().catch(() => null);
  expect(second).toBeNull();
  let late: Promise<unknown> = Promise.resolve();
  await world.query('truncate probity.lease');
  const third = await new Run([target], await keys([2])).open();
  const step = await third.take(0, {
    ...NO_FAULTS,
    inside: async (point) => {
      if (point !== 'erasure after locks') return;
      late = world.query('insert into note values (4, 2)').catch((error: unknown) => error);
      await sleep(200);
    },
  });
  expect(step.body.counts).toEqual({ 'erased:public.note': 1, 'erased:public.customer': 1 });
  expect(await late).toMatchObject({ code: '23503' });
});

test('a hold that is placed between the plan and the step holds the person as a whole; without its lease a step does nothing', async () => {
  await world.query(
    `${CUSTOMER}; create table note (id int primary key, customer_id int references customer); insert into note values (1, 1), (2, 2)`,
  );
  const target = await open([{ table: 'public.note' }, { table: 'public.customer' }]);
  const runId = await keys([1, 2]);
  expect((await countErasure(target, { runId, chunk: 0, class: 0 })).counts).toEqual({
    'erased:public.note': 2,
    'erased:public.customer': 2,
  });
  await world.hold('H-1', { kind: 'subject', subject: 'customer', key: ['1'] });
  const run = await new Run([target], runId).open();
  const counts = { 'erased:public.note': 1, 'erased:public.customer': 1, 'held:H-1:public.note': 1, 'held:H-1:public.customer': 1 };
  const dry = await countErasure(target, { runId, chunk: 0, class: 0 });
  expect([dry.counts, dry.heldPeople, dry.people]).toEqual([counts, 1, 2]);
  expect((await run.take(0)).body.counts).toEqual(counts);
  expect((await verifyErasure(target, { runId, chunk: 0, class: 0 })).remaining).toBe(0);
  await world.query(`update probity.lease set fence = fence + 1 where table_name = 'public.note'`);
  await expect(run.take(0)).rejects.toMatchObject({ kind: 'fenced', table: 'public.note' });
});

test('a dry run tells ways, floors with their last day, missing indexes and a time, and writes nothing', async () => {
  await world.query(`${CUSTOMER};
    create table invoice (id int primary key, customer_id int references customer, issued_at date not null);
    insert into invoice values (1, 1, current_date), (2, 1, current_date - 4000), (3, 2, current_date);
    create table ticket (id int primary key, mail text); insert into ticket values (1, ' C1@x.EXAMPLE '), (2, 'c2@x.example')`);
  const floor = { keep: 'P3Y', after: 'issued_at', from: 'end_of_year', rule: 'law' } as const;
  const mail = { ...WAY, columns: ['mail'], identity: 'email' };
  const target = await open([
    { table: 'public.ticket', ways: [mail] },
    { table: 'public.invoice', floor },
    { table: 'public.customer', masksWhenPinned: ['email', 'name'] },
  ]);
  const runId = await keys([1]);
  await writeKeys(world.store, runId, 'customer', [{ chunk: 0, person: 0, class: 0, identity: 'email', parts: ['c1@X.example'] }]);
  const dry = await countErasure(target, { runId, chunk: null, class: 0 });
  const year = new Date().getFullYear();
  expect(dry.counts).toEqual({
    'erased:public.ticket': 1,
    'erased:public.invoice': 1,
    'kept:floor:law:public.invoice': 1,
    'masked:pinned:public.customer': 1,
  });
  expect(dry.tables.find((it) => it.table === 'public.invoice')).toMatchObject({
    erased: 1,
    floor: { rows: 1, until: `${year + 3}-12-31T23:00:00.000Z` },
  });
  expect(dry.reached).toContainEqual({ table: 'public.invoice', way: 'customer_id', rows: 2 });
  expect(dry.missingIndexes.map((it) => it.sql).sort()).toEqual([
    'create index concurrently on "public"."invoice" ("customer_id")',
    'create index concurrently on "public"."ticket" ((lower(btrim("mail"::text))))',
  ]);
  expect(dry.seconds).toBeGreaterThan(0);
  for (const { sql } of dry.missingIndexes) await world.query(sql);
  const run = await new Run([target], runId).open();
  expect((await run.take(0)).body.counts).toEqual(dry.counts);
  expect(await world.query('select email, name from customer where customer_id = 1')).toEqual([{ email: null, name: null }]);
});

test('a plan of the planner is carried out as it is', async () => {
  await world.query(`${CUSTOMER};
    create table purchase (id int primary key, customer_id int not null references customer, total int);
    create table purchase_line (purchase_id int references purchase, n int, sku text, primary key (purchase_id, n));
    create table invoice (id int primary key, customer_id int not null references customer, issued_at timestamptz not null, recipient text);
    create table letter (id int primary key, purchase_id int references purchase, body text);
    insert into purchase select i, i, 5 from generate_series(1, 4) i; insert into purchase_line select i, 1, 'sku' from generate_series(1, 4) i;
    insert into invoice values (1, 1, now(), 'Anna'), (2, 2, now() - interval '20 years', 'Bert'); insert into letter values (1, 1, 'x')`);
  const use = { purposes: ['use'] };
  const { manifest, problems } = parseManifestValue({
    organisation: 'Test',
    timezone: 'Europe/Berlin',
    mode: 'enforce',
    stores: { shop: { url: world.url } },
    purposes: { use: { basis: 'contract', description: 'Use' }, tax: { basis: 'legal_obligation', description: 'Books' } },
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email' } } },
    tables: {
      'shop.public.customer': use,
      'shop.public.purchase': use,
      'shop.public.purchase_line': use,
      'shop.public.letter': use,
      'shop.public.invoice': { purposes: ['tax'], floor: { keep: 'P8Y', after: 'issued_at', rule: 'law' } },
    },
  });
  if (manifest === null) throw new Error(JSON.stringify(problems));
  const erasure = planErasure('customer', { remaining: [], ended: null }, await readCatalog(world.store), manifest);
  expect(erasure.problems).toEqual([]);
  const target = await openErasure(world.store, manifest, erasure);
  const runId = await keys([1, 2]);
  const dry = await countErasure(target, { runId, chunk: 0, class: 0 });
  const run = await new Run([target], runId).open();
  expect((await run.take(0)).body.counts).toEqual(dry.counts);
  expect(dry.counts).toEqual({
    'erased:public.purchase': 2,
    'erased:public.purchase_line': 2,
    'erased:public.letter': 1,
    'erased:public.invoice': 1,
    'kept:floor:law:public.invoice': 1,
    'erased:public.customer': 1,
    'masked:pinned:public.customer': 1,
  });
  expect(await world.query('select customer_id, email, name from customer order by 1 limit 1')).toEqual([
    { customer_id: 1, email: null, name: null },
  ]);
});

test('ten thousand people with a row each, and one with two hundred thousand', async () => {
  await world.query(`
    create table customer (customer_id int primary key); insert into customer select i from generate_series(1, 10002) i;
    create table note (id int primary key, customer_id int not null references customer); create index on note (customer_id);
    create table event (id int primary key, note_id int references note, customer_id int not null references customer); create index on event (customer_id); create index on event (note_id);
    insert into note select i, i from generate_series(1, 10001) i;
    insert into event select i, 10001, 10001 from generate_series(1, 200000) i; insert into event select 200000 + i, i, 10002 from generate_series(1, 10) i;
    analyze`);
  const target = await open([{ table: 'public.event' }, { table: 'public.note' }, { table: 'public.customer' }]);
  const runId = await keys(
    Array.from({ length: 10_001 }, (_, index) => index + 1),
    2_500,
  );
  await analyseKeys(world.store);
  const dry = await countErasure(target, { runId, chunk: null, class: 0 });
  const run = await new Run([target], runId).open();
  const total: Record<string, number> = {};
  for (const { chunk } of (await countKeys(world.store, runId)).chunks)
    for (const [key, rows] of Object.entries((await run.take(chunk)).body.counts)) total[key] = (total[key] ?? 0) + rows;
  // Ten notes stay, and so do their customers: somebody else's events need them.
  expect(total).toEqual({
    'erased:public.event': 200_000,
    'erased:public.note': 9_991,
    'pinned:public.note': 10,
    'erased:public.customer': 9_991,
    'pinned:public.customer': 10,
  });
  expect(dry.counts).toEqual(total);
});
