import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { EXPIRED, left, longShop, ROWS, steps } from './long.ts';
import { startWorker } from './processes.ts';
import { withClient, withWorker } from '../support/worker.ts';
import { certificateOf, gate, input, until } from './support.ts';

/** In the middle of the table, between two batches. */
const FREEZE = 'freeze after commit:2';
const DONE = { rows: ROWS - EXPIRED, expired: 0, gone: EXPIRED, goneTwice: 0 };

test('of two runs on one table the second waits for the first, then finds nothing left', async () => {
  const shop = await longShop();
  const stop = gate('after commit', 2);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const first = await start(client, { ...input, taskQueue });
        await stop.reached;
        const second = await start(client, { ...input, taskQueue });
        await sleep(2_000);
        expect(await steps(shop, second.workflowId)).toBe(0);
        stop.open();
        expect(await first.result()).toMatchObject({ outcome: 'complete', changed: EXPIRED });
        expect(await second.result()).toMatchObject({ outcome: 'complete', changed: 0 });
        expect(await left(shop)).toEqual(DONE);
        const [one, two] = [await certificateOf(shop, first.workflowId), await certificateOf(shop, second.workflowId)];
        expect([one.certificate.serial, two.certificate.serial]).toEqual([1, 2]);
      },
      stop,
    );
  } finally {
    await shop.close();
  }
});

test('a worker frozen past its lease and woken does nothing more under it; its run ends behind the other', async () => {
  const shop = await longShop();
  const frozen = await startWorker(shop, { taskQueue: `frozen-${process.pid}`, fault: FREEZE });
  try {
    await withWorker(shop, async (client, taskQueue) => {
      const first = await start(client, { ...input, taskQueue: `frozen-${process.pid}` });
      await until('the worker is frozen', () => frozen.output().includes('frozen at'));
      const before = await steps(shop, first.workflowId);
      expect((await left(shop)).expired).toBeGreaterThan(0);
      await shop.query(`update probity.lease set expires_at = now() - interval '1 second'`);
      const second = await start(client, { ...input, taskQueue });
      expect(await second.result()).toMatchObject({ outcome: 'complete' });
      expect(await left(shop)).toEqual(DONE);
      expect(await steps(shop, first.workflowId)).toBe(before);
      frozen.child.kill('SIGCONT');
      const [one, two] = [await first.result(), await second.result()];
      expect(one.outcome).toBe('complete');
      expect(one.changed + two.changed).toBe(EXPIRED);
      expect(await left(shop)).toEqual(DONE);
    });
  } finally {
    frozen.child.kill('SIGCONT');
    await frozen.stop();
    await shop.close();
  }
});

test('a run that is cancelled while its worker is frozen is closed only when nothing can happen under it any more', async () => {
  const shop = await longShop();
  const taskQueue = `late-${process.pid}`;
  const frozen = await startWorker(shop, { taskQueue, fault: FREEZE });
  try {
    await withClient(async (client) => {
      const run = await start(client, { ...input, taskQueue });
      await until('the worker is frozen', () => frozen.output().includes('frozen at'));
      await run.cancel();
      const other = await startWorker(shop, { taskQueue });
      expect(await run.result()).toMatchObject({ outcome: 'cancelled' });
      const { gone } = await left(shop);
      frozen.child.kill('SIGCONT');
      await sleep(2_000);
      expect((await left(shop)).gone).toBe(gone);
      expect((await certificateOf(shop, run.workflowId)).certificate.tables).toMatchObject([{ erased: gone, failed: EXPIRED - gone }]);
      await other.stop();
    });
  } finally {
    frozen.child.kill('SIGCONT');
    await frozen.stop();
    await shop.close();
  }
});
