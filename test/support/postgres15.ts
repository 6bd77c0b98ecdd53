import { join } from 'node:path';
import { afterAll } from 'vitest';
import { removePostgres, startPostgres } from '../../scripts/services/postgres.ts';
import type { PostgresService } from '../../scripts/services/postgres.ts';
import { testSettings } from '../../scripts/services/postgres-settings.ts';
import { temporaryFolder } from './folders.ts';

/**
 * A server of the oldest major that we support, started for the test file that calls this and stopped after it. Call it while the file is
 * collected (at its top or in a describe), not in a test. `freshDatabase({ adminUrl: (await server()).adminUrl })` makes databases on it.
 */
export const postgres15 = (): (() => Promise<PostgresService>) => {
  let started: Promise<PostgresService> | undefined;
  let dir = '';
  afterAll(async () => {
    if (started === undefined) return;
    await (await started).stop();
    await removePostgres(dir);
  });
  return () => {
    if (started === undefined) {
      dir = join(temporaryFolder('postgres15'), 'server');
      started = startPostgres({ dir, major: 15, settings: testSettings });
    }
    return started;
  };
};
