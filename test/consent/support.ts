import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect } from 'vitest';
import { runProbity } from '../../cli/run.ts';
import { migrateStores } from '../../client/migrate.ts';
import { openProject, type Project } from '../../client/project.ts';
import { apply } from '../../client/versions.ts';
import { freshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

const SHOP = `
  create table customer (customer_id bigint primary key, email text, phone text, country text, birth_year integer, closed_at timestamptz);
  create index on customer (lower(email));
  create table member (tenant text, member_no integer, primary key (tenant, member_no));
  insert into customer values
    (1, 'anna@example.com', '111', 'DE', 1980, null), (2, 'Berta@Example.com', '222', 'DE', 1990, null),
    (3, 'twin@example.com', '333', 'FR', 1970, null), (4, 'TWIN@example.com', '333', 'FR', 1971, null),
    (5, 'child@example.com', null, 'US-CA', 2014, null);
  insert into customer select i, 'c' || i || '@example.com', null, 'DE', 1985, null from generate_series(100, 400) i;
  insert into member values ('a', 1), ('b "x"', 2)`;
const CRM = `
  create table lead (lead_id uuid primary key, mail text unique);
  insert into lead values ('00000000-0000-4000-8000-000000000001', 'lead@example.com')`;

const MANIFEST = `organisation: Consent
timezone: Europe/Berlin
mode: observe
regimes: { default: gdpr, from: customer.country, map: { US-CA: ccpa } }
stores:
  shop: { url: '\${SHOP_URL}', home: true }
  crm: { url: '\${CRM_URL}' }
purposes:
  service: { basis: contract, description: Deliver }
  newsletter: { basis: consent, channels: [email, post], expires: P24M, description: News }
  offers: { basis: soft_opt_in, objection: absolute, description: Offers }
  profiling: { basis: legitimate_interests, objection: balanced, assessment: LIA-1, description: Profiles }
  sale: { basis: { default: consent, ccpa: opt_out }, description: Sale }
  direct: { basis: legitimate_interests, objection: absolute, assessment: LIA-2, description: Direct marketing }
subjects:
  customer: { table: shop.public.customer, key: customer_id, identities: { email: email, phone: phone }, birth: birth_year }
  member: { table: shop.public.member, key: [tenant, member_no] }
  lead: { table: crm.public.lead, key: lead_id, identities: { email: mail } }
tables:
  shop.public.customer: { purposes: [service, newsletter] }
  shop.public.member: { purposes: [service] }
  crm.public.lead: { purposes: [direct] }
`;

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface ConsentShop {
  readonly project: Project;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** On the home store, as the owner of everything. */
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<T[]>;
  /** Runs the command as a user does. */
  readonly probity: (args: readonly string[], input?: string) => Promise<Ran>;
  readonly enforce: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export async function consentShop(): Promise<ConsentShop> {
  const [shop, crm] = [await freshDatabase(), await freshDatabase()];
  const pool = new pg.Pool({ connectionString: shop.url, max: 4 });
  pool.on('error', () => undefined);
  await pool.query(SHOP);
  const other = new pg.Client({ connectionString: crm.url });
  await other.connect();
  await other.query(CRM);
  await other.end();
  const folder = temporaryFolder('consent');
  const manifest = join(folder, 'probity.yaml');
  writeFileSync(manifest, MANIFEST);
  const env = { SHOP_URL: shop.url, CRM_URL: crm.url, PROBITY_MANIFEST: manifest, PROBITY_ACTOR: 'tester' };
  const open = async (enforce: boolean): Promise<Project> => {
    const opened = await openProject(manifest, env);
    await migrateStores(opened, null);
    await apply(opened, { env, actor: 'tester', enforce });
    return opened;
  };
  const project = await open(false);
  return {
    project,
    folder,
    env,
    query: async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await pool.query<T>(text, [...values])).rows,
    probity: async (args, input = '') => {
      const said = { out: '', err: '' };
      const code = await runProbity(args, {
        env,
        out: (text) => void (said.out += `${text}\n`),
        err: (text) => void (said.err += `${text}\n`),
        stream: process.stdout,
        terminal: false,
        colour: false,
        width: null,
        input: async () => input,
      });
      return { code, ...said };
    },
    enforce: async () => {
      writeFileSync(manifest, MANIFEST.replace('mode: observe', 'mode: enforce'));
      await (await open(true)).close();
    },
    close: async () => {
      await project.close();
      await pool.end();
      await shop.drop();
      await crm.drop();
    },
  };
}

/** vitest's own are `any`. */
export const containing = (text: string): string => expect.stringContaining(text) as string;
export const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string;
