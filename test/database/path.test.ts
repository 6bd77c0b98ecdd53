import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { check } from '../../client/check.ts';
import { StoreError } from '../../database/errors.ts';
import { migrate } from '../../database/migrate.ts';
import { inTransaction, openStore } from '../../database/store.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

// Roles belong to the server, which other tests use too.
const suffix = randomBytes(4).toString('hex');
const [STRANGER, OURS, APP] = [`stranger_${suffix}`, `ours_${suffix}`, `app_${suffix}`];

/** A company whose tables belong to its application, in a database from before Postgres 15, with an extension in `public`. */
const SCHEMA = `
  create role ${STRANGER}; create role ${APP}; create role ${OURS} login password 'ours';
  grant create on schema public to public;
  create extension citext;
  set role ${APP};
  create domain mail as text;
  create table person (code varchar, tags text[], mail mail, nick public.citext, ref int);
  grant all on person to ${OURS};
  create function normal(code text) returns text language sql as $$ select upper(code) $$;
  reset role;
  create table loot (who text);
  grant insert on loot to public;
  insert into person values ('a', '{x}', 'm', 'n', 1)`;

const takes = (name: string, args: string, returns: string, result: string): string =>
  `create function ${name}(${args}) returns ${returns} language plpgsql as $$ begin insert into loot values (current_user); return ${result}; end $$`;
const equals = (type: string): string =>
  `${takes('public.take', `a ${type}, b ${type}`, 'boolean', 'true')}; create operator public.= (leftarg = ${type}, rightarg = ${type}, function = take)`;

/** What a stranger makes, a statement such as ours are that runs it, and how it is named. */
const ATTACKS: readonly (readonly [name: string, made: string, statement: string, named: string])[] = [
  ['an operator for exactly a column’s type', equals('varchar'), `code = code`, 'operator public.=(character varying,character varying)'],
  ['an operator for a domain', equals('mail'), `mail = mail`, 'operator public.=(public.mail,public.mail)'],
  [
    'an operator where Postgres has one for any array',
    equals('text[]'),
    `tags = tags`,
    'operator public.=(pg_catalog.text[],pg_catalog.text[])',
  ],
  ['a function', takes('public.lower', 'a varchar', 'text', 'a'), `lower(code) = 'a'`, 'function public.lower(character varying)'],
  [
    'a function where Postgres has one for anything',
    takes('public.cardinality', 'a text[]', 'int', '1'),
    `cardinality(tags) = 1`,
    'function public.cardinality(pg_catalog.text[])',
  ],
  [
    'an aggregate',
    `${takes('public.step', 's int, a varchar', 'int', '1')}; create aggregate public.count (varchar) (sfunc = public.step, stype = int, initcond = '0')`,
    `(select count(p.code) from public.person p) = 1`,
    'function public.count(character varying)',
  ],
  [
    'a domain with the name of a function',
    `${takes('public.take', 'a text', 'boolean', 'true')}; create domain public.btrim as text check (public.take(value))`,
    `btrim(code) = 'a'`,
    'type public.btrim',
  ],
  [
    'a cast that is implied',
    `${takes('public.take', 'a mood', 'text', `'a'`)}; create cast (mood as text) with function public.take as implicit`,
    `mood = 'a'::text`,
    'cast (public.mood AS pg_catalog.text)',
  ],
  [
    'a schema with the name of our role',
    `create schema ${OURS}; ${takes(`${OURS}.lower`, 'a varchar', 'text', 'a')}; grant usage on schema ${OURS} to public`,
    `lower(code) = 'a'`,
    `function ${OURS}.lower(character varying)`,
  ],
  [
    'an overload in our own schema',
    takes('probity.incarnation', 'a varchar', 'text', 'a'),
    `probity.incarnation(code) = 'a'`,
    'function probity.incarnation(character varying)',
  ],
];

let database: FreshDatabase;
let admin: pg.Pool;
let ours: string;

beforeAll(async () => {
  database = await freshDatabase();
  admin = new pg.Pool({ connectionString: database.url, max: 1 });
  await admin.query(SCHEMA);
  const store = openStore({ name: 'shop', url: database.url });
  await migrate(store, true);
  await store.close();
  // So that the stranger can try everything.
  await admin.query(`grant create on schema probity to ${STRANGER}; grant usage on schema probity to ${STRANGER}, ${OURS}`);
  await admin.query(`grant create on database ${database.name} to ${STRANGER}`);
  await admin.query(
    `set role ${STRANGER}; create type public.mood as enum ('a'); reset role; alter table person add mood mood default 'a'`,
  );
  const url = new URL(database.url);
  [url.username, url.password] = [OURS, 'ours'];
  ours = url.href;
});
afterAll(async () => {
  for (const role of [STRANGER, OURS, APP]) await admin.query(`drop owned by ${role} cascade; drop role ${role}`);
  await admin.end();
  await database.drop();
});

/** Runs `statement` as a condition on the company's table, in the way of a job and in the way of a small question. */
async function runs(statement: string, guarded: boolean, declared: readonly string[] = ['public.person']): Promise<(string | null)[]> {
  const store = openStore({ name: 'shop', url: ours, guarded, declared });
  const question = sql`select from public.person where ${sql.raw(statement)}`;
  const told = async (act: Promise<unknown>): Promise<string | null> =>
    act.then(
      () => null,
      (error: unknown) => (error instanceof StoreError ? `${error.code} ${error.message}` : String(error)),
    );
  try {
    return [await told(question.execute(store.db)), await told(inTransaction(store, {}, (trx) => question.execute(trx)))];
  } finally {
    await store.close();
  }
}

async function looted(): Promise<string[]> {
  const { rows } = await admin.query<{ who: string }>('with gone as (delete from loot returning who) select distinct who from gone');
  return rows.map(({ who }) => who);
}

test.each(ATTACKS)('%s of a stranger’s does not run as our role', async (_name, made, statement, named) => {
  await admin.query('begin');
  await admin.query(`set local role ${STRANGER}; ${made}`);
  await admin.query('reset role; commit');
  try {
    // The attack is real: without the guard it succeeds.
    await runs(statement, false);
    expect(await looted()).toEqual([OURS]);
    for (const told of await runs(statement, true)) {
      expect(told).toContain('PB020');
      expect(told).toContain(named);
      expect(told).toContain(STRANGER);
    }
    expect(await looted()).toEqual([]);
  } finally {
    await admin.query(
      `drop schema if exists ${OURS} cascade; drop aggregate if exists public.count(varchar); drop cast if exists (mood as text);
       drop operator if exists public.= (varchar, varchar); drop operator if exists public.= (mail, mail);
       drop operator if exists public.= (text[], text[]); drop domain if exists public.btrim; drop routine if exists public.step;
       drop routine if exists public.take; drop routine if exists public.lower(varchar); drop routine if exists public.cardinality(text[]);
       drop routine if exists probity.incarnation(varchar)`,
    );
  }
  expect(await runs(statement, true)).not.toContain('PB020');
});

test('what the company, its extensions and its database’s owner have made is no stranger’s, nor is a report of somebody’s', async () => {
  await admin.query(`set role ${APP}`);
  await admin.query(`${takes('public.lower', 'a varchar', 'text', 'a')}; reset role`);
  await admin.query(`set role ${STRANGER}; create function public.weekly_report() returns int language sql as 'select 1'; reset role`);
  try {
    expect(await runs(`lower(code) = 'a' and nick = 'N'`, true)).toEqual([null, null]);
    // The same role, where no table of its is declared.
    const [told] = await runs(`lower(code) = 'a'`, true, []);
    expect(told).toContain('PB020');
  } finally {
    await admin.query('drop function public.lower(varchar); drop function public.weekly_report()');
  }
});

test('`check` names what stands there and who may put something there, each with the statement that mends it', async () => {
  const file = join(temporaryFolder('manifest'), 'probity.yaml');
  writeFileSync(
    file,
    `organisation: O\ntimezone: UTC\nstores: { shop: { url: "\${SHOP_URL}", home: true } }\ntables: { shop.public.person: {} }\n`,
  );
  const found = async (): Promise<(readonly [string, string | null])[]> =>
    (await check(file, { SHOP_URL: ours })).problems.filter(({ code }) => code >= 'P160').map(({ message, fix }) => [message, fix]);
  await admin.query(`set role ${STRANGER}; ${equals('varchar')}; reset role`);
  const problems = await found();
  expect(problems).toEqual([
    [
      `the operator \`public.=(character varying,character varying)\` belongs to role \`${STRANGER}\`, and could run as \`${OURS}\``,
      'drop operator public.=(character varying,character varying)',
    ],
    [
      `role \`${STRANGER}\` may create a schema \`${OURS}\`, which the path of our role begins with`,
      `create schema authorization "${OURS}"`,
    ],
    [
      `role \`${STRANGER}\` may create operators and functions in the schema \`probity\`, which is ours alone`,
      `revoke create on schema "probity" from "${STRANGER}"`,
    ],
    [
      'everybody may create operators and functions in the schema `public`, which is in the path of our role',
      'revoke create on schema "public" from public',
    ],
  ]);
  for (const [, fix] of problems) await admin.query(fix ?? '');
  expect(await found()).toEqual([]);
});

test('a schema of our name that a stranger made is not taken for ours', async () => {
  const prepared = await freshDatabase();
  const client = new pg.Client({ connectionString: prepared.url });
  await client.connect();
  await client.query(`create schema probity authorization ${STRANGER}`);
  const store = openStore({ name: 'shop', url: prepared.url });
  try {
    await expect(migrate(store, true)).rejects.toThrow(`the schema probity of the role ${STRANGER}`);
  } finally {
    await store.close();
    await client.end();
    await prepared.drop();
  }
});
