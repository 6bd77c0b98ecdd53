import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalog } from '../../../database/catalog.ts';
import { openStore } from '../../../database/store.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import type { Problem } from '../../../manifest/problem.ts';
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

async function problemsOf(url: string, text = MANIFEST): Promise<Problem[]> {
  const store = openStore({ name: 'shop', url });
  try {
    const { manifest, source } = parseManifestText(text);
    return checkManifest(manifest!, source.place, { shop: await readCatalog(store) });
  } finally {
    await store.close();
  }
}

const check = async (url: string): Promise<string[]> =>
  (await problemsOf(url)).map((it) => `${it.place?.line} ${it.severity} ${it.code}`).toSorted();

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

test('triggers that may copy what goes are named with what they write, as far as their text tells', async () => {
  const fresh = await freshDatabase();
  const { url } = fresh;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`
    create schema audit;
    create table audit.log (t text);
    create table archive (t text);
    create table "Odd One" (t text);
    create table a (id int primary key, at date);
    create table b (id int primary key, at date, note text);
    create function by_path() returns trigger language plpgsql set search_path = audit, public as
      $$ begin /* insert into archive */ INSERT INTO log select old::text; return null; end $$;
    create function by_name() returns trigger language plpgsql as
      $$ begin insert into archive values (old.id); insert into "Odd One" values (old.id); update a set id = id; return null; end $$;
    create function made_up() returns trigger language plpgsql as $$ begin execute format('insert into %I select $1', tg_argv[0]) using old.id; return null; end $$;
    create function harmless() returns trigger language plpgsql as $$ begin perform pg_notify('gone', ''); return null; end $$;
    create trigger path after delete on a for each row execute function by_path();
    create trigger named after delete or update on a for each row execute function by_name();
    create trigger dynamic after delete on a for each row execute function made_up('archive');
    create trigger quiet after delete on a for each row execute function harmless();
    create trigger masked after update on b for each row execute function by_name();
    create trigger unmasked after delete on b for each row execute function by_name();`);
  await client.end();
  const manifest = `organisation: O
stores: { shop: { url: x } }
tables:
  shop.public.a: { retention: { keep: P1Y, after: at } }
  shop.public.b: { retention: { keep: P1Y, after: at, then: { mask: { note: null } } } }
  shop.public.archive: {}
ignore: { shop.public.Odd One: x }
`;
  const told = (await problemsOf(url, manifest)).filter(({ code }) => code === 'P152');
  expect(told.map(({ place, message }) => `${place?.line} ${message}`)).toEqual([
    '4 the trigger `dynamic` runs after delete on `public.a`; what its function public.made_up writes cannot be told',
    '4 the trigger `named` runs after delete on `public.a` and may write to `public.Odd One`, `public.archive`',
    '4 the trigger `path` runs after delete on `public.a` and may write to `audit.log`',
    '5 the trigger `masked` runs after update on `public.b` and may write to `public.Odd One`, `public.a`, `public.archive`',
  ]);
  expect(told[2]!.fix).toBe('declare `shop.audit.log`, or drop trigger "path" on "public"."a"');
  await fresh.drop();
});
