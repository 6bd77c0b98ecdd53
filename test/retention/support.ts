import { randomBytes } from 'node:crypto';
import { generateKeyPairSync } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import pg from 'pg';
import { openStore } from '../../database/store.ts';
import { migrate } from '../../database/migrate.ts';
import { applyManifest } from '../../database/runs.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import type { Manifest } from '../../manifest/model.ts';
import { createProbityWorker } from '../../worker/worker.ts';
import type { Faults } from '../../database/faults.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { temporalAddress, temporalNamespace } from '../support/temporal.ts';

/** A database of one store, `shop`, made by `ddl`, with our schema and a manifest in force. */
export interface Shop {
  readonly database: FreshDatabase;
  readonly manifest: Manifest;
  readonly hash: string;
  readonly env: Record<string, string>;
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;
  readonly close: () => Promise<void>;
}

export async function createShop(ddl: string, tables: ManifestInput['tables'], more: Partial<ManifestInput> = {}): Promise<Shop> {
  const database = await freshDatabase();
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
  const loaded = parseManifestValue(value);
  if (loaded.manifest === null || loaded.hash === null) throw new Error(JSON.stringify(loaded.problems, null, 2));
  const store = openStore({ name: 'shop', url: database.url });
  await migrate(store, true);
  await applyManifest(store.db, loaded.manifest, loaded.hash, 'tester');
  await store.close();
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    database,
    manifest: loaded.manifest,
    hash: loaded.hash,
    env: { SHOP_URL: database.url, PROBITY_SIGNING_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
    query: async (text, values) => (await pool.query(text, values)).rows,
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
}

/** Runs a worker in this process for as long as `act` takes, on a task queue of its own. */
export async function withWorker<T>(shop: Shop, act: (client: Client, taskQueue: string) => Promise<T>, faults?: Faults): Promise<T> {
  const address = temporalAddress();
  const connection = await NativeConnection.connect({ address });
  const clientConnection = await Connection.connect({ address });
  const taskQueue = `test-${randomBytes(4).toString('hex')}`;
  const { worker, close } = await createProbityWorker({
    manifest: shop.manifest,
    env: shop.env,
    connection,
    namespace: temporalNamespace(),
    taskQueue,
    ...(faults && { faults }),
  });
  const client = new Client({ connection: clientConnection, namespace: temporalNamespace() });
  try {
    return await worker.runUntil(act(client, taskQueue));
  } finally {
    await close();
    await clientConnection.close();
    await connection.close();
  }
}
