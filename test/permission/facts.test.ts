import { afterEach, expect, test } from 'vitest';
import { postgres15 } from '../support/postgres15.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { manifestOf } from './manifests.ts';

const oldest = postgres15();
const open: Ledger[] = [];
afterEach(async () => {
  for (const it of open.splice(0)) await it.close();
});

async function ledgerOf(ddl: string, adminUrl?: string): Promise<Ledger> {
  const ledger = await createLedger(ddl, adminUrl);
  open.push(ledger);
  return ledger;
}

/** Texts that are no keys, or not as Postgres writes them. */
const STRANGE = [
  '', ' 1', '007', '+1', '1.0', '1e3', '99999999999999999999', '9223372036854775808', '-9223372036854775809', 'x', "'", '"', '\\', '{}', '[', '[]', '["1"]',
  '["1", "2", "3"]', '["\\u0000", "1"]', '["\\x", "1"]', '["1","2"]', '[1, 2]', 'null', '2026-13-45', 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaag', 'A'.repeat(5000),
]; // prettier-ignore

const TYPES: Record<string, readonly string[]> = {
  smallint: ['1', '-32768'],
  integer: ['1', '2147483647'],
  bigint: ['1', '9223372036854775807', '-9223372036854775808', '999999999999999999'],
  uuid: ['aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'],
  text: ['a', 'A', "it's", ' padded '],
  'varchar(20)': ['a', 'A'],
  'char(6)': ['ab'],
  numeric: ['1', '1.50'],
  date: ['2026-01-31'],
};

const SERVERS = [
  ['this run', () => Promise.resolve(undefined)],
  ['PostgreSQL 15', async () => (await oldest()).adminUrl],
] as const;

test.each(SERVERS)('keys are compared in the type of their column and never raise, on the server of %s', async (_, admin) => {
  const adminUrl = await admin();
  for (const [type, values] of Object.entries(TYPES)) {
    const ledger = await ledgerOf(`create table public.customer (customer_id ${type} primary key, country text, birth date)`, adminUrl);
    await ledger.apply(manifestOf({ use: { basis: 'contract' } }, 'UTC'));
    await ledger.query(`insert into public.customer (customer_id) select v::${type} from unnest($1::text[]) v`, [values]);
    const { rows: keys } = await ledger.store.pool.query<{ key: string }>('select customer_id::text as key from public.customer');
    const known = keys.map((it) => it.key).sort();
    const found = await ledger.query<{ key: string }>(`select key from probity.subject_facts('customer', $1) f`, [[...STRANGE, ...known]]);

    expect([type, found.map((it) => it.key).sort()]).toEqual([type, known]);
    const answers = await ledger.query<{ allowed: boolean }>(`select allowed from probity.permissions('customer', $1, 'use')`, [
      [...STRANGE, ...known],
    ]);
    expect(answers.filter((it) => it.allowed)).toHaveLength(known.length);
  }
});

test.each(SERVERS)('keys of several columns are JSON arrays, on the server of %s', async (_, admin) => {
  const ledger = await ledgerOf(
    'create table public.customer (shop text, no integer, country text, birth date, primary key (shop, no))',
    await admin(),
  );
  const subjects = { customer: { table: 'shop.public.customer', key: ['shop', 'no'], birth: 'birth' } };
  await ledger.apply(manifestOf({ use: { basis: 'contract' } }, 'UTC', { subjects }));
  const odd = `a"b\\c\n\t\u0001é{}`;
  await ledger.query(`insert into public.customer (shop, no) values ('x', 1), ($1, 2)`, [odd]);
  const { rows } = await ledger.store.pool.query<{ key: string }>(
    'select to_jsonb(array[shop, no::text])::text as key from public.customer',
  );
  const known = rows.map((it) => it.key).sort();
  const found = await ledger.query<{ key: string }>(`select key from probity.subject_facts('customer', $1) f`, [
    [...STRANGE, '["x", "01"]', ...known],
  ]);
  expect(found.map((it) => it.key).sort()).toEqual(known);
});

test('the key index serves, and what is not known is not guessed', async () => {
  const ledger = await ledgerOf(
    'create table public.customer (customer_id integer primary key, country text, birth smallint, closed_on date)',
  );
  const purposes = {
    use: { basis: 'contract', ends: 'shop.public.customer.closed_on' },
    grown: { basis: 'contract', minimum_age: 18 },
  } as const;
  await ledger.apply(manifestOf(purposes, 'Europe/Berlin'));
  await ledger.query(
    `insert into public.customer values (1, 'US-CA', 2000, '2026-03-29'), (2, 'FR', 0, null), (3, null, null, 'infinity')`,
  );
  const facts = await ledger.query(
    `select key, regime, birth, ends ->> 'use' as ends from probity.subject_facts('customer', '{1,2,3,4}') order by key`,
  );
  expect(facts).toEqual([
    { key: '1', regime: 'ccpa', birth: '2000-12-31', ends: '2026-03-28T23:00:00+00:00' },
    { key: '2', regime: 'gdpr', birth: null, ends: null },
    { key: '3', regime: null, birth: null, ends: 'infinity' },
  ]);
  const ask = async (key: string, purpose: string, at: string | null): Promise<boolean> =>
    (await ledger.query<{ it: boolean }>('select probity.permission($1, $2, $3, null, $4) as it', ['customer', key, purpose, at]))[0]!.it;
  expect(await ask('1', 'use', '2026-03-28T22:59:59.999999Z')).toBe(true);
  expect(await ask('1', 'use', '2026-03-28T23:00:00Z')).toBe(false);
  expect(await ask('1', 'grown', '2018-12-30T22:59:59Z')).toBe(false);
  expect(await ask('1', 'grown', '2018-12-30T23:00:00Z')).toBe(true);
  expect(await ask('2', 'grown', null)).toBe(false);
  expect(await ask('3', 'use', 'infinity')).toBe(false);
  expect(await ask('4', 'use', null)).toBe(false);
  expect(await ask('1', 'nothing', null)).toBe(false);

  await ledger.query(`insert into public.customer select i from generate_series(10, 20000) i`);
  await ledger.query('analyze public.customer');
  const before = await scans(ledger);
  await ledger.query(`select count(*) from probity.permissions('customer', array(select i::text from generate_series(10, 1009) i), 'use')`);
  await expect.poll(() => scans(ledger), { timeout: 10_000 }).toMatchObject({ seq: before.seq });
  await expect.poll(async () => (await scans(ledger)).index - before.index, { timeout: 10_000 }).toBeGreaterThan(0);
});

async function scans(ledger: Ledger): Promise<{ seq: number; index: number }> {
  const [row] = await ledger.query<{ seq: number; index: number }>(
    `select seq_scan::integer as seq, idx_scan::integer as index from pg_stat_user_tables where relname = 'customer'`,
  );
  return row!;
}

test('applying opens what was never opened, derives anew only what changed, and changes nothing the second time', async () => {
  const ledger = await ledgerOf('create table public.customer (customer_id integer primary key, country text, birth date)');
  await ledger.query(`insert into public.customer values (1)`);
  const ask = async (): Promise<boolean> =>
    (await ledger.query<{ it: boolean }>(`select probity.permission('customer', '1', 'use') as it`))[0]!.it;
  expect(await ask()).toBe(false);
  const first = manifestOf({ use: { basis: 'contract' }, news: { basis: 'consent', expires: 'P24M' } }, 'UTC');
  expect((await ledger.apply(first)).purposes).toEqual(['news', 'use']);
  expect(await ask()).toBe(true);
  expect((await ledger.apply(first)).purposes).toEqual([]);
  const longer = manifestOf({ use: { basis: 'contract' }, news: { basis: 'consent', expires: 'P730D' } }, 'UTC');
  expect((await ledger.apply(longer)).purposes).toEqual(['news']);

  // As after a restore: it was open in another life.
  await ledger.query(`update probity.serving set incarnation = 'another'`);
  await ledger.apply(longer);
  expect(await ask()).toBe(false);
});

test('a purpose whose end is written elsewhere is over, and nobody but we reads the facts', async () => {
  const ledger = await ledgerOf(
    'create table public.customer (customer_id integer primary key, country text, birth date); create table public.contract (customer_id integer, ended_at timestamptz)',
  );
  await ledger.query('insert into public.customer values (1)');
  await ledger.apply(manifestOf({ use: { basis: 'contract', ends: 'shop.public.contract.ended_at' } }, 'UTC'));
  expect(await ledger.query(`select probity.permission('customer', '1', 'use') as it`)).toEqual([{ it: false }]);
  expect(await ledger.query(`select has_function_privilege('public', 'probity.subject_facts(text, text[])', 'execute') as it`)).toEqual([
    { it: false },
  ]);
});
