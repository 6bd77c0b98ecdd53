import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres, removePostgres, type PostgresService } from '../services/postgres.ts';
import type { PostgresSettings } from '../services/postgres-settings.ts';
import { startTemporal } from '../services/temporal.ts';

const GIGABYTE = 2 ** 30;

/** The same for every competitor, and shown beside the results. */
export const benchSettings: PostgresSettings = {
  // The usual advice: a quarter of the machine.
  shared_buffers: `${Math.max(1, Math.floor(totalmem() / GIGABYTE / 4))}GB`,
  maintenance_work_mem: '1GB',
  work_mem: '32MB',
  // A checkpoint in the middle of one run and not of the next would be measured instead of what we compare.
  max_wal_size: '24GB',
  checkpoint_timeout: '1h',
  // Segments are used again after the warm-up, so that no run pays for making them.
  min_wal_size: '8GB',
  // Off for everyone: it would fall into some runs and not into others.
  autovacuum: 'off',
};

export interface BenchServices {
  readonly url: (this: void, database: string) => string;
  readonly adminUrl: string;
  readonly temporal: { readonly address: string; readonly namespace: string };
  readonly stop: () => Promise<void>;
}

/** One Postgres and one Temporal server in a temporary folder, which goes with them. Both stay up throughout, also for competitors that need only one. */
export async function startServices(parent: string | undefined, log: (line: string) => void): Promise<BenchServices> {
  const folder = mkdtempSync(join(parent ?? tmpdir(), 'probity-bench-'));
  // PostgreSQL runs as another user when root runs the benchmark.
  chmodSync(folder, 0o711);
  const postgresDir = join(folder, 'postgres');
  const stops: (() => Promise<unknown>)[] = [async () => rmSync(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    stops.push(() => removePostgres(postgresDir));
    const postgres = await startPostgres({ dir: postgresDir, settings: benchSettings, log, removeIfOrphaned: folder });
    stops.push(() => postgres.stop());
    const temporal = await startTemporal({ dir: join(folder, 'temporal'), namespace: 'probity-bench', log });
    stops.push(() => temporal.stop());
    return {
      url: (database) => postgres.url(database),
      adminUrl: postgres.adminUrl,
      temporal: { address: temporal.address, namespace: temporal.namespace },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One Postgres alone, in a temporary folder that others of ours may use too and that goes with it. */
export async function withPostgres(
  log: (line: string) => void,
  act: (postgres: PostgresService, folder: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'probity-bench-'));
  chmodSync(folder, 0o711);
  const dir = join(folder, 'postgres');
  const postgres = await startPostgres({ dir, settings: benchSettings, log, removeIfOrphaned: folder });
  try {
    await act(postgres, folder);
  } finally {
    await postgres.stop();
    await removePostgres(dir);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The URL of a new database on that server. */
export async function createDatabase(postgres: Pick<BenchServices, 'adminUrl' | 'url'>, name: string): Promise<string> {
  const admin = new pg.Client({ connectionString: postgres.adminUrl });
  await admin.connect();
  await admin.query(`create database ${pg.escapeIdentifier(name)}`);
  await admin.end();
  return postgres.url(name);
}
