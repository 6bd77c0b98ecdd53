import { readFileSync } from 'node:fs';
import { sql, type RawBuilder } from 'kysely';
import { afterEach, expect, inject, test } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { readScanScope, scan } from '../../database/requests/scan.ts';
import { forgetHits, removeScan, scanResult } from '../../database/requests/scan-result.ts';
import { scanSentence } from '../../domain/requests/scan.ts';
import { scanStore, search, shown, type ScanStore } from './scan-support.ts';

const DDL = `
  create extension citext; create extension hstore;
  create domain short as varchar(200);
  create table customer (customer_id bigint primary key, email citext, phone text, uid uuid, name text);
  create table note (note_id bigint primary key, body text, tags text[], data jsonb, raw json, doc xml, props hstore, kind short, code char(60), words tsvector,
    picture bytea, ip inet, at timestamptz, amount numeric);
  create table visit (visit_id bigint, at date, path text) partition by range (at);
  create table visit_2025 partition of visit for values from ('2025-01-01') to ('2026-01-01');
  create table visit_rest partition of visit default;
  create table audit (line text, customer_id bigint);
  create table orders (order_id bigint primary key, buyer bigint references customer, total numeric);
  create table remark (remark_id bigint primary key, entity_type text, entity_id text, topic text);
  create table crm (msisdn bigint, contact text);
  create view everything as select body from note;
  create materialized view copied as select body from note with no data;`;
const DECLARED = {
  purposes: { service: { basis: 'contract', while: 'a customer', description: 'Deliver' } },
  subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email', phone: 'phone', uid: 'uid' } } },
  tables: Object.fromEntries(['customer', 'note', 'visit', 'orders', 'remark', 'copied'].map((table) => [`shop.public.${table}`, { purposes: ['service'] }])),
  ignore: { 'shop.public.audit': 'kept by another department', 'shop.public.crm': 'old' },
  references: [{ from: 'shop.public.remark.entity_id', when: { entity_type: 'customer' }, to: 'customer' }],
}; // prettier-ignore
const EMAIL = 'anna.muster@example.com';
const UID = '6f1e2d3c-aaaa-4bbb-8ccc-123456789abc';
const ANNA = [['key', '4711'], ['email', 'Anna.Muster@example.com'], ['phone', '+49 170 1234567'], ['uid', UID]]; // prettier-ignore
const FOUND = [
  'audit.customer_id key 1', 'audit.line email 1', 'copied.body email 1', 'crm.contact phone 1', 'crm.msisdn phone 1', 'customer.customer_id key 1', 'customer.email email 1',
  'note.body email 1', 'note.body phone 1', 'note.code phone 1', 'note.data email 1', 'note.data uid 1', 'note.doc email 1', 'note.kind email 1', 'note.props email 1', 'note.raw email 1',
  'note.tags email 1', 'note.words email 1', 'orders.buyer key 1', 'remark.entity_id key 1', 'visit.path email 2', 'visit.path uid 1',
]; // prettier-ignore

async function plant({ query }: ScanStore): Promise<void> {
  await query(`
    insert into customer values (4711, 'ANNA.MUSTER@example.com', null, null, null), (4712, 'joanna.muster@example.com', '+33 170 1234567', gen_random_uuid(), 'other');
    insert into note (note_id, body) values (1, 'Please call Anna, +49 (0)170 123 45 67, or write to Anna.Muster+news@Example.com.'), (2, 'call +49 170 1234568 or anna.muster@example.org, order 4711');
    insert into note (note_id, tags, data, raw) values (3, array['a', '${EMAIL}'], '{"to": [{"mail": "x@y.example"}, {"mail": "${EMAIL}"}], "session": "${UID.replaceAll('-', '')}", "text": "a\\nb"}',
      '{"mail": "anna.muster\\u0040example.com"}');
    insert into note (note_id, doc, props, kind, code, words) values (4, '<p title="${EMAIL}">x</p>', 'mail => "${EMAIL}"', '${EMAIL.toUpperCase()}', '0170/1234567', to_tsvector('simple', 'by ${EMAIL}'));
    insert into note (note_id, picture) values (5, convert_to('${EMAIL}', 'UTF8'));
    insert into visit values (1, '2025-05-05', '/login?email=anna.muster%40example.com'), (2, '2020-01-01', '/u/${UID}?e=${EMAIL}'), (3, '2020-01-01', '/u/${UID}0');
    insert into audit values ('[info] sent to <${EMAIL}>', null), ('4711', 4712), ('nothing', 4711);
    insert into orders values (4711, 4712, 4711), (2, 4711, 1);
    insert into remark values (1, 'customer', '4711', null), (2, 'order', '4711', null);
    insert into crm values (491701234567, null), (4711, '1701234567'), (491701234568, 'none');`);
  await query('refresh materialized view copied');
  await query('delete from note where note_id = 1 and false');
}

let world: ScanStore;
afterEach(async () => world.close());

/** So many people that tokens are joined instead of one expression being matched. */
const MANY = Array.from({ length: 40 }, (_, n) => [['key', `${900_000 + n}`], ['email', `somebody${n}@else.example`], ['phone', `+44 20 555 ${10_000 + n}`], ['uid', `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`]]); // prettier-ignore

test.each([
  ['one person', []],
  ['many people', MANY],
])('finds what is left of %s, in every shape, and no look-alike', async (_, others) => {
  world = await scanStore(DDL, DECLARED);
  await plant(world);
  const { result, scope } = await search(world, 'run', [ANNA, ...others]);
  // Of a materialized view the row of the note's body holds both.
  expect(shown(result.hits)).toEqual([...FOUND, 'copied.body phone 1'].toSorted());
  expect(result.expected).toEqual([]);
  expect(result.hits.find(({ table }) => table === 'public.audit')?.standing).toBe('ignored');
  expect(result.notScanned).toEqual([{ table: 'public.note', column: 'picture', reason: 'binary' }]);
  expect(result.columnsScanned).toBe(result.columnsTotal - 1);
  expect(scope.tables.map(({ table }) => table)).not.toContain('public.everything');
  expect(scope.tables.find(({ table }) => table === 'public.visit')?.relations).toEqual(['public.visit_2025', 'public.visit_rest']);
  expect(result.notSearched).toEqual([]);
  expect(result.searchedByName.map(({ identity, people }) => [identity, people])).toEqual([['key', 1 + others.length]]);
  expect(Object.keys(result.snapshots)).toEqual(scope.tables.map(({ table }) => table).toSorted());
  expect(scanSentence(result)).toMatch(
    /^(\d+) of (\d+) columns, 24 hits: .* · not scanned: note\.picture · key: searched in columns that hold it and where a text names it/,
  );
  const located = await world.query(`select location from probity.run_hit where relation = 'public.note' and column_name = 'tags'`);
  expect(located.rows).toEqual([{ location: '["3"]' }]);
});

const KEPT = { class: 0, why: 'purpose:service', floor: null } as const;

test('what the plan keeps is told apart, and only tables with hits are searched again', async () => {
  world = await scanStore(DDL, DECLARED);
  await plant(world);
  const expected = [
    { ...KEPT, table: 'public.note', columns: ['body', 'tags'], owned: (rows: RawBuilder<unknown>) => ({ from: sql`${rows} as t, probity.run_key k`, where: sql`k.run_id = 'run' and t.note_id in (1, 3)` }) },
    { ...KEPT, table: 'public.orders', columns: null, owned: null },
  ]; // prettier-ignore
  const first = await search(world, 'run', [ANNA], { expected });
  expect(shown(first.result.expected)).toEqual(['note.body email 1', 'note.body phone 1', 'note.tags email 1', 'orders.buyer key 1']);
  expect(shown(first.result.hits)).toContain('note.data email 1');
  // By row; a reference to the person says no more than whose the row is.
  expect(first.result.kept).toEqual([{ table: 'public.note', why: 'purpose:service', rows: 2 }]);
  await forgetHits(world.store, 'run');
  // Found by hand, and seen by nobody in a table in which nothing was found: it is not searched again.
  await world.query(`delete from audit where line like '[%'; delete from visit; insert into orders values (3, 4711, 1)`);
  const second = await search(world, 'run', [ANNA], { expected });
  const left = FOUND.filter((it) => !/^(visit|orders)|audit.line|note\.(body|tags)/.test(it));
  expect(shown(second.result.hits)).toEqual([...left, 'copied.body phone 1'].toSorted());
  expect(shown(second.result.expected)).toEqual(shown(first.result.expected));
  await removeScan(world.store, 'run');
  for (const table of ['run_search', 'run_hit', 'run_scan']) expect((await world.query(`select from probity.${table}`)).rowCount).toBe(0);
});

test('names are found in a request of one person who asks for it', async () => {
  world = await scanStore(DDL, DECLARED);
  await world.query(`insert into audit values ('MÜLLER, Zoë came by'), ('Zoë Müllermeister')`);
  const zoe = [['key', '4711'], ['name', 'Zoë', 'Müller']]; // prettier-ignore
  expect(shown((await search(world, 'one', [zoe], { names: true })).result.hits)).toEqual(['audit.line name 1']);
  const { result } = await search(world, 'other', [zoe]);
  expect([result.hits, result.notSearched.map(({ identity }) => identity)]).toEqual([[], ['name']]);
});

/** A handle of somebody's own is rare; a word of the language is not. */
test('a short user name is looked for in every text for as long as few rows hold it; else the result says that it was not', async () => {
  world = await scanStore(
    `create table customer (customer_id bigint primary key, login text, email text);
     create table chat (chat_id bigint primary key, body text); create table log (line text)`,
    {
      purposes: DECLARED.purposes,
      subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { login: 'login', email: 'email' } } },
      tables: { 'shop.public.customer': { purposes: ['service'] }, 'shop.public.chat': { purposes: ['service'] }, 'shop.public.log': { purposes: ['service'] } },
    },
  ); // prettier-ignore
  await world.query(`
    insert into chat select i, case when i % 3 = 0 then 'a Rose is a rose, ' || i else 'nothing here' end from generate_series(1, 60000) i;
    insert into chat values (100001, 'by Zork:'), (100002, 'zorks'), (100003, '@zork wrote'), (100004, 'of plop');
    insert into log select 'plop ' || i from generate_series(1, 19) i; insert into log values ('rose@else.example'), ('zork and rose'), ('jo')`);
  const people = [
    [['key', '1'], ['login', 'zork'], ['email', 'z@x.example']],
    [['key', '2'], ['login', 'rose']],
    [['key', '3'], ['login', 'plop'], ['email', 'none']],
    [['key', '4'], ['login', 'jo'], ['login', 'longenough']],
  ]; // prettier-ignore
  for (const [run, more] of [
    ['few', []],
    ['many', MANY.map(([, email]) => [email!])],
  ] as const) {
    const { result } = await search(world, run, [...people, ...more], { rangeBlocks: 64 });
    expect(shown(result.hits)).toEqual(['chat.body login 3', 'log.line login 20']);
    const said = result.notSearched.map((it) => `${it.identity} ${it.people}: ${it.reason}`).toSorted();
    expect(said).toEqual([
      'email 1: only in columns that are known to hold it, in no form that texts could be searched for',
      'login 1: a short word that more than 20 rows hold, so that none of them says whom it means',
      'login 1: only in columns that are known to hold it, too short for texts',
    ]);
    expect(JSON.stringify(result)).not.toMatch(/zork|rose|plop/i);
    const { rows } = await world.query('select person, identity from probity.run_word where run_id = $1', [run]);
    expect(rows).toEqual([{ person: 1, identity: 'login' }]);
    // One more row, and searched again: then none of them was said to be the person's.
    await world.query(`insert into log values ('plop, the last')`);
    await forgetHits(world.store, run);
    const again = await search(world, run, [...people, ...more], { rangeBlocks: 64 });
    expect(shown(again.result.hits)).toEqual(['chat.body login 2', 'log.line login 1']);
    expect(again.result.notSearched.find(({ reason }) => /more than 20/.test(reason))?.people).toBe(2);
    await world.query(`delete from log where line = 'plop, the last'`);
    await removeScan(world.store, run);
    expect((await world.query('select from probity.run_word')).rowCount).toBe(0);
  }
});

test('what cannot be read is said, not passed over', async () => {
  world = await scanStore(
    `${DDL}
    create extension postgres_fdw; create server away foreign data wrapper postgres_fdw;
    create foreign table elsewhere (remark text) server away;
    create table hidden (line text); alter table hidden enable row level security;
    create table parted (at date, line text) partition by range (at); create table parted_1 partition of parted default;
    create type pair as (a text, b text); create table typed (both_of pair, size int4range);
    create schema other; create table other.unseen (line text);
    create role scan_reader_${process.pid} login password 'scan_reader_${process.pid}';
    grant usage on schema public, probity to scan_reader_${process.pid}; grant all on all tables in schema probity to scan_reader_${process.pid};
    grant select on customer, audit, hidden, parted, typed, elsewhere to scan_reader_${process.pid}; grant select (note_id, body) on note to scan_reader_${process.pid}`,
    DECLARED,
  );
  try {
    await plant(world);
    await world.query(`insert into parted values ('2026-01-01', '${EMAIL}'), ('2026-01-02', 'x')`);
    const reader = world.as(`scan_reader_${process.pid}`);
    const { result } = await search({ ...world, store: reader }, 'run', [ANNA]);
    const reasons = Object.fromEntries(
      result.notScanned.map(({ table, column, reason }) => [`${table.replace('public.', '')}.${column}`, reason]),
    );
    expect(reasons['note.body']).toBeUndefined();
    expect(reasons).toMatchObject({
      'note.data': 'our role may not read it',
      'visit.path': 'our role may not read it',
      'hidden.line': 'row-level security hides rows from our role',
      'elsewhere.remark': 'a foreign table: its rows are in another database',
      'typed.both_of': 'of a type that cannot be read as text: pair',
    });
    expect(result.columnsScanned).toBe(result.columnsTotal - result.notScanned.length);
    expect(shown(result.hits).filter((it) => /^(note|parted)/.test(it))).toEqual([
      'note.body email 1',
      'note.body phone 1',
      'parted.line email 1',
    ]);
    expect(result.outside).toEqual(['other.unseen']);
  } finally {
    await world.query(`drop owned by scan_reader_${process.pid}; drop role scan_reader_${process.pid}`);
  }
});

test('goes on where it stopped, in ranges of blocks, and finds each row once', async () => {
  world = await scanStore('create table customer (customer_id bigint primary key, email text); create table line (body text)', {
    ...DECLARED,
    tables: { 'shop.public.customer': { purposes: ['service'] }, 'shop.public.line': { purposes: ['service'] } },
    ignore: {},
    references: [],
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email' } } },
  });
  await world.query(
    `insert into line select case when i % 100 = 0 then 'to ${EMAIL}' else repeat('x', 200) end from generate_series(1, 20000) i`,
  );
  const run = await search(world, 'whole', [ANNA.slice(0, 2)], { rangeBlocks: 50 });
  expect(run.progress.length).toBeGreaterThan(3);
  expect(shown(run.result.hits)).toEqual(['line.body email 200']);
  const scope = await readScanScope(world.store, await readCatalog(world.store), world.manifest);
  await world.query(
    `insert into probity.run_key select 'again', chunk, person, subject, identity, parts, class from probity.run_key where run_id = 'whole'`,
  );
  let steps = 0;
  for await (const _ of scan(world.store, scope, 'again', { rangeBlocks: 50, lanes: 1 })) if (++steps === 3) break;
  const before = await scanResult(world.store, scope, 'again');
  expect([before.rangesDone, before.rangesDone < before.rangesTotal]).toEqual([3, true]);
  expect(scanSentence(before)).toContain('UNFINISHED: 3 of');
  // Ranges that are done are not read again; a row behind the end, inserted meanwhile, is.
  await world.query(`insert into line values ('late ${EMAIL}')`);
  for await (const _ of scan(world.store, scope, 'again', { rangeBlocks: 50 })) steps++;
  const after = await scanResult(world.store, scope, 'again');
  expect([after.rangesDone, shown(after.hits)]).toEqual([after.rangesTotal, ['line.body email 201']]);
  expect((await world.query(`select count(distinct location)::int as n from probity.run_hit where run_id = 'again'`)).rows).toEqual([
    { n: 201 },
  ]);
});

test('a range that brings too many rows, or takes too long, is halved', async () => {
  world = await scanStore('create table customer (customer_id bigint primary key, email text); create table line (body text)', {
    ...DECLARED,
    tables: { 'shop.public.customer': { purposes: ['service'] }, 'shop.public.line': { purposes: ['service'] } },
    ignore: {},
    references: [],
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email' } } },
  });
  await world.query(`insert into line select 'to ${EMAIL}' from generate_series(1, 45000) i`);
  const { result } = await search(world, 'run', [ANNA.slice(0, 2)]);
  expect(shown(result.hits)).toEqual(['line.body email 45000']);
});

test('no identity leaves the store: not in results, errors, our other tables or the log', async () => {
  world = await scanStore(DDL, DECLARED);
  await plant(world);
  const said: string[] = [];
  const { result, progress, scope } = await search(world, 'run', [ANNA]);
  said.push(JSON.stringify([result, progress, scope]), scanSentence(result));
  await world.query('alter table audit rename column line to row');
  await removeScan(world.store, 'run');
  const error = await (async () => {
    for await (const _ of scan(world.store, scope, 'run')) continue;
  })().catch((it: unknown) => it as Error);
  expect(error).toMatchObject({ name: 'StoreError', table: 'public.audit' });
  said.push(String(error), (error as Error).stack ?? '', JSON.stringify(error));
  said.push(readFileSync(inject('postgresLog'), 'latin1'));
  const { rows } = await world.query(`select relname as name from pg_class where relnamespace = 'probity'::regnamespace and relkind = 'r'`);
  for (const { name } of rows) {
    if (name === 'run_key') continue;
    const content = await world.query(`select string_agg(t::text, ' ') as text from probity.${String(name)} t`);
    said.push(String(content.rows[0]?.['text']));
  }
  for (const secret of ['anna.muster', '1234567', '123456789abc'])
    expect(said.filter((text) => text.toLowerCase().includes(secret))).toEqual([]);
});
