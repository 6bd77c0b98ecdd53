import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { migrateStores } from '../../client/migrate.ts';
import { openProject, type Project } from '../../client/project.ts';
import { apply } from '../../client/versions.ts';
import { recordEntries, type RecordEntry } from '../../database/permission/record.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

/** A shop with what makes views hard: partitions, shared households, gifts, polymorphic notes, JSON, composite keys, an enum. */
const HOME = `
  create type stage as enum ('new', 'active');
  create table customer (customer_id bigint primary key, email text, country text, born date, stage stage not null default 'new', vip boolean,
    signed_up_at timestamptz not null, closed_at timestamptz, referred_by bigint references customer);
  create table address (address_id bigint primary key, customer_id bigint references customer, city text, created_at timestamptz not null);
  create table orders (order_id bigint primary key, customer_id bigint not null references customer, ship_to bigint references address,
    total numeric(12, 2) not null, placed_at timestamptz not null);
  create table order_line (order_id bigint references orders, line_no integer, product text not null, primary key (order_id, line_no));
  create table page_view (page_view_id bigint, customer_id bigint, path text not null, viewed_at timestamptz not null, primary key (viewed_at, page_view_id))
    partition by range (viewed_at);
  create table page_view_2025 partition of page_view for values from ('2025-01-01') to ('2026-01-01');
  create table page_view_later partition of page_view default;
  create table household (household_id bigint primary key, size integer);
  create table household_member (household_id bigint references household, customer_id bigint references customer, primary key (household_id, customer_id));
  create table note (note_id bigint primary key, entity_type text, entity_id bigint, topic text, created_at timestamptz not null);
  create table event (event_id bigint primary key, customer_id bigint, payload jsonb, at timestamptz not null);
  create table day_total (day date primary key, n bigint not null);
  create table member (tenant_id integer, member_no integer, level text, joined_on date not null, primary key (tenant_id, member_no));
  create table posting (posting_id bigint primary key, tenant_id integer, member_no integer, topic text, posted_on date,
    foreign key (tenant_id, member_no) references member);
  create index on page_view (customer_id)`;
const SUPPORT = `
  create table ticket (ticket_id bigint primary key, requester_email text, status text not null, opened_at timestamptz not null);
  create table ticket_message (ticket_id bigint references ticket, message_no integer, length integer, primary key (ticket_id, message_no));
  create table call (call_id bigint primary key, customer_id bigint, minutes integer not null, called_at timestamptz not null)`;

export interface ViewShop {
  readonly project: Project;
  readonly manifest: string;
  readonly env: Record<string, string>;
  /** As the owner of the tables. */
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<T[]>;
  readonly support: ViewShop['query'];
  readonly record: (...entries: readonly Partial<RecordEntry>[]) => Promise<void>;
  /** The role that reads personalization, analytics and the like; `rival` reads the other purposes. */
  readonly analyst: string;
  readonly rival: string;
  /** A connection of one of them; closed with the shop. */
  readonly as: (role: string, store?: 'shop' | 'support') => Promise<pg.Client>;
  readonly close: () => Promise<void>;
}

export interface ShopOptions {
  readonly adminUrl?: string;
  readonly mode?: 'observe' | 'enforce';
  readonly changes?: Partial<ManifestInput>;
}

export async function viewShop({ adminUrl, mode = 'enforce', changes = {} }: ShopOptions = {}): Promise<ViewShop> {
  const on = adminUrl === undefined ? {} : { adminUrl };
  const [home, second] = [await freshDatabase(on), await freshDatabase(on)];
  const pools = [home, second].map(({ url }) => {
    const pool = new pg.Pool({ connectionString: url, max: 2 });
    pool.on('error', () => undefined);
    return pool;
  }) as [pg.Pool, pg.Pool];
  await pools[0].query(HOME);
  await pools[1].query(SUPPORT);
  const tag = randomBytes(4).toString('hex');
  const [analyst, rival] = [`analyst_${tag}`, `rival_${tag}`];
  for (const role of [analyst, rival]) await pools[0].query(`create role ${role} login password 'open'`);
  for (const pool of pools) await pool.query(`create schema ${analyst} authorization ${analyst}`);
  const folder = temporaryFolder('views');
  const manifest = join(folder, 'probity.json');
  writeFileSync(manifest, JSON.stringify({ ...input(analyst, rival), mode, ...changes }));
  const env = { SHOP_URL: home.url, SUPPORT_URL: second.url };
  const project = await openProject(manifest, env);
  await migrateStores(project, null);
  await apply(project, { env, actor: 'tester', enforce: true });
  const clients: pg.Client[] = [];
  const asking =
    (pool: pg.Pool) =>
    async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await pool.query<T>(text, [...values])).rows;
  return {
    project,
    manifest,
    env,
    query: asking(pools[0]),
    support: asking(pools[1]),
    record: async (...entries) => {
      await recordEntries(
        project.home,
        entries.map((entry) => ({ ...ENTRY, ...entry })),
      );
    },
    analyst,
    rival,
    as: async (role, store = 'shop') => {
      const url = new URL((store === 'shop' ? home : second).url);
      url.username = role;
      url.password = 'open';
      const client = new pg.Client({ connectionString: url.href });
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) await client.end();
      await project.close();
      for (const pool of pools) await pool.query(`drop owned by ${analyst}, ${rival} cascade`);
      await pools[0].query(`drop role ${analyst}, ${rival}`).catch(() => undefined);
      for (const pool of pools) await pool.end();
      for (const database of [home, second] as FreshDatabase[]) await database.drop();
    },
  };
}

const ENTRY: RecordEntry = {
  subject: 'customer',
  key: '1',
  purpose: 'personalization',
  channel: null,
  decision: 'granted',
  captured_at: '2025-01-01T00:00:00Z',
  touchpoint: 'import',
  notice: null,
  language: null,
  given_by: 'self',
  proof: null,
  actor: 'tester',
  door: 'library',
  id: null,
};

function input(analyst: string, rival: string): ManifestInput {
  return {
    organisation: 'Views',
    timezone: 'Europe/Berlin',
    mode: 'enforce',
    regimes: { default: 'gdpr', from: 'customer.country', map: { 'US-CA': 'ccpa' } },
    stores: { shop: { url: '${SHOP_URL}', home: true }, support: { url: '${SUPPORT_URL}' } },
    purposes: {
      fulfilment: { basis: 'contract', ends: 'shop.public.customer.closed_at', description: 'Deliver', readers: [rival] },
      personalization: { basis: 'consent', channels: ['email', 'web'], minimum_age: 16, description: 'Suit', readers: [analyst] },
      analytics: { basis: 'legitimate_interests', objection: 'balanced', description: 'Improve', readers: [analyst, rival] },
      newsletter: {
        basis: { default: 'consent', email: 'soft_opt_in' },
        objection: 'absolute',
        channels: ['email'],
        description: 'Write',
        readers: [analyst],
      },
      sale: { basis: { default: 'consent', ccpa: 'opt_out' }, channels: ['web', 'mobile'], description: 'Sell', readers: [analyst] },
      tax: { basis: 'legal_obligation', description: 'Books', readers: [rival] },
      club: { basis: 'consent', description: 'Club', readers: [analyst] },
    },
    subjects: {
      customer: { table: 'shop.public.customer', key: 'customer_id', birth: 'born', identities: { email: 'email' } },
      member: { table: 'shop.public.member', key: ['tenant_id', 'member_no'] },
    },
    tables: {
      'shop.public.customer': {
        purposes: ['fulfilment', 'personalization', 'analytics', 'sale', 'newsletter', 'tax'],
        captured_at: 'signed_up_at',
        columns: {
          customer_id: 'key',
          email: { category: 'contact', identifying: true, purposes: ['fulfilment'] },
          country: 'location',
          born: { category: 'demographic', identifying: true },
          stage: 'behaviour',
          vip: { category: 'behaviour', purposes: ['fulfilment'] },
          signed_up_at: 'behaviour',
          closed_at: 'behaviour',
          referred_by: 'key',
        },
      },
      'shop.public.address': { purposes: ['fulfilment'], captured_at: 'created_at' },
      'shop.public.orders': {
        purposes: ['fulfilment', 'personalization', 'analytics'],
        captured_at: 'placed_at',
        columns: { order_id: 'key', customer_id: 'key', ship_to: 'key', total: 'financial', placed_at: 'behaviour' },
      },
      'shop.public.order_line': { purposes: ['personalization', 'analytics'] },
      'shop.public.page_view': { purposes: ['personalization', 'analytics', 'sale'], captured_at: 'viewed_at' },
      'shop.public.household': { purposes: ['analytics', 'personalization'] },
      'shop.public.household_member': { purposes: ['analytics'] },
      'shop.public.note': {
        purposes: ['analytics', 'personalization'],
        captured_at: 'created_at',
        columns: { note_id: 'key', entity_type: 'technical', entity_id: 'key', topic: 'behaviour', created_at: 'behaviour' },
      },
      'shop.public.event': {
        purposes: ['analytics'],
        captured_at: 'at',
        json: [
          { column: 'payload', path: '$.contact.email' },
          { column: 'payload', path: '$.phone' },
        ],
      },
      'shop.public.day_total': { purposes: ['analytics', 'personalization'] },
      'shop.public.member': { purposes: ['club'], captured_at: 'joined_on' },
      'shop.public.posting': { purposes: ['club'], captured_at: 'posted_on' },
      'support.public.ticket': {
        purposes: ['personalization', 'analytics'],
        captured_at: 'opened_at',
        columns: {
          ticket_id: 'key',
          requester_email: { category: 'contact', identifying: true },
          status: 'behaviour',
          opened_at: 'behaviour',
        },
      },
      'support.public.ticket_message': { purposes: ['personalization', 'analytics'] },
      'support.public.call': { purposes: ['personalization'], captured_at: 'called_at' },
    },
    references: [
      { from: 'support.public.ticket.requester_email', to: 'customer.email' },
      { from: 'support.public.call.customer_id', to: 'customer' },
      { from: 'shop.public.page_view.customer_id', to: 'customer' },
      { from: 'shop.public.event.customer_id', to: 'customer' },
      // Whom an order is sent to, it is about, too: both must allow its use.
      { from: 'shop.public.orders.customer_id', to: 'customer', as: 'owner' },
      { from: 'shop.public.orders.ship_to', to: 'shop.public.address.address_id', as: 'owner' },
      { from: 'shop.public.note.entity_id', when: { entity_type: 'customer' }, to: 'customer' },
      { from: 'shop.public.note.entity_id', when: { entity_type: 'order' }, to: 'shop.public.orders.order_id' },
      { from: 'shop.public.note.entity_id', when: { entity_type: 'household' }, to: 'shop.public.household.household_id' },
    ],
    shared: [{ table: 'shop.public.household', owners: 'shop.public.household_member' }],
  };
}
