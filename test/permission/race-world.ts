import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { migrateStores } from '../../client/migrate.ts';
import { openProject, type Project } from '../../client/project.ts';
import { apply } from '../../client/versions.ts';
import { makeViews } from '../../client/views.ts';
import { readCatalog } from '../../database/catalog.ts';
import { applyPermission } from '../../database/permission/apply.ts';
import { importEntries } from '../../database/permission/import.ts';
import { inTransaction } from '../../database/store.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { freshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

/** A shop whose customers have all agreed, and sit in segments. `number` says who a row of a view is about, which its pseudonyms hide. */
export interface RaceWorld {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Another one each time, as of another process. */
  readonly project: () => Promise<Project>;
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<T[]>;
  /** A session of the role that has the view and nothing else. */
  readonly analyst: () => Promise<pg.Client>;
  /** The same rules but for a period that decides nothing here; `turn` chooses between two. */
  readonly rules: (turn: number) => { readonly manifest: Manifest; readonly hash: string };
  readonly refreshRules: (turn: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

export const PURPOSE = 'personalization';
const GRANTS_AT_ONCE = 2_000;
/** Both are long over any grant of the test. */
const PERIODS = ['P24M', 'P30M'];

export async function raceWorld(people: number): Promise<RaceWorld> {
  const database = await freshDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 6 });
  pool.on('error', () => undefined);
  const query = async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> =>
    (await pool.query<T>(text, [...values])).rows;
  const role = `analyst_${randomBytes(4).toString('hex')}`;
  await pool.query(`
    create role ${role} login password 'open';
    create table customer (customer_id bigint primary key, number integer not null, signed_up_at timestamptz not null);
    create table choice (choice_id bigint generated always as identity primary key, customer_id bigint not null, at timestamptz not null);
    insert into customer select i, i, '2026-02-01' from generate_series(1, ${people}) i;
    create index on customer (number);
    insert into choice (customer_id, at) select i, '2025-03-01' from generate_series(1, ${people}) i;
    analyze`);
  const folder = temporaryFolder('races');
  const file = join(folder, 'probity.json');
  const value = (period: string): ManifestInput => ({
    organisation: 'Races',
    timezone: 'Europe/Berlin',
    mode: 'enforce',
    stores: { shop: { url: '${SHOP_URL}' } },
    purposes: {
      [PURPOSE]: { basis: 'consent', channels: ['email', 'web'], expires: period, description: 'Suit', readers: [role] },
      service: { basis: 'contract', while: 'a customer', description: 'Deliver' },
    },
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id' } },
    tables: {
      'shop.public.customer': {
        purposes: [PURPOSE, 'service'],
        captured_at: 'signed_up_at',
        columns: { customer_id: 'key', number: 'behaviour', signed_up_at: 'behaviour' },
      },
      'shop.public.choice': { purposes: ['service'] },
    },
    consents: [
      {
        table: 'shop.public.choice',
        subject: 'customer',
        key: 'customer_id',
        purpose: { constant: PURPOSE },
        decision: { constant: 'granted' },
        at: 'at',
      },
    ],
  });
  writeFileSync(file, JSON.stringify(value(PERIODS[0]!)));
  const env = { SHOP_URL: database.url, PROBITY_MANIFEST: file, PROBITY_ACTOR: 'tester' };
  const project = await openProject(file, env);
  await migrateStores(project, null);
  await apply(project, { env, actor: 'tester', enforce: true });
  await grants(project, people);
  await makeViews(project);
  await pool.query(`
    insert into probity.membership (segment, purpose, subject, key)
      select segment, '${PURPOSE}', 'customer', customer_id::text from public.customer cross join unnest(array['hikers', 'campers']) segment
      union all select 'parcels', 'service', 'customer', customer_id::text from public.customer;
    analyze`);
  const catalog = await readCatalog(project.home);
  const rules = (turn: number): { manifest: Manifest; hash: string } => {
    const { manifest, hash, problems } = parseManifestValue(value(PERIODS[turn % PERIODS.length]!));
    if (manifest === null || hash === null) throw new Error(JSON.stringify(problems));
    return { manifest, hash };
  };
  const others: Project[] = [project];
  const sessions: pg.Client[] = [];
  return {
    folder,
    env,
    project: async () => {
      const opened = await openProject(file, env);
      others.push(opened);
      return opened;
    },
    query,
    analyst: async () => {
      const url = new URL(database.url);
      [url.username, url.password] = [role, 'open'];
      const client = new pg.Client({ connectionString: url.href });
      client.on('error', () => undefined);
      await client.connect();
      sessions.push(client);
      return client;
    },
    rules,
    refreshRules: (turn) => {
      const { manifest, hash } = rules(turn);
      return inTransaction(project.home, {}, async (trx) => void (await applyPermission(trx, manifest, hash, catalog)));
    },
    close: async () => {
      for (const session of sessions) await session.end();
      for (const other of others) await other.close();
      await pool.query(`drop owned by ${role} cascade; drop role ${role}`);
      await pool.end();
      await database.drop();
    },
  };
}

async function grants(project: Project, people: number): Promise<void> {
  for (let from = 1; from <= people; from += GRANTS_AT_ONCE) {
    const some = Array.from({ length: Math.min(GRANTS_AT_ONCE, people - from + 1) }, (_, index) => String(from + index));
    await importEntries(
      project.home,
      some.map((key) => ({
        subject: 'customer', key, purpose: PURPOSE, channel: null, decision: 'granted', captured_at: '2026-01-01T00:00:00Z', touchpoint: 'onboarding',
        notice: '2026-01', language: 'de', given_by: null, proof: null, actor: 'tester', door: 'import', id: null,
      })), // prettier-ignore
    );
  }
}
