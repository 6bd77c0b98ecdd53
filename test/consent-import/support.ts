import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import pg from 'pg';
import type { Io } from '../../cli/io.ts';
import { runProbity } from '../../cli/run.ts';
import { freshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';
import { temporalAddress, temporalNamespace } from '../support/temporal.ts';

const DDL = `
  create table customer (customer_id bigint primary key, email text, country text not null default 'DE');
  create unique index on customer (lower(email));
  insert into customer select i, 'person' || i || '@example.com', 'DE' from generate_series(1, 5000) i;
  create table choice (choice_id bigint generated always as identity primary key, customer_id bigint not null, topic text, way text, answer text not null,
    at timestamptz not null, changed_at timestamptz);
  create index on choice (changed_at);
  analyze customer`;

const MANIFEST = `organisation: ORGANISATION
timezone: Europe/Berlin
mode: observe
stores:
  shop: { url: '\${SHOP_URL}', schemas: [public] }
purposes:
  newsletter: { basis: consent, channels: [email, web], expires: P24M, description: News }
  analytics: { basis: legitimate_interests, objection: balanced, description: Improve the shop }
subjects:
  customer: { table: shop.public.customer, key: customer_id, identities: { email: email } }
tables:
  shop.public.customer: { purposes: [newsletter, analytics] }
  shop.public.choice: { purposes: [newsletter] }
consents:
  - { table: shop.public.choice, subject: customer, key: customer_id, purpose: topic, channel: way, decision: answer, decisions: { 'yes': granted, 'no': withdrawn }, at: at, touchpoint: { constant: preference_centre }, changed_at: changed_at }
schedules:
  choices: { cron: '*/5 * * * *', run: consents }
`;

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface ConsentShop {
  readonly url: string;
  readonly folder: string;
  readonly manifest: string;
  readonly env: Readonly<Record<string, string>>;
  readonly pool: pg.Pool;
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<T[]>;
  /** `more` goes over the shop's own environment. */
  readonly run: (args: readonly string[], input?: Buffer | string, more?: Readonly<Record<string, string>>) => Promise<Ran>;
  readonly file: (name: string, content: Buffer | string) => string;
  readonly close: () => Promise<void>;
}

/** A shop with a manifest in force, on the server of this run or another, and the command run in this process. */
export async function consentShop(adminUrl?: string): Promise<ConsentShop> {
  const database = await freshDatabase(adminUrl === undefined ? {} : { adminUrl });
  const pool = new pg.Pool({ connectionString: database.url, max: 3 });
  pool.on('error', () => undefined);
  await pool.query(DDL);
  const folder = temporaryFolder('consents');
  const manifest = join(folder, 'probity.yaml');
  writeFileSync(manifest, MANIFEST.replace('ORGANISATION', `Consents ${randomBytes(4).toString('hex')}`));
  const env = {
    SHOP_URL: database.url,
    PROBITY_MANIFEST: manifest,
    PROBITY_ACTOR: 'tester',
    PROBITY_TASK_QUEUE: `consents-${randomBytes(4).toString('hex')}`,
    TEMPORAL_ADDRESS: temporalAddress(),
    TEMPORAL_NAMESPACE: temporalNamespace(),
  };
  const run = async (args: readonly string[], input: Buffer | string = '', more: Readonly<Record<string, string>> = {}): Promise<Ran> => {
    const said = { out: '', err: '' };
    const io: Io = {
      env: { ...env, ...more },
      out: (text) => void (said.out += `${text}\n`),
      err: (text) => void (said.err += `${text}\n`),
      stream: new PassThrough(),
      terminal: false,
      colour: false,
      width: null,
      input: () => Promise.resolve(input.toString()),
      bytes: () => Readable.from([Buffer.from(input)]),
    };
    return { code: await runProbity(args, io), ...said };
  };
  for (const args of [['migrate'], ['apply']]) {
    const { code, err } = await run(args);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${err}`);
  }
  return {
    url: database.url,
    folder,
    manifest,
    env,
    pool,
    query: async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await pool.query<T>(text, [...values])).rows,
    run,
    file: (name, content) => {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
}
