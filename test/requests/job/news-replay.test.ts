import { newsWorkflowId, startNews } from '../../../client/requests/start.ts';
import { historyOf, recordedHistories } from '../../support/replay.ts';
import { withWorker } from '../../support/worker.ts';
import { ACKNOWLEDGED, MAILER, startRecipient } from './support.ts';
import { jobWorld, type JobChanges } from './world.ts';

/** A rectification of somebody is answered, and recipients are to hear of it. */
async function rectified(changes: JobChanges) {
  const world = await jobWorld(changes);
  try {
    const open = ['request', 'open', '--kind', 'rectification', '--subject', 'customer', '--verified-by', 'login', '--evidence', 'S-1'];
    const id = /R-\d+/.exec((await world.probity(open, { input: '9\n' })).out)![0];
    await world.probity(['request', 'reply', id, '--sent']);
    return await withWorker({ manifest: world.project.manifest, env: world.env }, async (client, queue) => {
      await startNews(client, id, queue);
      return historyOf(client, newsWorkflowId(id));
    });
  } finally {
    await world.close();
  }
}

recordedHistories({
  workflow: 'news',
  canaries: ['canary', 'Canary'],
  swapped: ['openNews', 'sendNotices'],
  scenarios: {
    told: async () => {
      const mailer = await startRecipient(() => ACKNOWLEDGED);
      try {
        return await rectified({ env: { MAILER_URL: mailer.url }, manifest: { recipients: { mailer: MAILER } } });
      } finally {
        await mailer.close();
      }
    },
    nobody: () => rectified({}),
  },
});
