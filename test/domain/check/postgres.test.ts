import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalog } from '../../../database/catalog.ts';
import { openStore } from '../../../database/store.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import { freshDatabase, type FreshDatabase } from '../../support/databases.ts';

// Roles belong to the server, which other tests use too.
const ROLE = `reader_${randomBytes(4).toString('hex')}`;
let database: FreshDatabase;
let asReader: string;

const SCHEMA = `
  create table a (id int8 primary key, b_id int8 not null, at timestamptz not null);
  create table b (id int8 primary key, a_id int8 not null references a);
  alter table a add foreign key (b_id) references b;
  create index on a (at);
  create index on a (b_id);
  create table outside (a_id int8 references a on delete cascade);
  create table hidden (id int8 primary key, at timestamp);
  alter table hidden enable row level security;
  create policy own on hidden using (id = 1);
  create table ruled (id int8 primary key, at date);
  create rule keep as on delete to ruled do instead nothing;
  create table parts (at date not null) partition by range (at);
  create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01');
`;

const MANIFEST = `organisation: O
stores: { shop: { url: x } }
tables:
  shop.public.a: { retention: { keep: P1Y, after: at, children: { shop.public.b: delete } } }
  shop.public.b: {}
  shop.public.hidden: { retention: { keep: P1Y, after: at } }
  shop.public.ruled: { retention: { keep: P1Y, after: at } }
  shop.public.parts: { retention: { keep: P1Y, after: at } }
`;

beforeAll(async () => {
  database = await freshDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(SCHEMA);
  await client.query(
    `create role ${ROLE} login password 'x'; grant select on all tables in schema public to ${ROLE}; revoke select on parts from ${ROLE}`,
  );
  await client.end();
  const url = new URL(database.url);
  url.username = ROLE;
  url.password = 'x';
  asReader = url.href;
});

afterAll(async () => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`drop owned by ${ROLE}; drop role ${ROLE}`);
  await client.end();
  await database.drop();
});

async function check(url: string): Promise<string[]> {
  const store = openStore({ name: 'shop', url });
  try {
    const { manifest, source } = parseManifestText(MANIFEST);
    const problems = checkManifest(manifest!, source.place, { shop: await readCatalog(store) });
    return problems.map((it) => `${it.place?.line} ${it.severity} ${it.code}`).toSorted();
  } finally {
    await store.close();
  }
}

test('the owner sees what is wrong with a schema', async () => {
  expect(await check(database.url)).toEqual([
    '2 error P104', // `outside` is not declared
    '2 warning P108', // its reference has no index
    '4 error P109', // a and b hold each other
    '4 error P122', // rows of `outside` would cascade away
    '4 info P131', // what refers to a or b otherwise is kept
    '5 warning P108', // b.a_id has no index
    '6 info P129',
    '6 warning P107', // hidden.at has no zone
    '7 error P123', // DELETE on `ruled` does nothing
    '7 info P129',
  ]);
});

test('a reader also sees what it may not do', async () => {
  const found = await check(asReader);
  expect(found).toContain('6 error P111'); // row security
  expect(found).toContain('8 error P125'); // no SELECT on parts
  expect(found).toContain('4 warning P125'); // no DELETE on a, while observing
});
