import type { temporal } from '@temporalio/proto';
import { recordedHistories } from '../../support/replay.ts';
import { jobWorld } from '../job/world.ts';
import { applied, erased, withKeeper } from './support.ts';

type History = temporal.api.history.v1.IHistory;

recordedHistories({
  workflow: 'keeper',
  canaries: ['canary', 'Canary'],
  swapped: ['keep', 'sendAlerts'],
  scenarios: {
    /** A warning that the webhook does not take, an obligation that is begun, and looks in between. */
    plain: async () => {
      const world = await jobWorld();
      try {
        await applied(world, (manifest) => ({ ...manifest, requests: { alerts: { webhook: 'http://127.0.0.1:9/' } } }));
        const id = await erased(world, 1);
        await world.shop(`update probity.obligation set due_at = now() where request_id = $1`, [id]);
        await world.probity(['request', 'open', '--subject', 'customer', '--kind', 'access'], { input: '2\n' });
        let history: History = {};
        const later = Date.now() + 20 * 86_400_000;
        await withKeeper(
          world,
          () => later,
          async ({ look, handle }) => {
            await look();
            await look();
            history = await handle.fetchHistory();
          },
        );
        return history;
      } finally {
        await world.close();
      }
    },
  },
});
