import type { Client } from '@temporalio/client';
import { approve, cancel, pause, resume, start, workflowProgress } from '../../client/retention.ts';
import { historyOf, recordedHistories, type Recorded } from '../support/replay.ts';
import { withWorker } from '../support/worker.ts';
import { longShop } from './long.ts';
import { gate, input, until, type Gate, type Shop } from './support.ts';

type Act = (client: Client, taskQueue: string, shop: Shop, stop: Gate) => Promise<string>;
type Play = Recorded['scenarios'][string];

const CANARY = 'canary-visitor';

/** In a shop whose purge stops behind its first commit, if `act` waits for that. */
function scenario(act: Act, more?: Parameters<typeof longShop>[0]): Play {
  return async () => {
    const shop = await longShop(more);
    const stop = gate('after commit', 1);
    try {
      await shop.query('update visit set filler = $1 || filler', [CANARY]);
      return await withWorker(
        shop,
        async (client, taskQueue) => {
          const workflowId = await act(client, taskQueue, shop, stop);
          stop.open();
          return historyOf(client, workflowId);
        },
        stop,
      );
    } finally {
      await shop.close();
    }
  };
}

const stageIs = (client: Client, runId: string, stage: string): Promise<unknown> =>
  until(`the run is ${stage}`, async () => (await workflowProgress(client, runId))?.stage === stage);

recordedHistories({
  workflow: 'retention',
  canaries: [CANARY],
  swapped: ['purgeLane', 'dropExpired'],
  scenarios: {
    plain: scenario(async (client, taskQueue) => (await start(client, { ...input, taskQueue })).workflowId),
    observe: scenario(async (client, taskQueue) => (await start(client, { ...input, dryRun: true, taskQueue })).workflowId),
    'approval-and-pause': scenario(
      async (client, taskQueue, _shop, stop) => {
        const { workflowId } = await start(client, { ...input, taskQueue });
        const hash = await until('a plan', async () => {
          const progress = await workflowProgress(client, workflowId);
          return progress?.stage === 'waiting for approval' ? progress.planHash : null;
        });
        await approve(client, workflowId, hash, 'officer');
        await stop.reached;
        await pause(client, workflowId);
        stop.open();
        await stageIs(client, workflowId, 'paused');
        await resume(client, workflowId);
        return workflowId;
      },
      { purge: { approval: 'always', lanes: 2, duty: 1 } },
    ),
    cancel: scenario(async (client, taskQueue, _shop, stop) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      await stop.reached;
      await cancel(client, workflowId);
      stop.open();
      return workflowId;
    }),
    parked: scenario(async (client, taskQueue, shop, stop) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      await stop.reached;
      await shop.query('update probity.store set epoch = gen_random_uuid()');
      stop.open();
      await stageIs(client, workflowId, 'parked');
      await resume(client, workflowId);
      return workflowId;
    }),
  },
});
