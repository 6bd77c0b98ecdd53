import { requestWorkflowId, startRequest } from '../../client/requests/start.ts';
import { historyOf, recordedHistories } from '../support/replay.ts';
import { withWorker } from '../support/worker.ts';
import { createWorld, until, withLoops, type World } from './support.ts';

const CUSTOMER = 908_765_001;

/** A withdrawal that the other store has not heard of yet: only `withLoops` tells it. */
async function withWithdrawal<T>(act: (world: World, requestId: string) => Promise<T>): Promise<T> {
  const world = await createWorld();
  try {
    await world.home(`insert into public.customer values ($1::int, 'person' || $1::int || '@canary.example', '1980-01-01', null)`, [
      CUSTOMER,
    ]);
    await world.record(CUSTOMER, 'granted');
    const { requestId } = await world.record(CUSTOMER, 'withdrawn');
    return await act(world, requestId!);
  } finally {
    await world.close();
  }
}

const FOLLOWED = `
  select from probity.replica p cross join probity.request r
  where p.caught_up_at > r.received_at and not exists (select from probity.replica_change)`;
const followed = (world: World): Promise<unknown> => until('the replica has followed', async () => (await world.home(FOLLOWED)).length > 0);

recordedHistories({
  workflow: 'withdrawal',
  canaries: [String(CUSTOMER), 'canary.example'],
  swapped: ['suppressed', 'syncConsents'],
  scenarios: {
    plain: () =>
      withWithdrawal(async (world, requestId) => {
        await withLoops(world, () => followed(world));
        return withWorker(world, async (client, taskQueue) => {
          await startRequest(client, { request: requestId, approved: false }, taskQueue);
          return historyOf(client, requestWorkflowId(requestId));
        });
      }),
    'waited-for-a-replica': () =>
      withWithdrawal((world, requestId) =>
        withWorker(world, async (client, taskQueue) => {
          await startRequest(client, { request: requestId, approved: false }, taskQueue);
          const handle = client.workflow.getHandle(requestWorkflowId(requestId));
          await until('it waits for the second time', async () => {
            const { events } = await handle.fetchHistory();
            return events?.filter(({ timerStartedEventAttributes }) => timerStartedEventAttributes).length === 2;
          });
          return withLoops(world, () => historyOf(client, handle.workflowId));
        }),
      ),
    // As after a restore that has lost it.
    unknown: () =>
      withWithdrawal((world) =>
        withWorker(world, async (client, taskQueue) => {
          await startRequest(client, { request: 'R-1', approved: false }, taskQueue);
          return historyOf(client, requestWorkflowId('R-1'));
        }),
      ),
  },
});
