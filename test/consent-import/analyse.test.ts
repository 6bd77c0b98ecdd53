import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { requireManifest } from '../../client/manifest.ts';
import { syncTable } from '../../database/permission/consent-table.ts';
import { openStore } from '../../database/store.ts';
import { namedSources } from '../../domain/consent/sources.ts';
import { consentShop, type ConsentShop } from './support.ts';

let shop: ConsentShop;
beforeAll(async () => void (shop = await consentShop()));
afterAll(() => (shop as ConsentShop | undefined)?.close());
beforeEach(async () => {
  // Otherwise the server's own turn could pass for ours.
  await shop.query(
    `set session_replication_role = replica;
     truncate probity.consent_content, probity.consent_record, probity.consent_alias, probity.consent_link, probity.permission_span, probity.outbox, probity.request cascade;
     set session_replication_role = origin;
     ${LEDGER.map((table) => `alter table probity.${table} set (autovacuum_enabled = off)`).join('; ')}`,
  );
});

const LEDGER = ['consent_link', 'consent_record', 'consent_content', 'permission_span'];
/** -1: never analysed. */
const believed = async (): Promise<Record<string, number>> => {
  const rows = await shop.query<{ name: string; rows: number }>(
    `select relname as name, reltuples::int as rows from pg_class where relnamespace = 'probity'::regnamespace and relname = any ($1)`,
    [LEDGER],
  );
  return Object.fromEntries(rows.map(({ name, rows: of }) => [name, of]));
};
const lines = (from: number, to: number): string =>
  `key,purpose,decision,captured_at,touchpoint\n${Array.from({ length: to - from }, (_, i) => `${from + i},newsletter,granted,2026-03-01T00:00:00Z,t\n`).join('')}`;
const take = async (
  from: number,
  to: number,
  url = shop.url,
): Promise<{ analysed: string; recorded: number; err: string; code: number }> => {
  const file = shop.file(`${randomBytes(4).toString('hex')}.csv`, lines(from, to));
  const { code, out, err } = await shop.run(['consent', 'import', file, '--json'], '', { SHOP_URL: url });
  return { ...(JSON.parse(out) as { analysed: string; recorded: number }), err, code };
};

test('after a considerable share of new records the planner knows of them, after a small one it is left alone', async () => {
  expect(await take(1, 900)).toMatchObject({ analysed: 'not needed' });
  expect(Object.values(await believed())).toEqual([-1, -1, -1, -1]);
  expect(await take(900, 1900)).toMatchObject({ analysed: 'done' });
  expect(await believed()).toEqual({ consent_link: 1899, consent_record: 1899, consent_content: 1899, permission_span: 1899 });
  // 101 of 1,899 are neither many nor a tenth.
  expect(await take(1900, 2000)).toMatchObject({ analysed: 'not needed' });
  expect((await believed())['consent_record']).toBe(1899);
});

test('a repeated import tells of what an interrupted one had recorded', async () => {
  await take(1, 2000);
  await shop.query(`update pg_class set reltuples = -1 where oid = 'probity.consent_record'::regclass`);
  expect(await take(1, 2000)).toMatchObject({ analysed: 'done' });
  expect(await take(1, 2000)).toMatchObject({ analysed: 'not needed' });
});

test('many records that are few of a large ledger leave the planner alone', async () => {
  await shop.query(`update pg_class set reltuples = 100000 where oid = 'probity.consent_record'::regclass`);
  expect(await take(1, 2000)).toMatchObject({ analysed: 'not needed', recorded: 1999 });
});

test('a dry run analyses nothing', async () => {
  const file = shop.file('dry.csv', lines(1, 3000));
  expect(JSON.parse((await shop.run(['consent', 'import', file, '--dry-run', '--json'])).out)).toMatchObject({ analysed: 'not needed' });
  expect((await believed())['consent_record']).toBe(-1);
});

test('a reading in several calls counts as one', async () => {
  await shop.query(
    `truncate choice; insert into choice (customer_id, topic, way, answer, at, changed_at)
     select i, 'newsletter', 'web', 'yes', now() - interval '1 day', now() - interval '1 day' + i * interval '1 second' from generate_series(1, 4100) i`,
  );
  const { manifest } = await requireManifest(shop.manifest);
  const home = openStore({ name: 'shop', url: shop.url });
  try {
    const task = { ...namedSources(manifest)[0]!, home, store: home, manifest, runId: 'calls', full: true, beat: () => undefined };
    const calls = [];
    while (calls.at(-1)?.done !== true) calls.push(await syncTable({ ...task, stop: () => true }));
    // Of the last call alone there are too few.
    expect(calls.at(-1)?.recorded).toBeLessThan(1_000);
    expect(calls.map(({ analysed }) => analysed)).toEqual([...calls.slice(1).map(() => 'not needed'), 'done']);
    expect((await believed())['consent_record']).toBe(4100);
  } finally {
    await home.close();
  }
});

test('a role that may not analyse imports all the same, and the command says so', async () => {
  const role = `importer_${randomBytes(4).toString('hex')}`;
  const name = pg.escapeIdentifier(role);
  const url = new URL(shop.url);
  url.username = role;
  url.password = 'importer';
  await shop.query(
    `create role ${name} login password 'importer'; grant usage on schema probity, public to ${name};
     grant select, insert, update, delete on all tables in schema probity to ${name}; grant select on all tables in schema public to ${name};
     grant usage on all sequences in schema probity to ${name}; grant execute on all functions in schema pg_catalog to ${name};
     grant execute on all functions in schema probity to ${name}`,
  );
  try {
    const refused = await take(1, 2000, url.href);
    expect(refused).toMatchObject({ analysed: 'refused', code: 0, recorded: 1999 });
    expect(refused.err).toContain('could not analyse them');
    expect((await believed())['consent_record']).toBe(-1);
    await shop.query(`grant maintain on all tables in schema probity to ${name}`);
    expect(await take(2000, 4000, url.href)).toMatchObject({ analysed: 'done', code: 0, recorded: 2000 });
    expect((await believed())['consent_record']).toBe(3999);
  } finally {
    await shop.query(`drop owned by ${name}; drop role ${name}`);
  }
});

test('a lock that is in the way is waited for only so long', { timeout: 60_000 }, async () => {
  const other = await shop.pool.connect();
  try {
    await other.query('begin; lock table probity.consent_alias in share update exclusive mode');
    expect(await take(1, 2000)).toMatchObject({ analysed: 'later', code: 0, recorded: 1999 });
    expect((await believed())['consent_record']).toBe(1999);
  } finally {
    await other.query('rollback');
    other.release();
  }
});
