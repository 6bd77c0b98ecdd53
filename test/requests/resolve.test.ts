import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolvePeople } from '../../database/requests/resolve.ts';
import { openStore, type Store } from '../../database/store.ts';
import type { Seed } from '../../domain/requests/resolve.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import { freshDatabase } from '../support/databases.ts';

const SHOP = `
  create table customer (shop_id text, customer_id bigint, email text, phone text, card text, primary key (shop_id, customer_id));
  insert into customer values
    ('de', 1, ' Anna@x.example ', '+49 170 5550001', 'C-1'),
    ('de', 2, 'ben@x.example', '+49 170 5550002', null),
    ('de', 3, 'cleo@x.example', '0170 5550002', null),
    ('de', 4, 'twice@x.example', null, null),
    ('de', 5, 'TWICE@x.example', null, null),
    ('de', 6, 'dora@x.example', '+49 170 5550006', 'C-6'),
    ('de', 7, 'emil@x.example', null, 'C-7'),
    ('de', 8, 'far@x.example', null, null)`;
const SUPPORT = `
  create table contact (contact_id uuid primary key, email text, phone text, card text);
  insert into contact values
    ('00000000-0000-0000-0000-000000000001', 'ANNA@x.example', '0170 5559999', null),
    ('00000000-0000-0000-0000-000000000002', 'other@x.example', '+49170 555 0001', null),
    ('00000000-0000-0000-0000-000000000006', 'dora@x.example', null, null),
    ('00000000-0000-0000-0000-000000000066', 'Dora@X.example', null, null),
    ('00000000-0000-0000-0000-000000000007', 'ben@x.example', null, 'C-7'),
    ('00000000-0000-0000-0000-000000000008', 'far@x.example', null, 'L-1');
  create table lead (lead_id integer primary key, card text, email text);
  insert into lead values (80, 'L-1', 'far@elsewhere.example'), (90, 'C-1', null)`;

const id = (n: string): string => `00000000-0000-0000-0000-0000000000${n}`;
const customer = (n: number): { subject: string; key: string } => ({ subject: 'customer', key: `["de", "${n}"]` });
const contact = (n: string): { subject: string; key: string } => ({ subject: 'contact', key: id(n) });

let stores: Map<string, Store>;
const ends: (() => Promise<void>)[] = [];
const { manifest } = parseManifestValue({
  organisation: 'Resolve',
  timezone: 'Europe/Berlin',
  stores: { shop: { url: '${SHOP_URL}', home: true }, support: { url: '${SUPPORT_URL}' } },
  purposes: { use: { basis: 'contract', while: 'contract', description: 'Use' } },
  subjects: {
    customer: {
      table: 'shop.public.customer',
      key: ['shop_id', 'customer_id'],
      identities: { email: 'email', phone: 'phone', card: 'card' },
    },
    contact: { table: 'support.public.contact', key: 'contact_id', identities: { email: 'email', phone: 'phone', card: 'card' } },
    lead: { table: 'support.public.lead', key: 'lead_id', identities: { card: 'card', email: 'email' } },
  },
  tables: {},
});

beforeAll(async () => {
  const all = await Promise.all(
    Object.entries({ shop: SHOP, support: SUPPORT }).map(async ([name, ddl]) => {
      const database = await freshDatabase();
      const { url } = database;
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(ddl);
      await client.end();
      const store = openStore({ name, url });
      ends.push(async () => {
        await store.close();
        await database.drop();
      });
      return [name, store] as const;
    }),
  );
  stores = new Map(all);
});
afterAll(async () => {
  for (const end of ends) await end();
});

const seed = (more: Partial<Seed>): Seed => ({ keys: [], identities: [], decided: {}, ...more });
const resolve = (...seeds: Seed[]) => resolvePeople(stores, manifest!, seeds);

describe('one person in several stores', () => {
  test('is found by an address that only they have, and brings what the other row knows', async () => {
    const [anna] = await resolve(seed({ keys: [customer(1)] }));
    expect(anna).toEqual({
      keys: [contact('01'), customer(1), { subject: 'lead', key: '90' }],
      identities: { card: ['C-1'], email: [' Anna@x.example '], phone: ['+49 170 5550001', '0170 5559999'] },
      ambiguous: [],
      shared: [],
      // Somebody else has the number in another spelling; a number joins nobody.
      apart: [],
      rejected: [],
    });
  });

  test('is found over several hops', async () => {
    const [far] = await resolve(seed({ keys: [customer(8)] }));
    expect(far?.keys).toEqual([contact('08'), customer(8), { subject: 'lead', key: '80' }]);
    expect(far?.identities['email']).toEqual(['far@elsewhere.example', 'far@x.example']);
  });

  test('is found from what the requester gave alone', async () => {
    const [given] = await resolve(seed({ identities: [{ identity: 'email', value: 'far@elsewhere.example ' }] }));
    expect(given?.keys).toEqual([contact('08'), customer(8), { subject: 'lead', key: '80' }]);
  });

  test('many at once are each what they are alone', async () => {
    const seeds = [1, 2, 3, 4, 6, 7, 8, 99].map((n) => seed({ keys: [customer(n)] }));
    const alone = [];
    for (const one of seeds) alone.push((await resolve(one))[0]);
    expect(await resolve(...seeds)).toEqual(alone);
    expect(alone.at(-1)).toEqual({ keys: [customer(99)], identities: {}, ambiguous: [], apart: [], rejected: [], shared: [] });
  });
});

describe('what does not say who somebody is', () => {
  test('a number alone joins nobody, and is told', async () => {
    const [given] = await resolve(seed({ identities: [{ identity: 'phone', value: '+49 170 5550001' }] }));
    expect(given?.keys).toEqual([]);
    expect(given?.apart).toEqual([
      { subject: 'contact', identity: 'phone', rows: 1 },
      { subject: 'customer', identity: 'phone', rows: 1 },
    ]);
    const [ben] = await resolve(seed({ keys: [customer(2)] }));
    expect(ben?.keys).not.toContainEqual(customer(3));
  });

  test('an address that several rows have is asked about, and joins nobody until then', async () => {
    const [dora] = await resolve(seed({ keys: [customer(6)] }));
    expect(dora).toMatchObject({ keys: [customer(6)], ambiguous: [{ subject: 'contact', identity: 'email', rows: 2 }] });
    const [twice] = await resolve(seed({ keys: [customer(4)] }));
    expect(twice).toMatchObject({ keys: [customer(4)], ambiguous: [{ subject: 'customer', identity: 'email', rows: 2 }] });
  });

  test('is decided: all of them, none of them, or the ones that were named', async () => {
    const accepted = seed({ keys: [customer(6)], decided: { 'contact.email': 'accept' } });
    const rejected = seed({ keys: [customer(6)], decided: { 'contact.email': 'reject' } });
    const named = seed({ keys: [customer(6), contact('06'), contact('66')] });
    const [all, none, both] = await resolve(accepted, rejected, named);
    expect(all).toMatchObject({ keys: [contact('06'), contact('66'), customer(6)], ambiguous: [] });
    expect(none).toMatchObject({ keys: [customer(6)], ambiguous: [], rejected: ['contact.email'] });
    // What is not only theirs leads to no rows, and is not searched for.
    expect(none?.identities['email']).toBeUndefined();
    expect(both).toMatchObject({ keys: [contact('06'), contact('66'), customer(6)], ambiguous: [] });
  });

  test('nobody gets a second row of their own kind by it', async () => {
    // Ben's contact has the card of Emil.
    const [ben] = await resolve(seed({ keys: [customer(2)] }));
    expect(ben).toMatchObject({ keys: [contact('07'), customer(2)], ambiguous: [{ subject: 'customer', identity: 'card', rows: 2 }] });
  });
});
