import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { startPostgres } from '../../scripts/services/postgres.ts';
import { testSettings } from '../../scripts/services/postgres-settings.ts';
import { startTemporal } from '../../scripts/services/temporal.ts';
import { verifyCertificate } from '../../domain/evidence/certificate.ts';
import { temporaryFolder } from '../support/folders.ts';
import { temporalNamespace } from '../support/temporal.ts';
import { EXPIRED, left, longShop, ROWS } from './long.ts';
import { withClient, withWorker } from '../support/worker.ts';
import { certificateOf, gate, input, until } from './support.ts';

const DONE = { rows: ROWS - EXPIRED, expired: 0, gone: EXPIRED, goneTwice: 0 };
/** Longer than a few quick attempts: a server that is away is waited for, not given up. */
const AWAY_MS = 12_000;

test('Postgres crashes in the middle of a run, stays away for a while, and comes back', async () => {
  const dir = temporaryFolder('own-postgres');
  const server = await startPostgres({ dir, settings: testSettings, removeIfOrphaned: dir });
  const shop = await longShop({}, server.adminUrl);
  const stop = gate('after commit', 3);
  try {
    const result = await withWorker(
      shop,
      async (client, taskQueue) => {
        const handle = await start(client, { ...input, taskQueue });
        await stop.reached;
        await server.stopImmediate();
        stop.open();
        await sleep(AWAY_MS);
        await server.restart();
        return handle.result();
      },
      stop,
    );
    expect(result).toMatchObject({ outcome: 'complete', changed: EXPIRED });
    expect(await left(shop)).toEqual(DONE);
    const file = await certificateOf(shop, result.runId);
    expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
    expect(file.certificate.tables).toMatchObject([{ planned: EXPIRED, erased: EXPIRED, failed: 0 }]);
  } finally {
    await shop.close();
    await server.stop();
  }
});

test('Temporal stops in the middle of a run and comes back', async () => {
  const dir = temporaryFolder('own-temporal');
  const server = await startTemporal({ dir, namespace: temporalNamespace(), removeIfOrphaned: dir, dbFile: join(dir, 'own.db') });
  const shop = await longShop();
  const stop = gate('after commit', 2);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const { workflowId } = await start(client, { ...input, taskQueue });
        await stop.reached;
        await server.stop();
        stop.open();
        await sleep(3_000);
        await server.restart();
        const outcome = await until('the run ends', () =>
          withClient((again) => again.workflow.getHandle(workflowId).result() as Promise<unknown>, server.address).catch(() => null),
        );
        expect(outcome).toMatchObject({ outcome: 'complete' });
        expect(await left(shop)).toEqual(DONE);
        expect((await certificateOf(shop, workflowId)).certificate.tables).toMatchObject([{ erased: EXPIRED, failed: 0 }]);
      },
      { ...stop, address: server.address },
    );
  } finally {
    await shop.close();
    await server.stop();
  }
});
