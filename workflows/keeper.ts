import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ActivityFailure,
  condition,
  continueAsNew,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  setHandler,
  startChild,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import type { KeeperActivities } from '../activities/keeper.ts';
import { lookSignal } from './messages.ts';
import { obligation } from './obligations.ts';

const { keep } = proxyActivities<KeeperActivities>({
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});
/** A listener that is away for longer is told with the next look: nothing else waits for it. */
const { sendAlerts } = proxyActivities<KeeperActivities>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 3, maximumInterval: '30 seconds', maximumAttempts: 4 },
});

/** A look is a few events: some days of hours. */
const MAX_HISTORY = 1_000;

/**
 * Looks after the clocks of all requests, for as long as there is a worker: does what is due, sleeps until the next thing is, an hour at most, and
 * looks again. What is due stands in the home store alone, so it may be ended and started at any time.
 */
export async function keeper(): Promise<void> {
  let looked = false;
  setHandler(lookSignal, () => void (looked = true));
  while (workflowInfo().historyLength < MAX_HISTORY) {
    looked = false;
    const { waitMs, alerts, obligations } = await keep();
    for (const id of obligations) await begin(id);
    if (alerts) await told();
    await condition(() => looked, waitMs);
  }
  await continueAsNew<typeof keeper>();
}

/** Rows whose day has come are erased by a workflow of their own: one that waits for a table holds nobody up. */
async function begin(id: string): Promise<void> {
  try {
    await startChild(obligation, {
      workflowId: `obligation-${id}`,
      args: [id],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

async function told(): Promise<void> {
  try {
    await sendAlerts();
  } catch (error) {
    // They stay open in the home store.
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
  }
}
