import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import pg from 'pg';
import { runProbity } from '../../cli/run.ts';
import type { Io } from '../../cli/io.ts';
import { openProject, type Project } from '../../client/project.ts';
import { readCatalog } from '../../database/catalog.ts';
import type { LoopFaults } from '../../database/faults.ts';
import { migrate } from '../../database/migrate.ts';
import { applyPermission } from '../../database/permission/apply.ts';
import { recordEntries, type RecordedEntry } from '../../database/permission/record.ts';
import { applyManifest } from '../../database/runs.ts';
import { inTransaction, openStore } from '../../database/store.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { startProbityLoops, type ProbityLoops } from '../../worker/loops.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

export const SINK_KEY = randomBytes(32).toString('base64');

const SHOP = `
  create table public.customer (customer_id integer primary key, email text, birth date, closed_at timestamptz);
  insert into public.customer select n, 'Person' || n || '@canary.example ', '1980-01-01', null from generate_series(1, 20) n;`;
const SUPPORT = `
  create table public.ticket (ticket_id integer primary key, requester_email text, at timestamptz not null default now());
  create table public.chat (chat_id integer primary key, customer_id integer, at timestamptz not null default now());
  insert into public.ticket select n, 'person' || n || '@canary.example' from generate_series(1, 20) n;
  insert into public.chat select n, n from generate_series(1, 20) n;`;

/** A home store `shop` and another, `support`, that knows people by their key and by their address. */
export interface World {
  readonly manifest: Manifest;
  readonly file: string;
  readonly sink: string;
  readonly env: Record<string, string>;
  readonly shop: FreshDatabase;
  readonly support: FreshDatabase;
  readonly home: Query;
  readonly other: Query;
  readonly project: () => Promise<Project>;
  /** Puts the manifest, with changes, in force. */
  readonly apply: (changes?: Partial<ManifestInput>) => Promise<void>;
  /** Records one decision of a customer, with its sink row, in its own transaction. */
  readonly record: (customer: number, decision: string, purpose?: string, channel?: string | null) => Promise<RecordedEntry>;
  /** Whether the other store's replica lets a purpose use a customer's data now, by key and by address. */
  readonly allowed: (customer: number, purpose: string) => Promise<{ key: boolean; email: boolean }>;
  readonly open: () => Promise<boolean>;
  readonly close: () => Promise<void>;
}

export type Query = <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;

export async function createWorld(
  options: { readonly sink?: boolean; readonly adminUrl?: string; readonly lease?: string } = {},
): Promise<World> {
  const on = options.adminUrl === undefined ? {} : { adminUrl: options.adminUrl };
  const [shop, support] = [await freshDatabase(on), await freshDatabase(on)];
  const pools = [shop, support].map(({ url }) => new pg.Pool({ connectionString: url, max: 4 }));
  for (const pool of pools) pool.on('error', () => undefined);
  const [home, other] = pools.map(
    (pool): Query =>
      async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) =>
        (await pool.query<T>(text, values)).rows,
  ) as [Query, Query];
  await home(SHOP);
  await other(SUPPORT);
  const folder = temporaryFolder('serving');
  const sink = join(folder, 'sink.jsonl');
  const file = join(folder, 'probity.json');
  const env: Record<string, string> = { SHOP_URL: shop.url, SUPPORT_URL: support.url, PROBITY_SINK: sink, PROBITY_SINK_KEY: SINK_KEY };
  const value: ManifestInput = {
    organisation: 'Test',
    timezone: 'Europe/Berlin',
    stores: { shop: { url: '${SHOP_URL}', home: true }, support: { url: '${SUPPORT_URL}' } },
    purposes: {
      newsletter: { basis: 'consent', channels: ['email', 'web'] },
      service: { basis: 'contract', ends: 'shop.public.customer.closed_at' },
      analytics: { basis: 'legitimate_interests', objection: 'absolute' },
      adult: { basis: 'contract', minimum_age: 18, while: 'a customer' },
    },
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email' }, birth: 'birth' } },
    tables: {
      'shop.public.customer': { purposes: ['service', 'newsletter', 'analytics'] },
      'support.public.ticket': { purposes: ['service', 'newsletter'], captured_at: 'at' },
      'support.public.chat': { purposes: ['service', 'analytics', 'newsletter', 'adult'], captured_at: 'at' },
    },
    references: [
      { from: 'support.public.ticket.requester_email', to: 'customer.email' },
      { from: 'support.public.chat.customer_id', to: 'customer' },
    ],
    replicas: { lease: options.lease ?? '5s' },
    ...(options.sink === true ? { sink: { file: '${PROBITY_SINK}', key: '${PROBITY_SINK_KEY}' } } : {}),
  };
  for (const [url, isHome] of [
    [shop.url, true],
    [support.url, false],
  ] as const) {
    const store = openStore({ name: isHome ? 'shop' : 'support', url });
    await migrate(store, isHome);
    // The tests share one Temporal, where a request's number names its workflow.
    if (isHome) await store.pool.query(`select setval('probity.request_number', $1)`, [randomInt(100_000, 1_000_000_000)]);
    await store.close();
  }
  let manifest = parsed(value).manifest;
  const apply = async (changes: Partial<ManifestInput> = {}): Promise<void> => {
    const changed = { ...value, ...changes };
    const { manifest: next, hash } = parsed(changed);
    manifest = next;
    writeFileSync(file, JSON.stringify(changed));
    const store = openStore({ name: 'shop', url: shop.url });
    try {
      const catalog = await readCatalog(store);
      await inTransaction(store, {}, async (trx) => {
        await applyManifest(trx, next, hash, 'tester');
        await applyPermission(trx, next, hash, catalog);
      });
    } finally {
      await store.close();
    }
  };
  await apply();
  const recorder = openStore({ name: 'shop', url: shop.url });
  return {
    get manifest() {
      return manifest;
    },
    file,
    sink,
    env,
    shop,
    support,
    home,
    other,
    project: () => openProject(file, env),
    apply,
    record: async (customer, decision, purpose = 'newsletter', channel = null) => {
      const [recorded] = await recordEntries(recorder, [entry(customer, decision, purpose, channel)]);
      if (recorded === undefined) throw new Error('nothing was recorded');
      return recorded;
    },
    allowed: async (customer, purpose) => {
      const [row] = await other<{ key: boolean; email: boolean }>(
        `select probity.serving_open() and ${spanFor(`'customer'`, '$1::text')} as key,
          probity.serving_open() and ${spanFor(`'email'`, `encode(sha256(convert_to('person' || $1 || '@canary.example', 'UTF8')), 'hex')`)} as email`,
        [String(customer), purpose],
      );
      return { key: row?.key ?? false, email: row?.email ?? false };
    },
    open: async () => (await other<{ open: boolean }>('select probity.serving_open() as open'))[0]?.open ?? false,
    close: async () => {
      await recorder.close();
      await Promise.all(pools.map((pool) => pool.end()));
      await shop.drop();
      await support.drop();
    },
  };
}

const spanFor = (subject: string, key: string): string => `exists (select from probity.permission_span s
  where s.subject = ${subject} and s.key = ${key} and s.purpose = $2 and s.allows and s.open and s.from_at <= now() and now() < s.until_at)`;

export function entry(
  customer: number,
  decision: string,
  purpose: string,
  channel: string | null = null,
): Parameters<typeof recordEntries>[1][number] {
  return {
    subject: 'customer', key: String(customer), purpose, channel, decision, captured_at: null, touchpoint: 'test', notice: null, language: null,
    given_by: null, proof: null, actor: 'tester', door: 'library', id: null,
  }; // prettier-ignore
}

function parsed(value: ManifestInput): { manifest: Manifest; hash: string } {
  const { manifest, hash, problems } = parseManifestValue(value);
  if (manifest === null || hash === null) throw new Error(JSON.stringify(problems, null, 2));
  return { manifest, hash };
}

export interface LoopSettings {
  readonly client?: () => Promise<Client>;
  readonly taskQueue?: string;
  readonly faults?: LoopFaults;
  readonly refreshEveryMs?: number;
}

/** The loops in this process. Without a client Temporal is away. */
export function startLoops(
  world: World,
  { client, taskQueue = 'nobody', faults, refreshEveryMs }: LoopSettings = {},
): ProbityLoops & { readonly logged: string[] } {
  const logged: string[] = [];
  const loops = startProbityLoops({
    manifest: world.manifest,
    env: world.env,
    taskQueue,
    client: client ?? (() => Promise.reject(new Error('away'))),
    log: (message, attributes) => void logged.push(`${message} ${JSON.stringify(attributes)}`),
    ...(faults && { faults }),
    ...(refreshEveryMs !== undefined && { refreshEveryMs }),
  });
  return { ...loops, logged };
}

export async function withLoops<T>(world: World, act: (logged: readonly string[]) => Promise<T>, settings: LoopSettings = {}): Promise<T> {
  const loops = startLoops(world, settings);
  try {
    return await act(loops.logged);
  } finally {
    await loops.stop();
  }
}

/** Asks again and again until `ask` gives something else than null or false. */
export async function until<T>(what: string, ask: () => Promise<T | null | false>, limitMs = 30_000): Promise<T> {
  const limit = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    if (Date.now() > limit) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await sleep(25);
  }
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A command as a person would run it, with the world's manifest. */
export async function probity(world: World, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const io: Io = {
    env: { ...world.env, PROBITY_MANIFEST: world.file, ...env },
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    stream: process.stdout,
    terminal: false,
    colour: false,
    width: null,
    input: () => Promise.resolve(''),
  };
  const code = await runProbity(args, io);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

export function sinkLines(world: World): string[] {
  return readFileSync(world.sink, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}
