import { inspect } from 'node:util';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe as suite, expect, it } from 'vitest';
import { describe as describeError, isOutOfReach, StoreError, translating } from '../../database/errors.ts';
import { classify } from '../../database/sqlstates.ts';
import { inTransaction, openStore, ping, type Store } from '../../database/store.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';

/** If this shows up anywhere in an error, a person's data left the database. */
const CANARY = 'canary.person@private.example';

const SCHEMA = `
  create table person (
    id int primary key,
    email text unique,
    age int generated always as (length(email)) stored,
    constraint young check (id < 100)
  );
  create table letter (id int primary key, person_id int references person (id));
  create table loud (email text);
  create function shout() returns trigger language plpgsql as
    $$ begin raise exception 'cannot touch %', coalesce(new.email, old.email) using detail = new.email, hint = new.email; end $$;
  create trigger shout before insert on loud for each row execute function shout();
  create function own_code() returns void language plpgsql as $$ begin raise exception '${CANARY}' using errcode = 'ABC01'; end $$;
  insert into person values (1, '${CANARY}');
  insert into letter values (1, 1)`;

suite('errors that leave database/', () => {
  let database: FreshDatabase;
  let store: Store;

  beforeAll(async () => {
    database = await freshDatabase();
    store = openStore({ name: 'shop', url: database.url });
    await sql.raw(SCHEMA).execute(store.db);
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  const raising: [string, string, Partial<StoreError>][] = [
    [
      'a unique violation',
      `insert into person values (2, '${CANARY}')`,
      {
        code: '23505',
        kind: 'constraint',
        relation: 'public.person',
        constraint: 'person_email_key',
      },
    ],
    ['a check violation', `insert into person values (100, '${CANARY}')`, { code: '23514', kind: 'constraint', constraint: 'young' }],
    [
      'a foreign key violation',
      'delete from person',
      {
        code: '23503',
        kind: 'constraint',
        relation: 'public.letter',
        constraint: 'letter_person_id_fkey',
      },
    ],
    ['a null violation', `insert into person values (null, '${CANARY}')`, { code: '23502', kind: 'constraint' }],
    ['an invalid conversion', `select '${CANARY}'::int`, { code: '22P02', kind: 'raised' }],
    ['a conversion of a row', 'select email::int from person', { code: '22P02', kind: 'raised' }],
    ['a trigger that raises', `insert into loud values ('${CANARY}')`, { code: 'P0001', kind: 'raised' }],
    ['a code of the owner', 'select own_code()', { code: 'ABC01', kind: 'raised' }],
    ['a missing table', `select '${CANARY}' from nowhere`, { code: '42P01', kind: 'schema' }],
    ['a missing column', `select nothing, '${CANARY}' from person`, { code: '42703', kind: 'schema' }],
    ['a syntax error', `selec '${CANARY}'`, { code: '42601', kind: 'other' }],
    ['a missing privilege', `set local role pg_monitor; select '${CANARY}', * from person`, { code: '42501', kind: 'permission' }],
    [
      'a statement timeout',
      `set local statement_timeout = 50; select '${CANARY}', pg_sleep(5)`,
      { code: '57014', kind: 'busy', retryable: true },
    ],
  ];

  it.each(raising)('%s carries no value', async (_name, statement, expected) => {
    const error = await failure(inTransaction(store, {}, (trx) => sql.raw(statement).execute(trx)));
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ store: 'shop', ...expected });
    expectNoCanary(error);
  });

  it('a value bound as a parameter stays out as well', async () => {
    const error = await failure(translating(store, () => sql`select ${CANARY}::int`.execute(store.db), 'shop.public.person'));
    expect(error).toMatchObject({
      kind: 'raised',
      table: 'shop.public.person',
    });
    expect((error as Error).message).toBe('shop.public.person: a trigger, function or conversion failed on a row (SQLSTATE 22P02)');
    expectNoCanary(error);
  });

  it('the original would have carried it', async () => {
    const original = await failure(sql`select ${CANARY}::int`.execute(store.db));
    expect(inspect(original)).toContain(CANARY);
  });

  it('names the constraint and the relation that Postgres named', async () => {
    const error = await failure(translating(store, () => sql`delete from person`.execute(store.db), 'shop.public.person'));
    expect((error as Error).message).toBe(
      'shop.public.person: a row would break a constraint (relation public.letter, constraint letter_person_id_fkey, SQLSTATE 23503)',
    );
  });

  it('a lock that is not free is busy, and a terminated backend neither ends the process nor the pool', async () => {
    const error = await failure(
      inTransaction(store, {}, async (trx) => {
        await sql`lock table person`.execute(trx);
        return inTransaction(store, { lockTimeoutMs: 50 }, (other) => sql`select email from person`.execute(other));
      }),
    );
    expect(error).toMatchObject({
      kind: 'busy',
      code: '55P03',
      retryable: true,
    });

    const terminated = await failure(translating(store, () => sql`select pg_terminate_backend(pg_backend_pid())`.execute(store.db)));
    expect(terminated).toMatchObject({ kind: 'connection', retryable: true });
    await ping(store);
  });

  it('a server that does not answer is out of reach, and no password shows', async () => {
    const nobody = openStore({
      name: 'shop',
      url: 'postgres://someone:s3cret@127.0.0.1:1/nothing',
    });
    const error = await failure(ping(nobody));
    expect(isOutOfReach(error)).toBe(true);
    expect(inspect(error, { depth: 9 })).not.toContain('s3cret');
    await nobody.close();

    const malformed = await failure(Promise.resolve().then(() => openStore({ name: 'shop', url: 's3cret@nowhere:x' })));
    expect(isOutOfReach(malformed)).toBe(true);
    expect(inspect(malformed, { depth: 9 })).not.toContain('s3cret');
  });

  it('a database that does not exist is out of reach, and trying again does not help', async () => {
    const url = new URL((await freshDatabaseUrl()).replace(/\/[^/]*$/, '/not_there'));
    const nowhere = openStore({ name: 'shop', url: url.href });
    expect(await failure(ping(nowhere))).toMatchObject({
      kind: 'connection',
      retryable: false,
      code: '3D000',
    });
    await nowhere.close();
  });

  it('leaves our own bugs as they are', () => {
    const bug = new TypeError('undefined is not a function');
    expect(describeError(bug, { store: 'shop' })).toBe(bug);
    const file = Object.assign(new Error('EPERM: not permitted'), {
      code: 'EPERM',
      syscall: 'open',
    });
    expect(describeError(file, { store: 'shop' })).toBe(file);
  });

  it('reads int8 as number and refuses one that a number cannot hold, without quoting it', async () => {
    const { rows } =
      await sql`select 9007199254740991::int8 as big, date '2026-01-31' as day, timestamp '2026-01-31 10:00' as local`.execute(store.db);
    expect(rows).toEqual([
      {
        big: 9007199254740991,
        day: '2026-01-31',
        local: '2026-01-31 10:00:00',
      },
    ]);
    const error = await failure(sql`select 9007199254740993::int8`.execute(store.db));
    expect(inspect(error)).toContain('beyond 2^53');
    expect(inspect(error)).not.toContain('900719925474099');
  });

  async function freshDatabaseUrl(): Promise<string> {
    const { rows } = await sql<{
      name: string;
    }>`select current_database() as name`.execute(store.db);
    return store.pool.options.connectionString!.replace(rows[0]!.name, 'x');
  }
});

suite('SQLSTATEs', () => {
  it.each([
    ['40P01', 'busy', true],
    ['40001', 'busy', true],
    ['53300', 'busy', true],
    ['57P01', 'connection', true],
    ['08006', 'connection', true],
    ['25006', 'connection', true],
    ['28P01', 'permission', false],
    ['23503', 'constraint', false],
    ['44000', 'constraint', false],
    ['27000', 'raised', false],
    ['ZZ999', 'raised', false],
    ['XX000', 'other', false],
  ])('%s is %s', (code, kind, retryable) => {
    expect(classify(code)).toEqual({ kind, retryable });
  });
});

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('it should have failed'),
    (error: unknown) => error,
  );
}

function expectNoCanary(error: unknown): void {
  const { message, stack, cause } = error as Error;
  const told = [message, stack, inspect(cause), JSON.stringify(error), inspect(error, { depth: 9, showHidden: true })].join('\n');
  expect(told).not.toContain('canary');
  expect(told).not.toContain('private.example');
}
