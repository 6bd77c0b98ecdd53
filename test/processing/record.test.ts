import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processingPage, recordOfProcessing, type ProcessingRecord } from '../../client/processing.ts';
import { openProject } from '../../client/project.ts';
import { probity, probityJson } from '../cli/support.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

/** What would run, or break the page, if it were not escaped. */
const EVIL = `<script>alert("x")</script>&'`;

const SCHEMA = `
  create table person (id bigint primary key, mail text, born date, "${EVIL.replaceAll('"', '""')}" text);
  create table visit (id bigint primary key, person_id bigint references person, at timestamptz not null, secret text);
  create table line (visit_id bigint references visit, note text);
  create table day (day date primary key, n bigint);
  create table forgotten (id bigint primary key);
  create view people as select id from person;
  insert into person select g, 'someone' || g || '@example.org', '1990-01-01', 'x' from generate_series(1, 40) g;
  insert into visit select g, g, now(), 'the-secret-value' from generate_series(1, 40) g;
  analyze;`;

const FIRST = `organisation: 'Shop ${EVIL.replaceAll("'", "''")}'
stores: { shop: { url: '\${SHOP_URL}' } }
purposes:
  ads: { basis: { default: consent, email: soft_opt_in }, channels: [email, web] }
  stats: { basis: legitimate_interests }
subjects: { person: { table: shop.public.person, key: id } }
tables:
  shop.public.person: { purposes: [ads] }
  shop.public.visit: { purposes: [stats], retention: { keep: P13M, after: at, children: { shop.public.line: delete } } }
  shop.public.line: { purposes: [stats], columns: { visit_id: key, note: { category: free_text, special: health } } }
  shop.public.day: { purposes: [stats], columns: { day: aggregate, n: aggregate } }
recipients:
  cloud: { role: processor, country: US, notify: { task: dpo } }
`;

/** The same with everything that was missing. */
const WHOLE = `${FIRST.replace('ads: {', 'ads: { description: Show what suits, notice: n-1,').replace(
  'stats: {',
  'stats: { description: Count, assessment: DPIA-1,',
)}ignore: { shop.public.forgotten: Nobody’s }
controller: { name: Shop, country: NO, address: Street 1, contact: a@example.org, dpo: b@example.org }
measures: [Locks on doors]
`
  .replace(
    '{ purposes: [ads] }',
    `{ purposes: [ads], columns: { id: key, mail: contact, born: demographic, '${EVIL.replaceAll("'", "''")}': other }, retention: { keep: P1Y, after: born } }`,
  )
  .replace(
    '{ purposes: [stats], retention',
    '{ purposes: [stats], columns: { id: key, person_id: key, at: behaviour, secret: free_text }, retention',
  )
  .replace('country: US,', 'country: US, receives: [person.mail], purposes: [ads], safeguard: SCC,');

let database: FreshDatabase;
let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  database = await freshDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(SCHEMA);
  await client.end();
  writeFileSync(join(folder, 'first.yaml'), FIRST);
  writeFileSync(join(folder, 'whole.yaml'), WHOLE);
});
afterAll(() => database.drop());

async function record(file: string): Promise<ProcessingRecord> {
  const project = await openProject(join(folder, file), { SHOP_URL: database.url });
  try {
    return await recordOfProcessing(project);
  } finally {
    await project.close();
  }
}

describe('a first manifest', () => {
  test('says what is missing, and where to write it', async () => {
    const { missing } = await record('first.yaml');
    expect(missing.map((it) => it.path)).toEqual([
      'controller',
      'purposes.ads.description',
      'purposes.ads.notice',
      'purposes.stats.description',
      'purposes.stats.assessment',
      'purposes.stats.assessment',
      'tables',
      'tables.shop.public.person.columns',
      'tables.shop.public.visit.columns',
      'recipients.cloud.receives',
      'recipients.cloud.purposes',
      'recipients.cloud.safeguard',
      'tables.shop.public.person.retention',
      'measures',
    ]);
    expect(missing.find((it) => it.path === 'tables')?.what).toContain('shop.public.forgotten');
    expect(missing.every((it) => it.what !== '' && it.write !== '' && it.provision !== '')).toBe(true);
  });

  test('and what the databases know', async () => {
    const { activities, keeping, stores, recipients } = await record('first.yaml');
    expect(activities[0]).toMatchObject({
      purpose: 'ads',
      bases: [
        { basis: 'soft_opt_in', channels: ['email'], regimes: [] },
        { basis: 'consent', provision: 'Art. 6(1)(a) GDPR', channels: ['web'], regimes: [] },
      ],
      subjects: [{ subject: 'person', people: 40 }],
      tables: ['shop.public.person'],
    });
    expect(activities[0]!.data).toEqual([
      {
        category: null,
        columns: ['id', 'mail', 'born', EVIL].map((it) => `shop.public.person.${it}`),
        identifying: false,
        origins: [],
        special: [],
        protected: [],
      },
    ]);
    // Sums are nobody's; whoever is reached by a way over another table is somebody.
    expect(activities[1]!.data.map((it) => it.category)).toEqual([null, 'key', 'free_text']);
    expect(activities[1]!.subjects).toEqual([{ subject: 'person', people: 40 }]);
    expect(keeping.map((it) => [it.table.split('.')[2], it.rows, it.keep, it.goesWith.length, it.personal])).toEqual([
      ['person', 40, null, 0, true],
      ['visit', 40, 'P13M', 0, true],
      ['line', 0, null, 1, true],
      ['day', 0, null, 0, false],
    ]);
    expect(stores).toMatchObject([{ store: 'shop', home: true, tables: 4, unclassified: ['shop.public.forgotten'] }]);
    expect(recipients).toMatchObject([{ name: 'cloud', transfer: true, safeguard: null }]);
  });
});

test('a complete manifest lacks nothing', async () => {
  const { missing, activities, recipients } = await record('whole.yaml');
  expect(missing).toEqual([]);
  expect(activities[1]!.data.find((it) => it.special.length > 0)?.special).toEqual(['health']);
  expect(recipients[0]).toMatchObject({ transfer: true, safeguard: 'SCC' });
});

describe('the page', () => {
  test('runs nothing and loads nothing, whatever the names are', async () => {
    for (const file of ['first.yaml', 'whole.yaml']) {
      const page = processingPage(await record(file));
      expect(page).not.toMatch(/<script|javascript:|\son\w+=|<(img|link|iframe|object)|url\(|@import|https?:\/\//i);
      expect(page).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;');
      expect(page).not.toContain('undefined');
      expect(page).not.toContain('[object');
    }
  });

  test('can be read by everybody: language, title, headings in order, tables with captions and named cells', async () => {
    const page = processingPage(await record('first.yaml'));
    expect(page).toMatch(/<html lang="en">[\s\S]*<title>.+<\/title>[\s\S]*<main>/);
    const levels = [...page.matchAll(/<h(\d)/g)].map((it) => Number(it[1]));
    expect(levels[0]).toBe(1);
    expect(levels.every((level, index) => index === 0 || level <= levels[index - 1]! + 1)).toBe(true);
    const tables = page.match(/<table>/g)!.length;
    expect([page.match(/<caption>/g)!.length, page.match(/<tbody>/g)!.length]).toEqual([tables, tables]);
    for (const tag of ['table', 'tr', 'td', 'th', 'dl', 'dd', 'dt', 'section', 'ul', 'li', 'code', 'div', 'strong']) {
      expect([tag, page.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0]).toEqual([
        tag,
        page.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0,
      ]);
    }
  });

  test('marks what is missing in words', async () => {
    expect(processingPage(await record('first.yaml')).match(/>MISSING</g)!.length).toBeGreaterThan(5);
    expect(processingPage(await record('whole.yaml'))).not.toContain('MISSING');
  });
});

describe('the command', () => {
  const run = (...args: string[]) => probity(['processing-record', ...args], { cwd: folder, env: { SHOP_URL: database.url } });

  test('tells what is missing; only --strict makes that a finding', async () => {
    const { code, stdout } = await run('-m', 'first.yaml');
    expect([code, stdout]).toEqual([0, expect.stringContaining('14 particulars are MISSING')]);
    expect(stdout).toContain(
      'recipients.cloud.safeguard  What makes the transfer to US lawful (Art. 30(1)(e), Art. 44)\n    write: safeguard: ',
    );
    expect((await run('-m', 'first.yaml', '--strict')).code).toBe(1);
    const whole = await run('-m', 'whole.yaml', '--strict');
    expect([whole.code, whole.stdout]).toEqual([0, expect.stringContaining('nothing that can be known here is missing')]);
  });

  test('gives the same as JSON, and no value of a row anywhere', async () => {
    const env = { SHOP_URL: database.url };
    const json = await probityJson<ProcessingRecord>(['processing-record', '-m', 'first.yaml', '--html', 'r.html'], { cwd: folder, env });
    expect({ ...json, madeAt: '' }).toEqual({ ...(await record('first.yaml')), madeAt: '' });
    expect(JSON.stringify(json) + readFileSync(join(folder, 'r.html'), 'utf8')).not.toMatch(/the-secret-value|someone1@/);
  });

  test('replaces a page of its own and nothing else', async () => {
    expect((await run('-m', 'whole.yaml', '--html', 'page.html')).code).toBe(0);
    expect((await run('-m', 'first.yaml', '--html', 'page.html')).code).toBe(0);
    expect(readFileSync(join(folder, 'page.html'), 'utf8')).toContain('MISSING');
    writeFileSync(join(folder, 'theirs.html'), 'theirs');
    const refused = await run('-m', 'first.yaml', '--html', 'theirs.html');
    expect([refused.code, readFileSync(join(folder, 'theirs.html'), 'utf8')]).toEqual([2, 'theirs']);
  });
});
