import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import { startRequest } from '../../../client/requests/start.ts';
import { dispatchOutbox } from '../../../database/serving/outbox.ts';
import { historyOf, recordedHistories } from '../../support/replay.ts';
import { temporalAddress, temporalNamespace } from '../../support/temporal.ts';
import { withWorker } from '../../support/worker.ts';
import { ACKNOWLEDGED, approvedErasure, MAILER, startRecipient } from './support.ts';
import { jobWorld } from './world.ts';

/** The company's own worker: one system of theirs works, the other never will. */
async function withTheirs<T>(taskQueue: string, act: () => Promise<T>): Promise<T> {
  const connection = await NativeConnection.connect({ address: temporalAddress() });
  const activities = {
    eraseInCrm: () => Promise.resolve(),
    eraseInArchive: () => Promise.reject(ApplicationFailure.nonRetryable('It is read-only')),
  };
  const worker = await Worker.create({ connection, namespace: temporalNamespace(), taskQueue, activities });
  try {
    return await worker.runUntil(act);
  } finally {
    await connection.close();
  }
}

recordedHistories({
  workflow: 'notices',
  canaries: ['canary', 'Canary'],
  swapped: ['sendNotices', 'noticeCalled'],
  scenarios: {
    /** A webhook whose first answer is lost, code of the company's that works, and code that fails for good. */
    plain: async () => {
      const mailer = await startRecipient((heard) => (heard === 1 ? null : ACKNOWLEDGED));
      const taskQueue = `theirs-${randomUUID()}`;
      const own = (activity: string) => ({ ...MAILER, notify: { activity, taskQueue } });
      const world = await jobWorld({
        env: { MAILER_URL: mailer.url },
        manifest: { recipients: { mailer: MAILER, crm: own('eraseInCrm'), archive: own('eraseInArchive') } },
      });
      try {
        const id = await approvedErasure(world, 9);
        return await withTheirs(taskQueue, () =>
          withWorker({ manifest: world.project.manifest, env: world.env }, async (client, queue) => {
            await dispatchOutbox(world.project.home, (found) => startRequest(client, found, queue));
            await client.workflow.getHandle(`request-${id}`).result();
            return historyOf(client, `notices-${id}`);
          }),
        );
      } finally {
        await world.close();
        await mailer.close();
      }
    },
  },
});
