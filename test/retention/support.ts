import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openStore, type Store } from '../../database/store.ts';
import { readCertificate } from '../../database/certificates.ts';
import { migrate } from '../../database/migrate.ts';
import { applyManifest } from '../../database/runs.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { CertificateFile } from '../../domain/evidence/certificate.ts';
import type { FaultPoint, Faults } from '../../database/faults.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';

/** A database of one store, `shop`, made by `ddl`, with our schema and a manifest in force. */
export interface Shop {
  readonly database: FreshDatabase;
  readonly manifest: Manifest;
  readonly hash: string;
  readonly env: Record<string, string>;
  /** The manifest as a file, for worker processes. */
  readonly file: string;
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;
  /** Puts another manifest in force, for runs that start later. */
  readonly apply: (changes: Partial<ManifestInput>) => Promise<void>;
  readonly close: () => Promise<void>;
}

export async function createShop(
  ddl: string,
  tables: ManifestInput['tables'],
  more: Partial<ManifestInput> = {},
  /** On another server than that of the run. */
  adminUrl?: string,
): Promise<Shop> {
  const database = await freshDatabase(adminUrl === undefined ? {} : { adminUrl });
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => undefined);
  await pool.query(ddl);
  const value = {
    organisation: 'Test',
    timezone: 'Europe/Berlin',
    mode: 'enforce',
    stores: { shop: { url: '${SHOP_URL}' } },
    purposes: { use: { basis: 'contract', description: 'Use' } },
    tables,
    ...more,
  } as ManifestInput;
  const apply = async (changes: Partial<ManifestInput>): Promise<Pick<Shop, 'manifest' | 'hash'>> => {
    const { manifest, hash, problems } = parseManifestValue({ ...value, ...changes });
    if (manifest === null || hash === null) throw new Error(JSON.stringify(problems, null, 2));
    const store = openStore({ name: 'shop', url: database.url });
    await migrate(store, true);
    await applyManifest(store.db, manifest, hash, 'tester');
    await store.close();
    return { manifest, hash };
  };
  const first = await apply({});
  const { privateKey } = generateKeyPairSync('ed25519');
  const file = join(temporaryFolder('manifest'), 'probity.json');
  writeFileSync(file, JSON.stringify(value));
  return {
    database,
    ...first,
    file,
    env: { SHOP_URL: database.url, PROBITY_SIGNING_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
    query: async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => (await pool.query<T>(text, values)).rows,
    apply: async (changes) => void (await apply(changes)),
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
}

export const input = { actor: 'tester', asOf: null, only: null, dryRun: false } as const;

/** A store on the shop's database for as long as `act` takes. */
export async function withStore<T>(shop: Shop, act: (store: Store) => Promise<T>): Promise<T> {
  const store = openStore({ name: 'shop', url: shop.database.url });
  try {
    return await act(store);
  } finally {
    await store.close();
  }
}

export async function certificateOf(shop: Shop, runId: string): Promise<CertificateFile> {
  const file = await withStore(shop, (store) => readCertificate(store.db, runId));
  if (file === null) throw new Error(`the run ${runId} has no certificate`);
  return file;
}

/** Half of what a test may take, so that what was waited for in vain is named. */
const UNTIL_MS = 150_000;

/** Asks again and again until `ask` gives something else than null or false. */
export async function until<T>(what: string, ask: () => Promise<T | null | false> | T | null | false, limitMs = UNTIL_MS): Promise<T> {
  const limit = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    if (Date.now() > limit) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await sleep(50);
  }
}

/** Stops the worker at a fault point, the nth time that it is reached, until `open` is called. */
export interface Gate {
  readonly faults: Faults;
  readonly reached: Promise<void>;
  /** Settles when the activity that stands there has heard that it is cancelled, as a pause does too. */
  readonly cancelled: Promise<void>;
  readonly open: () => void;
}

export function gate(point: FaultPoint, times = 1): Gate {
  const reached = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let left = times;
  return {
    faults: async (at) => {
      if (at !== point || --left !== 0) return;
      Context.current().cancellationSignal.addEventListener('abort', () => cancelled.resolve());
      reached.resolve();
      await opened.promise;
    },
    reached: reached.promise,
    cancelled: cancelled.promise,
    open: () => opened.resolve(),
  };
}
