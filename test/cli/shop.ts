import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { hasEnded, stopChild } from '../../scripts/services/processes.ts';
import { freshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';
import { temporalAddress, temporalNamespace } from '../support/temporal.ts';
import { bareEnvironment } from './support.ts';

export const CUSTOMERS = 1_000;
export const EXPIRED = 500;
export const WITH_LIVE_ORDER = 10;

/** 500 expired customers, ten of them with an order, and one without a time. */
const DDL = `
  create table customer (customer_id bigint primary key, country text not null, last_seen_at timestamptz);
  create index on customer (last_seen_at);
  create table orders (order_id bigint primary key, customer_id bigint not null references customer, placed_at timestamptz not null);
  create index on orders (customer_id);
  create table visit (visit_id bigint primary key, at timestamptz not null);
  insert into customer select i, case when i % 4 = 0 then 'DE' else 'FR' end,
    now() - case when i <= ${EXPIRED} then interval '4 years' else interval '1 month' end from generate_series(1, ${CUSTOMERS}) i;
  insert into customer values (5000, 'FR', null);
  insert into orders select i, i, now() from generate_series(1, ${WITH_LIVE_ORDER}) i;
  analyze customer, orders, visit`;

/** `schedule` names the organisation, so that files of tests that run at once keep apart in Temporal. */
export function manifestText(organisation: string, changes: Readonly<Record<string, string>> = {}): string {
  const text = `organisation: ${organisation}
timezone: Europe/Berlin
mode: observe
stores:
  shop: { url: '\${SHOP_URL}', schemas: [public] }
purposes:
  use: { basis: contract, description: Use }
subjects:
  customer: { table: shop.public.customer, key: customer_id }
tables:
  shop.public.customer:
    purposes: [use]
    retention: { keep: P3Y, after: last_seen_at }
  shop.public.orders:
    purposes: [use]
  shop.public.visit:
    purposes: [use]
    retention: { keep: P1Y, after: at }
purge: { duty: 1 }
schedules:
  purge: { cron: '15 1 * * *', jitter: 10m, catch_up: 6h, run: retention }
  audits: { cron: '0 2 * * *', run: [quality, bias] }
`;
  return Object.entries(changes).reduce((changed, [from, to]) => changed.replace(from, to), text);
}

export interface CommandShop {
  readonly folder: string;
  readonly manifest: string;
  readonly organisation: string;
  readonly env: Readonly<Record<string, string>>;
  readonly write: (changes: Readonly<Record<string, string>>, file?: string) => string;
  readonly query: <T extends pg.QueryResultRow>(text: string) => Promise<T[]>;
  readonly close: () => Promise<void>;
}

/** A database, a manifest in a folder, and the settings with which the command finds both and the servers of this run. */
export async function commandShop(): Promise<CommandShop> {
  const database = await freshDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  pool.on('error', () => undefined);
  await pool.query(DDL);
  const folder = temporaryFolder('command');
  const manifest = join(folder, 'probity.yaml');
  const organisation = `Command ${randomBytes(4).toString('hex')}`;
  const write = (changes: Readonly<Record<string, string>>, file = manifest): string => {
    writeFileSync(file, manifestText(organisation, changes));
    return file;
  };
  write({});
  return {
    folder,
    manifest,
    organisation,
    env: {
      SHOP_URL: database.url,
      PROBITY_MANIFEST: manifest,
      PROBITY_ACTOR: 'tester',
      PROBITY_TASK_QUEUE: `command-${randomBytes(4).toString('hex')}`,
      PROBITY_SIGNING_KEY_FILE: join(folder, 'key.pem'),
      TEMPORAL_ADDRESS: temporalAddress(),
      TEMPORAL_NAMESPACE: temporalNamespace(),
    },
    write,
    query: async <T extends pg.QueryResultRow>(text: string) => (await pool.query<T>(text)).rows,
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
}

/** It bundles its workflows first. */
const READY_MS = 150_000;
const POLL_MS = 50;

/** `probity worker` as a process of its own. */
export async function startWorker(shop: CommandShop): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [resolve('cli/main.ts'), 'worker'], { env: { ...bareEnvironment(), ...shop.env }, stdio: 'pipe' });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const limit = Date.now() + READY_MS;
  while (!said.includes('probity worker ready')) {
    if (hasEnded(child) || Date.now() > limit) throw new Error(`The worker did not start:\n${said}`);
    await sleep(POLL_MS);
  }
  return () => stopChild(child, [{ signal: 'SIGTERM', waitMs: 20_000 }]);
}
