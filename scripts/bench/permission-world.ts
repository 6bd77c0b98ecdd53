import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { check, errorsIn } from '../../client/check.ts';
import { migrateStores } from '../../client/migrate.ts';
import { openProject, type Project } from '../../client/project.ts';
import { apply } from '../../client/versions.ts';
import { importEntries } from '../../database/permission/import.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import type { PostgresService } from '../services/postgres.ts';

/** A shop whose customers have agreed and sit in two segments, beside what a user would keep instead: a flag and a log. */
export interface PermissionWorld {
  readonly project: Project;
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  readonly client: pg.Client;
  readonly close: () => Promise<void>;
}

export const PURPOSE = 'newsletter';
const PEOPLE_AT_ONCE = 5_000;
const SINK_KEY = randomBytes(32).toString('base64');

export interface WorldOptions {
  readonly folder: string;
  readonly people: number;
  readonly sink: boolean;
  /** With a second store that keeps a replica. */
  readonly replica: boolean;
}

let worlds = 0;

export async function permissionWorld(
  postgres: PostgresService,
  { folder, people, sink, replica }: WorldOptions,
): Promise<PermissionWorld> {
  const name = `permission_${++worlds}`;
  const admin = new pg.Client({ connectionString: postgres.adminUrl });
  await admin.connect();
  for (const database of [name, `${name}_other`]) await admin.query(`create database ${database}`);
  await admin.end();
  const url = postgres.url(name);
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query(`
    create table customer (customer_id bigint primary key, country text not null);
    insert into customer select i, 'DE' from generate_series(1, ${people}) i;
    create schema by_hand;
    create table by_hand.consent_flag (customer_id bigint not null references public.customer, purpose text not null, granted boolean not null, changed_at timestamptz not null default now(),
      primary key (customer_id, purpose));
    insert into by_hand.consent_flag select i, '${PURPOSE}', true from generate_series(1, ${people}) i;
    create table by_hand.consent_log (log_id bigint generated always as identity primary key, customer_id bigint not null, purpose text not null, granted boolean not null,
      at timestamptz not null default now(), touchpoint text);
    create index on by_hand.consent_log (customer_id)`);
  const other = new pg.Client({ connectionString: postgres.url(`${name}_other`) });
  await other.connect();
  await other.query('create table visit (visit_id bigint primary key, customer_id bigint, at timestamptz)');
  await other.end();

  const value: ManifestInput = {
    organisation: 'Bench',
    timezone: 'Europe/Berlin',
    stores: { shop: { url: '${SHOP_URL}', home: true, schemas: ['public'] }, ...(replica && { other: { url: '${OTHER_URL}' } }) },
    purposes: {
      [PURPOSE]: { basis: 'consent', channels: ['email', 'web'], expires: 'P24M', description: 'News' },
      service: { basis: 'contract', while: 'a customer', description: 'Deliver' },
    },
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id' } },
    tables: {
      'shop.public.customer': { purposes: [PURPOSE, 'service'] },
      ...(replica && { 'other.public.visit': { purposes: [PURPOSE], captured_at: 'at' } }),
    },
    ...(replica && { references: [{ from: 'other.public.visit.customer_id', to: 'customer' }] }),
    ...(sink && { sink: { file: '${PROBITY_SINK}', key: '${PROBITY_SINK_KEY}' } }),
  };
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(value));
  const env = {
    SHOP_URL: url,
    OTHER_URL: postgres.url(`${name}_other`),
    PROBITY_SINK: join(folder, `${name}.sink`),
    PROBITY_SINK_KEY: SINK_KEY,
  };
  const project = await openProject(file, env);
  const problems = errorsIn((await check(file, env)).problems);
  if (problems.length > 0) throw new Error(JSON.stringify(problems, null, 1));
  await migrateStores(project, null);
  await apply(project, { env, actor: 'bench', enforce: false });
  for (let from = 1; from <= people; from += PEOPLE_AT_ONCE)
    await importEntries(project.home, grants(from, Math.min(people, from + PEOPLE_AT_ONCE - 1)));
  await client.query(`
    insert into probity.membership (segment, purpose, subject, key)
      select segment, '${PURPOSE}', 'customer', customer_id::text from public.customer cross join unnest(array['hikers', 'campers']) segment`);
  await client.query('vacuum analyze');
  return {
    project,
    url,
    env,
    client,
    close: async () => {
      await project.close();
      await client.end();
    },
  };
}

function grants(first: number, last: number): Parameters<typeof importEntries>[1] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    subject: 'customer', key: String(first + index), purpose: PURPOSE, channel: null, decision: 'granted', captured_at: '2026-01-01T00:00:00Z',
    touchpoint: 'onboarding', notice: '2026-01', language: 'de', given_by: null, proof: null, actor: 'bench', door: 'import', id: null,
  })); // prettier-ignore
}
