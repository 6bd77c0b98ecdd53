import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolvePeople } from '../../database/requests/resolve.ts';
import { openStore, type Store } from '../../database/store.ts';
import { isPlaceholder } from '../../domain/requests/identities.ts';
import { kindsOf } from '../../domain/requests/person-kinds.ts';
import { MOST_OF_ONE } from '../../domain/requests/resolve.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import { freshDatabase } from '../support/databases.ts';

// What people have and what rows name, by three identities that are compared in three ways.
const SHOP = `
  create extension citext;
  create table customer (customer_id integer primary key, email text, phone text, handle citext);
  create table message (message_id integer generated always as identity primary key, phone text, email text, handle citext);
  insert into customer select 1000 + i, 'Support@agency.example', null, null from generate_series(1, ${MOST_OF_ONE}) i;
  insert into customer values (2000, 'support@AGENCY.example', null, null), (2001, 'test@shop.example', '+49 170 1234567', 'one');`;
const POOL = {
  phone: ['n/a', 'N/A', ' n/a ', 'unknown', '112', '112 ', '4711', '0000000', '+49 170 5550001', '0170 5550001', '0170/5550001', null],
  email: ['Test@shop.example', 'test@shop.example ', 'a@x.example', ' A@x.example', 'b@x.example', 'n/a', null],
  handle: ['one', 'ONE', 'two', 'three', 'null', null],
} as const;
const NAMES = ['email', 'phone', 'handle'] as const;

let store: Store;
let client: pg.Client;
const ends: (() => Promise<void>)[] = [];
const manifest = parseManifestValue({
  organisation: 'Shared',
  timezone: 'Europe/Berlin',
  stores: { shop: { url: '${SHOP_URL}' } },
  purposes: { use: { basis: 'contract', while: 'contract', description: 'Use' } },
  subjects: {
    customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email', phone: 'phone', handle: 'handle' } },
  },
  tables: { 'shop.public.message': { purposes: ['use'] } },
  references: NAMES.map((name) => ({ from: `shop.public.message.${name}`, to: `customer.${name}` })),
}).manifest!;

beforeAll(async () => {
  const database = await freshDatabase();
  store = openStore({ name: 'shop', url: database.url });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(SHOP);
  ends.push(
    () => client.end(),
    () => store.close(),
    () => database.drop(),
  );
});
afterAll(async () => {
  for (const end of ends) await end();
});

async function resolved(...ids: number[]) {
  const seeds = ids.map((id) => ({ keys: [{ subject: 'customer', key: String(id) }], identities: [], decided: {} }));
  return resolvePeople(new Map([['shop', store]]), manifest, seeds);
}

describe('what several have', () => {
  test('an address of so many that nobody could tell whose it is is left, and no doubt', async () => {
    const [one] = await resolved(2000);
    expect(one).toMatchObject({
      identities: {},
      ambiguous: [],
      shared: [{ subject: 'customer', identity: 'email', rows: MOST_OF_ONE + 1, placeholder: false }],
    });
  });

  test('a placeholder leads nowhere even where nobody else has it', async () => {
    const [one] = await resolved(2001);
    expect(one).toMatchObject({ shared: [{ subject: 'customer', identity: 'email', rows: 1, placeholder: true }] });
    expect(one!.identities).toEqual({ handle: ['one'], phone: ['+49 170 1234567'] });
  });

  test.each([
    ['phone', 'n/a', true],
    ['phone', ' - ', true],
    ['phone', '000-0000', true],
    ['phone', '1234567', true],
    ['phone', '112', false],
    ['phone', '+49 170 5550001', false],
    ['phone', 'ask Mrs Miller', false],
    ['email', 'Test@shop.example', true],
    ['email', 'none', true],
    ['email', 'nora@shop.example', false],
    ['handle', 'unknown', true],
    ['handle', 'testing', false],
  ])('%s %j: plainly none is %s', (identity, value, is) => expect(isPlaceholder(identity, value)).toBe(is));
});

/** Deterministic: a failure can be looked at again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test.each([1, 2, 3, 4, 5, 6])('random customers and messages (%i): no row that names another customer as well is theirs', async (seed) => {
  const next = random(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
  const unique = (name: string, id: number): string =>
    name === 'phone' ? String(3000 + id) : name === 'email' ? `own${id}@x.example` : `own${id}`;
  await client.query('truncate message');
  await client.query('delete from customer where customer_id < 1000');
  const ids = Array.from({ length: 12 }, (_, index) => index + 1);
  const of = (id: number) =>
    NAMES.map((name) => (next() < (name === 'phone' ? 0.3 : 0.75) ? unique(name, id) : pick<string | null>(POOL[name])));
  for (const id of ids) await client.query('insert into customer values ($1, $2, $3, $4)', [id, ...of(id)]);
  for (const id of ids)
    for (const _ of [1, 2]) await client.query('insert into message (email, phone, handle) values ($1, $2, $3)', of(id));
  const people = await resolved(...ids);
  let planned = 0;
  for (const [index, person] of people.entries()) {
    if (person.ambiguous.length > 0) continue;
    planned += 1;
    const kinds = kindsOf(manifest, 'customer', person);
    const has = (name: string): string[] =>
      kinds.flatMap((it) => it.identities.filter(({ identity }) => identity === name).map(({ value }) => value));
    // As the references compare.
    const { rows: taken } = await client.query<{ others: number }>(
      `select (select count(*)::int from customer c where c.customer_id <> all ($4::int[])
          and (lower(btrim(c.email)) = lower(btrim(m.email)) and lower(btrim(m.email)) = any (select lower(btrim(e)) from unnest($1::text[]) e)
            or c.phone = m.phone and m.phone = any ($2) or c.handle = m.handle and m.handle = any ($3::citext[]))) as others
        from message m where lower(btrim(m.email)) = any (select lower(btrim(e)) from unnest($1::text[]) e) or m.phone = any ($2) or m.handle = any ($3::citext[])`,
      [has('email'), has('phone'), has('handle'), person.keys.map(({ key }) => Number(key))],
    );
    expect(taken.filter(({ others }) => others > 0)).toEqual([]);
    // What is theirs alone still leads to rows.
    const { rows: own } = await client.query<Record<string, string | null>>(
      'select email, phone, handle from customer where customer_id = $1',
      [ids[index]],
    );
    for (const name of NAMES) if (own[0]![name] === unique(name, ids[index]!)) expect(has(name)).toContain(own[0]![name]);
  }
  expect(planned).toBeGreaterThan(0);
});
