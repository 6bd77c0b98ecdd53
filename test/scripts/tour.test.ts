import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { createSampleCompany } from '../../scripts/sample/company.ts';
import { freshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';
import { runScript, type Ran } from '../cli/support.ts';

const start = (state: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  runScript('scripts/start.ts', args, { env: { ...env, PROBITY_STATE: state } });

test('npm start shows the whole way, resumes, and is gone after a reset', async () => {
  const state = join(temporaryFolder('tour'), 'state');
  const first = await start(state, ['--once', '--scale', '0.02']);
  expect([first.code, first.stderr]).toEqual([0, expect.any(String)]);
  for (const part of [
    'OBSERVE, nothing changes',
    'mode: enforce',
    'drop 3 partitions',
    'complete: ',
    'none altered, missing or reordered',
    'consent_choice',
    'personalization · social',
    'none altered, missing or moved',
    'record of processing activities',
    'withdrawal of personalization · closed',
    'erasure, Art. 17(1)(a) · verified by login · closed',
    'since rows that stay need them: probity request plan',
    'certificate no. 3 of Acme Outdoor',
    'npm run probity -- retention plan',
  ]) {
    expect(first.stdout).toContain(part);
  }
  // Before the withdrawal and after it, by the analyst's own login: one person less.
  const people = [...first.stdout.matchAll(/select … from for_personalization\.order: [\d,]+ rows of (\d+) people/g)].map(([, n]) =>
    Number(n),
  );
  expect(people).toEqual([people[0], (people[0] ?? 0) - 1]);
  const again = await start(state, ['--once']);
  expect([again.code, again.stderr]).toEqual([0, expect.any(String)]);
  expect(again.stdout).toContain('filled by an earlier start');
  expect(again.stdout).toContain('certificate no. 6');
  expect(readdirSync(join(state, 'acme-outdoor')).filter((file) => file.endsWith('.certificate.json'))).toHaveLength(6);
  expect(existsSync(join(state, 'session.env'))).toBe(false);
  expect((await runScript('scripts/reset.ts', [], { env: { PROBITY_STATE: state } })).code).toBe(0);
  expect(existsSync(state)).toBe(false);
});

test('wrong options end with 2 and start nothing', async () => {
  const state = join(temporaryFolder('tour'), 'state');
  for (const args of [['--wrong'], ['--scale', 'large'], ['--data', 'complete-journey'], ['--data', 'other', '--from', '.']]) {
    expect([args, (await start(state, args)).code]).toEqual([args, 2]);
  }
  expect(existsSync(state)).toBe(false);
});

/** Everything that could have been changed: schemas, tables with their files, rows. */
async function imprint(client: pg.Client): Promise<unknown> {
  const { rows: objects } = await client.query<{ name: string; kind: string }>(
    `select c.oid::regclass::text as name, c.relkind as kind, c.relfilenode as file, n.nspname as schema from pg_class c
     join pg_namespace n on n.oid = c.relnamespace where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' order by c.oid`,
  );
  const sums: unknown[] = [];
  for (const { name } of objects.filter(({ kind }) => kind === 'r')) {
    const { rows } = await client.query(
      `select count(*) as n, sum(hashtextextended(t::text, 0)) as sum, max(xmin::text::bigint) as newest from ${name} t`,
    );
    sums.push([name, rows[0]]);
  }
  return { objects, sums };
}

test('with DATABASE_URL it only reads, and read privileges are enough', async () => {
  const [shop, support] = [await freshDatabase(), await freshDatabase()];
  await createSampleCompany({ shopUrl: shop.url, supportUrl: support.url, scale: 0.02 });
  await support.drop();
  const client = new pg.Client({ connectionString: shop.url });
  await client.connect();
  const reader = `reader_${randomBytes(4).toString('hex')}`;
  await client.query(`create role ${reader} login password 'read-it'; grant select on all tables in schema public to ${reader}`);
  const before = await imprint(client);
  const url = new URL(shop.url);
  url.username = reader;
  url.password = 'read-it';
  const state = join(temporaryFolder('tour'), 'state');
  const { code, stdout, stderr } = await start(state, ['--once'], { DATABASE_URL: url.href });
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  expect(stdout).toMatch(/Plan [0-9a-f]{4} · .* · OBSERVE, nothing changes/);
  expect(stdout).toContain('probity -- migrate');
  expect(await imprint(client)).toEqual(before);
  expect(readdirSync(state).sort()).toEqual(['drafts', 'made-by-probity']);
  expect(stdout + stderr).not.toContain('read-it');
  await client.query(`drop owned by ${reader}; drop role ${reader}`);
  await client.end();
  await shop.drop();
});
