import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { check } from '../../client/check.ts';
import { readCatalog } from '../../database/catalog.ts';
import { countShared } from '../../database/requests/frequent.ts';
import { openStore } from '../../database/store.ts';
import { sharedValues } from '../../domain/check/frequent.ts';
import { MOST_OF_ONE } from '../../domain/requests/resolve.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import { club } from '../samples/club/club.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

let url: string;
let client: pg.Client;
let database: FreshDatabase;
const role = `reader_${randomBytes(6).toString('hex')}`;
const file = join(temporaryFolder('frequent'), 'probity.json');

beforeAll(async () => {
  database = await freshDatabase();
  ({ url } = database);
  client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(club.sql);
  writeFileSync(file, JSON.stringify(club.manifest));
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

async function said(): Promise<string[]> {
  const { problems } = await check(file, { SHOP_URL: url });
  return problems.filter(({ code }) => code === 'P144').map(({ severity, message }) => `${severity}: ${message}`);
}

/** Members like those of the club, with numbers and addresses of their own unless given. */
async function joined(from: number, to: number, phone: string, email = `'m' || i || '@mail.example'`): Promise<void> {
  await client.query(
    `insert into club.member (member_id, email, phone, display_name, joined_at) select i, ${email}, ${phone}, 'One', now() from generate_series(${from}, ${to}) i`,
  );
}

test('check names the placeholder that three members share, with what to do, and says nothing of what is one member’s alone', async () => {
  const { problems } = await check(file, { SHOP_URL: url });
  const found = problems.filter(({ code }) => code === 'P144');
  expect(found).toEqual([
    {
      code: 'P144',
      severity: 'warning',
      message: 'a value that is nobody’s is shared as `member.phone`: `n/a` (3 rows)',
      fix: expect.stringContaining('set it null') as string,
      place: expect.objectContaining({ file: expect.stringContaining('probity.json') as string }) as object,
    },
  ]);
});

test('a number that very many have is counted and not shown, however it is written; one of a family is no matter', async () => {
  await joined(100, 100 + MOST_OF_ONE, `case i % 2 when 0 then '+49 40 4455667' else '0049 (40) 44556-67' end`);
  await joined(200, 203, `'030 7654321'`);
  await client.query(`update club.member set phone = 'N/A ' where member_id = 7`);
  expect(await said()).toEqual([
    `warning: 2 values that are nobody’s are shared as \`member.phone\`: a value (${MOST_OF_ONE + 1} rows), \`N/A\` (3 rows)`,
  ]);
  await client.query('delete from club.member where member_id >= 100');
});

test('addresses are compared as everywhere, and no domain is shown', async () => {
  await client.query('alter table club.member drop constraint member_email_key');
  await joined(300, 301, 'null', `case i when 300 then 'NoReply@somebody.example ' else 'noreply@somebody.example' end`);
  await joined(400, 400 + MOST_OF_ONE, 'null', `case i % 2 when 0 then 'Office@agency.example' else ' office@agency.example' end`);
  const [email, phone, ...more] = await said();
  expect(email).toMatch(
    new RegExp(`2 values .* \`member.email\`: a value \\(${MOST_OF_ONE + 1} rows\\), \`noreply@…\` \\(2 rows\\)$`, 'i'),
  );
  expect(phone).toContain('`N/A` (3 rows)');
  expect([email, phone, more].join()).not.toMatch(/agency|somebody/i);
  await client.query('delete from club.member where member_id >= 300');
});

async function counted(mostRows?: number, between: () => Promise<unknown> = () => Promise.resolve()): Promise<string[]> {
  const { manifest, source } = parseManifestValue(club.manifest);
  const store = openStore({ name: 'shop', url });
  try {
    const catalog = await readCatalog(store);
    await between();
    return sharedValues(await countShared(store, catalog, manifest!, mostRows), source.place).map((it) => `${it.severity}: ${it.message}`);
  } finally {
    await store.close();
  }
}

test('of a large table a sample is counted, and the message says so', async () => {
  await joined(1000, 6000, `'unknown'`);
  await client.query('analyze club.member');
  const [message] = await counted(1_000);
  expect(message).toMatch(/member\.phone`: `unknown` \(\d+ rows\), .*in a sample of \d+ rows$/);
  const numbers = [...message!.matchAll(/(\d+) rows/g)].map((it) => Number(it[1]));
  const [rows, of] = [numbers[0], numbers.at(-1)];
  expect(rows).toBeGreaterThan(100);
  expect(of).toBeGreaterThanOrEqual(rows!);
  expect(of).toBeLessThanOrEqual(1_000);
  await client.query('delete from club.member where member_id >= 1000');
  await client.query('analyze club.member');
});

test('a table that is locked is no error: it could not be counted, and why', async () => {
  const found = await counted(undefined, () => client.query('begin; lock table club.member in access exclusive mode'));
  await client.query('rollback');
  const why = 'could not be counted: its table is locked, or slow to read';
  expect(found).toEqual(['email', 'phone'].map((it) => `info: how many share a value of \`member.${it}\` ${why}`));
});

test('what our role may not read is left', async () => {
  await client.query(`create role "${role}" login password 'reader'; grant usage on schema club to "${role}"`);
  const theirs = new URL(url);
  [theirs.username, theirs.password] = [role, 'reader'];
  const { looked, problems } = await check(file, { SHOP_URL: theirs.href });
  expect(looked).toEqual(['shop']);
  expect(problems.filter(({ code }) => code === 'P144')).toEqual([]);
  await client.query(`drop owned by "${role}"; drop role "${role}"`);
});
