import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { runProbity } from '../../../cli/run.ts';
import { openProject, type Project } from '../../../client/project.ts';
import type { ManifestInput } from '../../../manifest/schema/root.ts';
import { freshDatabase } from '../../support/databases.ts';
import { temporaryFolder } from '../../support/folders.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CopyWorld {
  readonly project: Project;
  readonly folder: string;
  readonly shop: <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;
  readonly desk: <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;
  readonly probity: (args: readonly string[], more?: { readonly input?: string; readonly token?: string }) => Promise<Ran>;
  /** Opens a verified request of customer (1, n); its number. */
  readonly request: (kind: string, n?: number) => Promise<string>;
  readonly tokens: { readonly olga: string; readonly anna: string };
  readonly close: () => Promise<void>;
}

/** Stands in everything that is about anybody but customer 1. */
export const CANARY = 'canary';

// Customers of a tenant, by a key of two columns; 1 is who asks, 2 shares a household with them, 3 is a stranger.
const SHOP = `
  create table customer (tenant integer, customer_id bigint, email text not null, phone text, name text, score numeric, referred_by bigint,
    primary key (tenant, customer_id), foreign key (tenant, referred_by) references customer);
  create table employee (employee_id bigint primary key, email text not null);
  create table household (household_id bigint primary key, label text, contact_email text, city text, rooms integer, note text);
  create table household_member (household_id bigint references household, tenant integer, customer_id bigint, since date not null,
    primary key (household_id, tenant, customer_id), foreign key (tenant, customer_id) references customer);
  create table purchase (purchase_id bigint primary key, tenant integer not null, customer_id bigint not null, gift_for bigint, handled_by bigint references employee,
    placed_at timestamptz not null, gift_note text, paid numeric(30, 10),
    foreign key (tenant, customer_id) references customer, foreign key (tenant, gift_for) references customer);
  create table purchase_line (purchase_id bigint references purchase, line integer, article text not null, primary key (purchase_id, line));
  create table event (event_id bigint primary key, payload jsonb not null);
  create table profile (tenant integer, customer_id bigint, document json, likes text[], primary key (tenant, customer_id), foreign key (tenant, customer_id) references customer);
  create table setting (name text primary key, value text);
  insert into customer values (1, 1, 'Ada@home.example', '+49 170 1', 'Ada <b>', 0.1, null);
  insert into customer values (1, 2, '${CANARY}2@other.example', '+49 170 ${CANARY}2', '${CANARY} Two', 0.2, 1), (1, 3, '${CANARY}3@other.example', null, '${CANARY} Three', 0.3, 1);
  update customer set referred_by = 3 where customer_id = 1;
  insert into employee values (7777, 'clerk${CANARY}@shop.example');
  insert into household values (1, '${CANARY} family', '${CANARY}2@other.example', 'Bonn', 4, '${CANARY}2 snores'), (2, 'alone', 'ada@home.example', 'Kiel', 1, 'my own note'),
    (3, '${CANARY} family', '${CANARY}3@other.example', 'Ulm', 3, '');
  insert into household_member values (1, 1, 1, '2020-01-01'), (1, 1, 2, '2020-01-01'), (2, 1, 1, '2024-01-01'), (3, 1, 3, '2020-01-01');
  insert into purchase select i, 1, 1, case when i = 2 then 3 end, case when i = 1 then 7777 end, '2026-01-01T00:00:00Z'::timestamptz + i * interval '1 day',
    case when i = 2 then 'love to ${CANARY} Three' else 'for myself' end, 12345678901234567890.1234567891 from generate_series(1, 60) i;
  insert into purchase values (100, 1, 2, 1, null, '2026-03-01', '${CANARY}2 to Ada', 1), (101, 1, 3, null, 7777, '2026-03-01', '${CANARY}3', 1);
  insert into purchase_line select i, 1, 'tent' from generate_series(1, 60) i;
  insert into purchase_line values (101, 1, '${CANARY} rope');
  insert into event values (1, '{"contact": {"email": "ada@home.example"}, "friends": [], "page": "/a"}'),
    (2, '{"contact": {"email": "ada@home.example"}, "friends": [{"email": "${CANARY}3@other.example"}, {"email": "ADA@home.example "}], "said": "${CANARY}3 is nice"}'),
    (3, '{"contact": {"email": "${CANARY}3@other.example"}, "friends": []}');
  insert into profile values (1, 1, '{"mail": "ada@home.example", "friend": "${CANARY}2@other.example", "size": 42}', '{rock,"a \\"b\\""}'), (1, 2, '{"mail": "${CANARY}2@other.example"}', '{${CANARY}}');
  insert into setting values ('${CANARY}', 'nobody');`;
const DESK = `
  create table ticket (ticket_id bigint primary key, requester_email text not null, agent_id bigint, body text not null, at timestamptz not null);
  create table mailing (mailing_id bigint primary key, kind text not null, who text not null, sent date);
  insert into ticket values (1, ' ADA@home.example', 7777, 'It rains in', '2026-02-01'), (2, '${CANARY}2@other.example', 7777, '${CANARY} too', '2026-02-01');
  insert into mailing values (1, 'customer', 'ada@home.example', '2026-02-02'), (2, 'customer', '${CANARY}2@other.example', '2026-02-02');`;

const own = { origin: 'provided', category: 'identity' } as const;
export const MANIFEST: ManifestInput = {
  organisation: 'Copy & Sons',
  controller: { name: 'Copy & Sons GmbH', country: 'DE', dpo: 'dpo@copy.example' },
  timezone: 'Europe/Berlin',
  stores: { shop: { url: '${SHOP_URL}', home: true }, desk: { url: '${DESK_URL}' } },
  purposes: {
    delivery: { basis: 'contract', while: 'a customer', description: 'Deliver what was ordered' },
    analytics: { basis: 'legitimate_interests', objection: 'balanced', assessment: 'LIA-1', description: 'Improve the shop' },
    newsletter: { basis: 'consent', description: 'News' },
  },
  subjects: {
    customer: { table: 'shop.public.customer', key: ['tenant', 'customer_id'], identities: { email: 'email', phone: 'phone' } },
    employee: { table: 'shop.public.employee', key: 'employee_id', identities: { work_email: 'email' } },
  },
  tables: {
    'shop.public.customer': {
      purposes: ['delivery'],
      columns: {
        tenant: { category: 'key' },
        customer_id: { category: 'key' },
        email: { ...own, identifying: true, purposes: ['delivery', 'newsletter'] },
        phone: { ...own, identifying: true },
        name: { ...own, identifying: true },
        score: { category: 'behaviour', origin: 'derived' },
        referred_by: { category: 'key', origin: 'observed' },
      },
      retention: { keep: 'P3Y', after: { last: 'shop.public.purchase.placed_at' } },
    },
    'shop.public.employee': { purposes: ['delivery'] },
    'shop.public.household': {
      purposes: ['delivery'],
      columns: {
        household_id: {},
        label: {},
        contact_email: { category: 'contact' },
        city: { category: 'location' },
        rooms: {},
        note: { category: 'free_text' },
      },
    },
    'shop.public.household_member': { purposes: ['delivery'] },
    'shop.public.purchase': {
      label: 'what you bought',
      purposes: ['delivery'],
      captured_at: 'placed_at',
      columns: {
        purchase_id: {},
        tenant: {},
        customer_id: {},
        gift_for: { origin: 'provided' },
        handled_by: { origin: 'observed' },
        placed_at: { origin: 'observed' },
        gift_note: { origin: 'provided', category: 'free_text' },
        paid: { origin: 'observed', category: 'financial', purposes: ['analytics'] },
      },
      retention: { keep: 'P9Y', after: 'placed_at' },
      floor: { keep: 'P8Y', after: 'placed_at', from: 'end_of_year', rule: 'de-hgb-257' },
    },
    'shop.public.purchase_line': { purposes: ['delivery'] },
    'shop.public.event': {
      purposes: ['analytics'],
      json: [
        { column: 'payload', path: '$.contact.email', refers: 'customer.email' },
        { column: 'payload', path: '$.friends[*].email', refers: 'customer.email' },
      ],
    },
    'shop.public.profile': {
      purposes: ['newsletter'],
      columns: { tenant: {}, customer_id: {}, document: { origin: 'provided' }, likes: { origin: 'provided' } },
      json: [
        { column: 'document', path: '$.mail', refers: 'customer.email' },
        { column: 'document', path: '$.friend', refers: 'customer.email' },
      ],
    },
    'shop.public.setting': { purposes: ['delivery'] },
    'desk.public.ticket': { purposes: ['delivery'], captured_at: 'at' },
    'desk.public.mailing': { purposes: ['newsletter'] },
  },
  references: [
    { from: 'shop.public.purchase.customer_id', to: 'customer', as: 'both' },
    { from: 'shop.public.purchase.gift_for', to: 'customer', as: 'both' },
    { from: 'shop.public.purchase.handled_by', to: 'employee', as: 'mention' },
    { from: 'desk.public.ticket.requester_email', to: 'customer.email', as: 'owner' },
    { from: 'desk.public.ticket.agent_id', to: 'employee', as: 'mention' },
    { from: 'desk.public.mailing.who', to: 'customer.email' },
  ],
  shared: [{ table: 'shop.public.household', owners: 'shop.public.household_member', on_erase: 'detach', last_owner: 'delete' }],
  recipients: {
    mailer: {
      role: 'processor',
      country: 'US',
      safeguard: 'clauses',
      receives: ['customer.email'],
      purposes: ['newsletter'],
      notify: { task: 'dpo' },
    },
    survey: { role: 'controller', country: 'FR', receives: ['shop.public.setting.value'], notify: { task: 'dpo' } },
  },
};

export async function copyWorld(): Promise<CopyWorld> {
  const [one, other] = [await freshDatabase(), await freshDatabase()];
  const pools = [one, other].map(({ url }) => new pg.Pool({ connectionString: url, max: 3 }));
  for (const pool of pools) pool.on('error', () => undefined);
  await pools[0]!.query(SHOP);
  await pools[1]!.query(DESK);
  const folder = temporaryFolder('requests-copy');
  const file = join(folder, 'probity.json');
  writeFileSync(file, JSON.stringify(MANIFEST));
  const env = {
    SHOP_URL: one.url,
    DESK_URL: other.url,
    PROBITY_MANIFEST: file,
    PROBITY_MASTER_KEY: randomBytes(32).toString('base64'),
    PROBITY_SIGNING_KEY: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const probity: CopyWorld['probity'] = async (args, { input = '', token } = {}) => {
    const said = { out: '', err: '' };
    const code = await runProbity(args, {
      env: { ...env, ...(token !== undefined && { PROBITY_ACTOR_TOKEN: token }) },
      out: (text) => void (said.out += `${text}\n`),
      err: (text) => void (said.err += `${text}\n`),
      stream: process.stdout,
      terminal: false,
      colour: false,
      width: null,
      input: () => Promise.resolve(input),
      secret: null,
    });
    return { code, ...said };
  };
  const done = async (args: readonly string[], more: { readonly input?: string; readonly token?: string } = {}): Promise<string> => {
    const ran = await probity(args, more);
    if (ran.code !== 0) throw new Error(`probity ${args.join(' ')}: ${ran.code}\n${ran.out}${ran.err}`);
    return ran.out;
  };
  await done(['migrate']);
  await done(['apply']);
  const tokenIn = (text: string): string => (JSON.parse(text) as { token: string }).token;
  const root = tokenIn(await done(['actor', 'add', 'root', '--role', 'admin', '--json']));
  const olga = tokenIn(await done(['actor', 'add', 'olga', '--role', 'officer', '--json'], { token: root }));
  const anna = tokenIn(await done(['actor', 'add', 'anna', '--role', 'approver', '--json'], { token: root }));
  return {
    project: await openProject(file, env),
    folder,
    shop: async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => (await pools[0]!.query<T>(text, values)).rows,
    desk: async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => (await pools[1]!.query<T>(text, values)).rows,
    probity,
    request: async (kind, n = 1) => {
      const args = ['request', 'open', '--kind', kind, '--subject', 'customer', '--verified-by', 'login', '--evidence', 'S-1', '--json'];
      return (JSON.parse(await done(args, { input: `1\n${n}` })) as { request: { id: string } }).request.id;
    },
    tokens: { olga, anna },
    close: async function (this: CopyWorld) {
      await this.project.close();
      for (const pool of pools) await pool.end();
      await one.drop();
      await other.drop();
    },
  };
}
