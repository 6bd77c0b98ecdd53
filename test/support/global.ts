import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { removePostgres, startPostgres } from '../../scripts/services/postgres.ts';
import { allElsewhere } from '../../scripts/services/postgres-place.ts';
import { testSettings } from '../../scripts/services/postgres-settings.ts';
import { startTemporal } from '../../scripts/services/temporal.ts';
import { leakedProcesses, RUN_MARKER } from './leaks.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the database `postgres` on the server of this run. */
    readonly postgresUrl: string;
    readonly temporalAddress: string;
    readonly temporalNamespace: string;
    /** SQLite, with every history of this run in it. */
    readonly temporalDatabase: string;
    readonly temporalLog: string;
    readonly postgresLog: string;
    /** Gone at the end of the run. Others than its owner may pass through it. */
    readonly temporaryFolder: string;
  }
}

const NAMESPACE = 'probity-test';

/**
 * One PostgreSQL and one Temporal server for the whole run, in a temporary folder. Both stop and the folder goes at the end; if the run is
 * killed, by their guards.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'probity-test-'));
  // PostgreSQL runs as another user when root runs the tests.
  chmodSync(folder, 0o711);
  const log = (line: string): void => console.log(`[services] ${line}`);
  const stops: (() => Promise<unknown>)[] = [];
  const tearDown = async (): Promise<void> => {
    for (const stop of stops.reverse()) await stop();
    // Servers that tests started and did not remove are stopped by their guards; what they put elsewhere is known only here.
    for (const path of [...allElsewhere(folder), folder]) rmSync(path, { recursive: true, force: true });
  };
  // Every process that a test starts inherits it, so that what is left at the end can be found.
  const marker = randomBytes(8).toString('hex');
  try {
    const temporal = await startTemporal({ dir: join(folder, 'temporal'), namespace: NAMESPACE, durable: false, log });
    stops.push(() => temporal.stop());
    const postgresDir = join(folder, 'postgres');
    stops.push(() => removePostgres(postgresDir));
    const postgres = await startPostgres({ dir: postgresDir, settings: testSettings, log, removeIfOrphaned: folder });
    stops.push(() => postgres.stop());

    project.provide('postgresUrl', postgres.adminUrl);
    project.provide('postgresLog', join(postgresDir, 'server.log'));
    project.provide('temporalAddress', temporal.address);
    project.provide('temporalNamespace', temporal.namespace);
    project.provide('temporalDatabase', temporal.dbFile);
    project.provide('temporalLog', temporal.logFile);
    project.provide('temporaryFolder', folder);
  } catch (error) {
    await tearDown();
    throw error;
  }
  process.env[RUN_MARKER] = marker;
  return async () => {
    delete process.env[RUN_MARKER];
    const leaked = await leakedProcesses(marker);
    await tearDown();
    if (leaked.length > 0) {
      process.exitCode = 1;
      throw new Error(`Tests left processes behind:\n${leaked.join('\n')}`);
    }
  };
}
