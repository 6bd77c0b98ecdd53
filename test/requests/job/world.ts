import { generateKeyPairSync, randomBytes, randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import pg from 'pg';
import { runProbity } from '../../../cli/run.ts';
import { openProject, type Project } from '../../../client/project.ts';
import { requestWorkflowId, startRequest } from '../../../client/requests/start.ts';
import type { Faults } from '../../../database/faults.ts';
import { dispatchOutbox } from '../../../database/serving/outbox.ts';
import { parseManifestValue } from '../../../manifest/load.ts';
import type { ManifestInput } from '../../../manifest/schema/root.ts';
import type { erasure, ErasureResult } from '../../../workflows/erasures.ts';
import { freshDatabase } from '../../support/databases.ts';
import { temporaryFolder } from '../../support/folders.ts';
import { withClient, withWorker } from '../../support/worker.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface JobWorld {
  readonly project: Project;
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly shop: <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;
  readonly support: <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;
  /** The command, with what is typed and the token of an actor. */
  readonly probity: (args: readonly string[], more?: { readonly input?: string; readonly token?: string }) => Promise<Ran>;
  /** Does what the workers' loops would, until the request's workflow has ended. */
  readonly carryOut: (id: string, faults?: Faults) => Promise<ErasureResult>;
  readonly history: (id: string) => Promise<temporal.api.history.v1.IHistory>;
  readonly tokens: { readonly root: string; readonly anna: string; readonly ben: string };
  readonly close: () => Promise<void>;
}

const SHOP = `
  create table customer (customer_id bigint primary key, email text not null unique, phone text, name text not null check (length(name) > 1), closed_at timestamptz);
  create table purchase (purchase_id bigint primary key, customer_id bigint not null references customer, note text);
  create table purchase_line (purchase_id bigint references purchase, line integer, article text not null, primary key (purchase_id, line));
  create table invoice (invoice_id bigint primary key, customer_id bigint not null references customer, issued_at timestamptz not null, address text);
  create table page_view (view_id bigint primary key, customer_id bigint references customer, url text);
  create table event (event_id bigint primary key, payload jsonb not null);
  create table memo (memo_id bigint primary key, body text);
  insert into customer select i, 'Person' || i || '@canary.example', '+49 170 555' || lpad(i::text, 4, '0'), 'Canary Name' || i, null from generate_series(1, 40) i;
  insert into purchase select i * 10 + j, i, 'for canary ' || i from generate_series(1, 40) i, generate_series(1, 3) j;
  insert into purchase_line select p.purchase_id, j, 'tent' from purchase p, generate_series(1, 2) j;
  insert into invoice select i * 10 + 1, i, now() - interval '2 years', 'Canary Street ' || i from generate_series(1, 40) i;
  insert into invoice select i * 10 + 2, i, now() - interval '20 years', 'Canary Street ' || i from generate_series(1, 40) i;
  insert into page_view select i * 10 + j, i, '/' from generate_series(1, 40) i, generate_series(1, 5) j;
  insert into event select i, jsonb_build_object('contact', jsonb_build_object('email', 'person' || i || '@canary.example'), 'kept', i) from generate_series(1, 40) i;
  insert into memo values (1, 'nothing of anybody')`;
const SUPPORT = `
  create table ticket (ticket_id bigint primary key, requester_email text not null, body text);
  insert into ticket select i, 'person' || i || '@canary.example', 'It rains in' from generate_series(1, 40) i`;

export const MANIFEST: ManifestInput = {
  organisation: 'Job',
  timezone: 'Europe/Berlin',
  mode: 'enforce',
  stores: { shop: { url: '${SHOP_URL}', home: true }, support: { url: '${SUPPORT_URL}' } },
  purposes: {
    delivery: { basis: 'contract', ends: 'shop.public.customer.closed_at', description: 'Deliver' },
    tax: { basis: 'legal_obligation', roles: ['finance'], while: 'books are kept', description: 'Books' },
    newsletter: { basis: 'consent', description: 'News' },
  },
  subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email', phone: 'phone' } } },
  tables: {
    'shop.public.customer': { purposes: ['delivery', 'newsletter'] },
    'shop.public.purchase': { purposes: ['delivery'] },
    'shop.public.purchase_line': { purposes: ['delivery'] },
    'shop.public.invoice': {
      label: 'your invoices',
      purposes: ['tax'],
      floor: { keep: 'P8Y', after: 'issued_at', from: 'end_of_year', rule: 'de-hgb-257' },
    },
    'shop.public.page_view': { purposes: ['newsletter'] },
    'shop.public.event': { purposes: ['delivery'], json: [{ column: 'payload', path: '$.contact.email', refers: 'customer.email' }] },
    'shop.public.memo': { purposes: ['delivery'] },
    'support.public.ticket': { purposes: ['delivery'] },
  },
  references: [{ from: 'support.public.ticket.requester_email', to: 'customer.email' }],
};

export interface JobChanges {
  readonly manifest?: Partial<ManifestInput>;
  /** More statements for the shop's database, and for the support desk's. */
  readonly shop?: string;
  readonly support?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A shop and its support desk, with a manifest that enforces, and two actors who may approve. */
export async function jobWorld(changes: JobChanges = {}): Promise<JobWorld> {
  const declared = { ...MANIFEST, ...changes.manifest };
  const [one, other] = [await freshDatabase(), await freshDatabase()];
  const pools = [one, other].map(({ url }) => new pg.Pool({ connectionString: url, max: 3 }));
  for (const pool of pools) pool.on('error', () => undefined);
  await pools[0]!.query(`${SHOP};${changes.shop ?? ''}`);
  await pools[1]!.query(`${SUPPORT};${changes.support ?? ''}`);
  const folder = temporaryFolder('requests-job');
  const file = join(folder, 'probity.json');
  writeFileSync(file, JSON.stringify(declared));
  const env = {
    ...changes.env,
    SHOP_URL: one.url,
    SUPPORT_URL: other.url,
    PROBITY_MANIFEST: file,
    PROBITY_MASTER_KEY: randomBytes(32).toString('base64'),
    PROBITY_SIGNING_KEY: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const probity: JobWorld['probity'] = async (args, { input = '', token } = {}) => {
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
  const done = async (args: readonly string[], token?: string): Promise<string> => {
    const ran = await probity(args, token === undefined ? {} : { token });
    if (ran.code !== 0) throw new Error(`probity ${args.join(' ')}: ${ran.code}\n${ran.out}${ran.err}`);
    return ran.out;
  };
  await done(['migrate']);
  await done(['apply', '--enforce']);
  // The tests share one Temporal, where a request's number names its workflow.
  for (const sequence of ['probity.request_number', 'probity.batch_number'])
    await pools[0]!.query(`select setval($1::regclass, $2)`, [sequence, randomInt(100_000, 1_000_000_000)]);
  const tokenIn = (text: string): string => (JSON.parse(text) as { token: string }).token;
  const root = tokenIn(await done(['actor', 'add', 'root', '--role', 'admin', '--json']));
  const anna = tokenIn(await done(['actor', 'add', 'anna', '--role', 'approver', '--json'], root));
  const ben = tokenIn(await done(['actor', 'add', 'ben', '--role', 'approver', '--json'], root));
  const project = await openProject(file, env);
  const { manifest } = parseManifestValue(declared);
  const handleOf = (client: Client, id: string): WorkflowHandle<typeof erasure> =>
    client.workflow.getHandle<typeof erasure>(requestWorkflowId(id));
  return {
    project,
    env,
    folder,
    shop: async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => (await pools[0]!.query<T>(text, values)).rows,
    support: async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => (await pools[1]!.query<T>(text, values)).rows,
    probity,
    carryOut: (id, faults) =>
      withWorker(
        { manifest: manifest!, env },
        async (client, taskQueue) => {
          while (
            (await dispatchOutbox(project.home, (found) =>
              found.request === id ? startRequest(client, found, taskQueue) : Promise.resolve(),
            )) > 0
          );
          return handleOf(client, id).result();
        },
        faults === undefined ? {} : { faults },
      ),
    history: (id) => withClient((client) => handleOf(client, id).fetchHistory()),
    tokens: { root, anna, ben },
    close: async () => {
      await project.close();
      for (const pool of pools) await pool.end();
      await one.drop();
      await other.drop();
    },
  };
}
