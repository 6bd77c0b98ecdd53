import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { approve, cancel, pause, resume, start, workflowProgress } from '../../client/retention.ts';
import { readRun } from '../../database/runs.ts';
import { verifyCertificate } from '../../domain/evidence/certificate.ts';
import { startWorker } from './processes.ts';
import { EXPIRED, left, longShop, ROWS, steps, visits } from './long.ts';
import { withClient, withWorker } from '../support/worker.ts';
import { certificateOf, gate, input, until, withStore, type Shop } from './support.ts';

const stateOf = (shop: Shop, runId: string): Promise<string | undefined> =>
  withStore(shop, async (store) => (await readRun(store.db, runId))?.state);

test('cancelled in the middle of a table: the certificate says so, and counts what has gone', async () => {
  const shop = await longShop();
  const stop = gate('after commit', 3);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const { workflowId } = await start(client, { ...input, taskQueue });
        await stop.reached;
        await cancel(client, workflowId);
        await stop.cancelled;
        stop.open();
        expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'cancelled' });
        const { gone, expired, goneTwice } = await left(shop);
        expect(gone).toBeGreaterThan(0);
        expect(expired).toBeGreaterThan(0);
        expect(goneTwice).toBe(0);
        const file = await certificateOf(shop, workflowId);
        expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
        expect(file.certificate).toMatchObject({
          outcome: 'cancelled',
          tables: [{ planned: EXPIRED, erased: gone, failed: EXPIRED - gone }],
        });
        expect(file.certificate.statements).toEqual(['shop.public.visit: no closing statement was made']);
        expect(await stateOf(shop, workflowId)).toBe('cancelled');
        // The table is free for the next run at once.
        await (await start(client, { ...input, taskQueue })).result();
        expect(await left(shop)).toMatchObject({ expired: 0, goneTwice: 0 });
      },
      stop,
    );
  } finally {
    await shop.close();
  }
});

test('paused in the middle of a table nothing happens until it is resumed', async () => {
  const shop = await longShop();
  const stop = gate('after commit', 2);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const { workflowId } = await start(client, { ...input, taskQueue });
        await stop.reached;
        await pause(client, workflowId);
        await stop.cancelled;
        stop.open();
        await until('the run is paused', async () => (await workflowProgress(client, workflowId))?.stage === 'paused');
        await until('the home store knows it', async () => (await stateOf(shop, workflowId)) === 'paused');
        const before = await steps(shop, workflowId);
        await sleep(1_000);
        expect(await steps(shop, workflowId)).toBe(before);
        expect((await left(shop)).expired).toBeGreaterThan(0);
        await resume(client, workflowId);
        expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'complete', changed: EXPIRED });
        expect(await left(shop)).toEqual({ rows: ROWS - EXPIRED, expired: 0, gone: EXPIRED, goneTwice: 0 });
      },
      stop,
    );
  } finally {
    await shop.close();
  }
});

/** More signals than a history may have events before it is continued as new. */
const MANY_SIGNALS = 2_100;

test('a long history is continued as new, paused or not, and the run stays the same', async () => {
  const shop = await longShop();
  try {
    await withWorker(shop, async (client, taskQueue) => {
      const handle = await start(client, { ...input, taskQueue });
      const first = await client.workflow.getHandle(handle.workflowId).describe();
      await pause(client, handle.workflowId);
      await until('the run is paused', async () => (await workflowProgress(client, handle.workflowId))?.stage === 'paused');
      for (let sent = 0; sent < MANY_SIGNALS; sent += 100) {
        await Promise.all(Array.from({ length: 100 }, () => pause(client, handle.workflowId)));
        // An answer shows that they have been taken in: a single task would be given no time for all of them.
        await workflowProgress(client, handle.workflowId);
      }
      await resume(client, handle.workflowId);
      expect(await client.workflow.getHandle(handle.workflowId).result()).toMatchObject({ outcome: 'complete' });
      const described = await client.workflow.getHandle(handle.workflowId).describe();
      expect(described.runId).not.toBe(first.runId);
      expect(described.historyLength).toBeLessThan(200);
      expect(await stateOf(shop, handle.workflowId)).toBe('complete');
      expect(await left(shop)).toMatchObject({ expired: 0, gone: EXPIRED, goneTwice: 0 });
    });
  } finally {
    await shop.close();
  }
});

test('an approval binds to the plan that was shown: another hash, the starter, and a plan that drifted are refused', async () => {
  const shop = await longShop({ purge: { approval: 'always', lanes: 1, duty: 1 } });
  try {
    await withWorker(shop, async (client, taskQueue) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      const waiting = (): Promise<string> =>
        until('the run waits', async () => {
          const progress = await workflowProgress(client, workflowId);
          return progress?.stage === 'waiting for approval' ? progress.planHash : null;
        });
      const shown = await waiting();
      await until('the home store knows it', async () => (await stateOf(shop, workflowId)) === 'waiting');
      await expect(approve(client, workflowId, 'f'.repeat(64), 'officer')).rejects.toThrow();
      await expect(approve(client, workflowId, shown, input.actor)).rejects.toThrow();
      expect(await left(shop)).toMatchObject({ rows: ROWS, gone: 0 });

      await shop.query(`insert into visit select 100000 + i, '2020-01-01', 1 from generate_series(1, 1000) i`);
      await approve(client, workflowId, shown, 'officer');
      const again = await until('another plan is shown', async () => ((await waiting()) === shown ? null : waiting()));
      expect(await left(shop)).toMatchObject({ rows: ROWS + 1000, gone: 0 });
      await expect(approve(client, workflowId, shown, 'officer')).rejects.toThrow();
      await approve(client, workflowId, again, 'officer');
      expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'complete', planHash: again });
      const { certificate } = await certificateOf(shop, workflowId);
      expect(certificate).toMatchObject({ approvedBy: 'officer', plan: again, tables: [{ erased: EXPIRED + 1000 }] });
      await expect(approve(client, workflowId, again, 'officer')).rejects.toThrow();
    });
  } finally {
    await shop.close();
  }
});

/** From the start of a run to its wait for the window: seconds on a machine that does nothing else, many on one that does. */
const LEAST_OF_MINUTE_MS = 20_000;
const MINUTE_MS = 60_000;

test('outside its window a run waits durably, also without any worker, and goes on when the window opens', async () => {
  const shop = await longShop({ timezone: 'UTC' });
  try {
    const taskQueue = `window-${shop.database.name}`;
    const first = await startWorker(shop, { taskQueue });
    // Chosen only now, since a worker takes its time to start.
    let opensAt = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS;
    if (opensAt - Date.now() < LEAST_OF_MINUTE_MS) {
      await sleep(opensAt - Date.now());
      opensAt += MINUTE_MS;
    }
    const clock = (time: number): string => new Date(time).toISOString().slice(11, 16);
    await shop.apply({ tables: visits({ between: `${clock(opensAt)}-${clock(opensAt - MINUTE_MS)}` }) });
    await withClient(async (client) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      const waitsUntil = await until('the run waits', async () => {
        const progress = await workflowProgress(client, workflowId);
        return progress?.stage === 'outside the window' ? progress.until : null;
      });
      expect(waitsUntil).toBe(new Date(opensAt).toISOString());
      expect(await left(shop)).toMatchObject({ rows: ROWS, gone: 0 });
      await first.stop();
      const second = await startWorker(shop, { taskQueue });
      expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'complete' });
      expect(Date.now()).toBeGreaterThanOrEqual(opensAt);
      expect(await left(shop)).toMatchObject({ expired: 0, gone: EXPIRED });
      await second.stop();
    });
  } finally {
    await shop.close();
  }
});
