import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { addActor } from '../../client/actors.ts';
import { check, errorsIn } from '../../client/check.ts';
import { migrateStores } from '../../client/migrate.ts';
import { openProject, type Project } from '../../client/project.ts';
import { apply } from '../../client/versions.ts';
import { importEntries } from '../../database/permission/import.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { createDatabase, type BenchServices } from './server.ts';

/** A shop of closed accounts: a customer and eight tables that lead there, by foreign keys of one or two hops, every one indexed. */
export interface RequestsWorld {
  readonly project: Project;
  readonly env: Readonly<Record<string, string>>;
  readonly client: pg.Client;
  /** Of whoever approves. */
  readonly token: string;
  readonly close: () => Promise<void>;
}

export const NEWSLETTER = 'newsletter';
const PEOPLE_AT_ONCE = 5_000;
/** A tenth of the customers has as many events. */
export const EVENTS = 50;
/** Of the first customers that many have agreed to the newsletter. */
export const AGREED_SHARE = 0.05;

/** Children before parents: whoever deletes by hand needs the order. */
export const LINKED = ['order_line', 'orders', 'address', 'device', 'invoice', 'note', 'page_view', 'event'] as const;

const schema = (customers: number): string => `
  create table customer (customer_id bigint primary key, email text not null unique, phone text, name text not null, created_at timestamptz not null, closed_at timestamptz);
  create table address (address_id bigint primary key, customer_id bigint not null references customer, street text not null, city text not null, postcode text);
  create table device (device_id uuid primary key, customer_id bigint not null references customer, kind text not null, last_seen_at timestamptz);
  create table orders (order_id bigint primary key, customer_id bigint not null references customer, status text not null, total integer not null, placed_at timestamptz not null);
  create table order_line (order_id bigint not null references orders, line integer not null, article text not null, quantity integer not null, primary key (order_id, line));
  create table invoice (invoice_id bigint primary key, customer_id bigint not null references customer, number text not null, recipient text not null, issued_at timestamptz not null);
  create table note (note_id bigint primary key, customer_id bigint not null references customer, body text not null, created_at timestamptz not null);
  create table page_view (view_id bigint primary key, customer_id bigint not null references customer, url text not null, viewed_at timestamptz not null);
  create table event (event_id bigint primary key, customer_id bigint not null references customer, kind text not null, payload jsonb not null, at timestamptz not null);
  insert into customer select i, 'person' || i || '@mail' || i % 50 || '.example', '+49 151 ' || lpad(i::text, 8, '0'), 'Given' || i % 3000 || ' Family' || i % 7919,
    timestamptz '2024-01-01' + i * interval '1 minute', timestamptz '2026-06-01' from generate_series(1, ${customers}) i;
  insert into address select i, i, 'Long Street ' || i % 400, 'City ' || i % 900, lpad((i % 99999)::text, 5, '0') from generate_series(1, ${customers}) i;
  insert into device select md5(i::text)::uuid, i, (array['phone', 'tablet', 'desktop'])[1 + i % 3], timestamptz '2026-01-01' from generate_series(1, ${customers}) i;
  insert into orders select i, i, 'delivered', i % 500, timestamptz '2025-01-01' + i * interval '1 minute' from generate_series(1, ${customers}) i;
  insert into order_line select i, 1, 'article ' || i % 2000, 1 + i % 3 from generate_series(1, ${customers}) i;
  insert into invoice select i, i, 'INV-2025-' || lpad(i::text, 8, '0'), 'Given' || i % 3000 || ' Family' || i % 7919, timestamptz '2025-01-02' from generate_series(1, ${customers}) i;
  insert into note select i, i, 'Called about the delivery of article ' || i % 2000 || ', will be in again after the weekend', timestamptz '2025-02-01' from generate_series(1, ${customers}) i;
  insert into page_view select i, i, '/catalogue/' || i % 300 || '/article/' || i % 2000, timestamptz '2025-03-01' + i * interval '1 minute' from generate_series(1, ${customers}) i;
  insert into event select i * ${EVENTS} + j, i, (array['click', 'open', 'search'])[1 + j % 3], jsonb_build_object('page', '/c/' || (i + j) % 900, 'session', md5((i * 31 + j)::text), 'ms', i * j % 5000),
    timestamptz '2025-04-01' + (i + j) * interval '1 minute' from generate_series(10, ${customers}, 10) i, generate_series(0, ${EVENTS - 1}) j;
  ${LINKED.filter((table) => table !== 'order_line')
    .map((table) => `create index on ${table} (customer_id);`)
    .join(' ')}`;

const MANIFEST: ManifestInput = {
  organisation: 'Bench',
  timezone: 'Europe/Berlin',
  mode: 'enforce',
  stores: { shop: { url: '${SHOP_URL}', home: true, schemas: ['public'] } },
  purposes: {
    service: { basis: 'contract', ends: 'shop.public.customer.closed_at', description: 'Deliver' },
    [NEWSLETTER]: { basis: 'consent', description: 'News' },
  },
  subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email', phone: 'phone' } } },
  tables: {
    ...Object.fromEntries(['customer', 'order_line', 'orders', 'address', 'device', 'invoice', 'note'].map((name) => [`shop.public.${name}`, { purposes: ['service'] }])),
    'shop.public.page_view': { purposes: [NEWSLETTER], captured_at: 'viewed_at' },
    'shop.public.event': { purposes: [NEWSLETTER], captured_at: 'at' },
  },
}; // prettier-ignore

/** Makes, fills and takes in a database of its own. */
export async function requestsWorld(services: BenchServices, name: string, customers: number): Promise<RequestsWorld> {
  const url = await createDatabase(services, name);
  const folder = mkdtempSync(join(tmpdir(), 'probity-bench-manifest-'));
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query(schema(customers));
  await client.query('vacuum analyze');
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(MANIFEST));
  const env = {
    SHOP_URL: url,
    PROBITY_MASTER_KEY: randomBytes(32).toString('base64'),
    PROBITY_SIGNING_KEY: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const project = await openProject(file, env);
  await migrateStores(project, null);
  const problems = errorsIn((await check(file, env)).problems);
  if (problems.length > 0) throw new Error(JSON.stringify(problems, null, 1));
  await apply(project, { env, actor: 'bench', enforce: true });
  const agreed = Math.floor(customers * AGREED_SHARE);
  for (let from = 1; from <= agreed; from += PEOPLE_AT_ONCE)
    await importEntries(project.home, grants(from, Math.min(agreed, from + PEOPLE_AT_ONCE - 1)));
  const admin = await addActor(project, { name: 'root', roles: ['admin'] }, { token: null, name: 'bench' });
  const { token } = await addActor(project, { name: 'anna', roles: ['approver'] }, { token: admin.token, name: 'root' });
  // Workflows are named by a request's number, and the worlds of a benchmark share one Temporal.
  await client.query(`select setval('probity.request_number', 100000 * (1 + abs(hashtext($1)) % 9000))`, [name]);
  await client.query('vacuum analyze');
  return {
    project,
    env,
    client,
    token,
    close: async () => {
      await project.close();
      await client.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function grants(first: number, last: number): Parameters<typeof importEntries>[1] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    subject: 'customer', key: String(first + index), purpose: NEWSLETTER, channel: null, decision: 'granted', captured_at: '2025-01-01T00:00:00Z',
    touchpoint: 'onboarding', notice: '2025-01', language: 'de', given_by: null, proof: null, actor: 'bench', door: 'import', id: null,
  })); // prettier-ignore
}

/** What a user writes instead: one transaction, set-based, children first. The ids stand in a temporary table. */
export async function eraseByHand(client: pg.Client, ids: readonly number[]): Promise<number> {
  const from = performance.now();
  await client.query('begin');
  await client.query('create temporary table gone (customer_id bigint primary key) on commit drop');
  await client.query('insert into gone select unnest($1::bigint[])', [ids]);
  await client.query('analyze gone');
  await client.query('delete from order_line l using orders o, gone g where o.customer_id = g.customer_id and l.order_id = o.order_id');
  for (const table of [...LINKED.slice(1), 'customer'])
    await client.query(`delete from ${table} t using gone g where t.customer_id = g.customer_id`);
  await client.query('commit');
  return performance.now() - from;
}
