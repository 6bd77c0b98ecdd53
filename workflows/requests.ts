import { continueAsNew, proxyActivities, sleep, workflowInfo } from '@temporalio/workflow';
import type { RequestActivities } from '../activities/requests.ts';

const { suppressed } = proxyActivities<RequestActivities>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

/** Replicas follow within seconds, so that one look is the rule; one that is away is asked for once a minute: days of waiting stay a short history. */
const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 60_000;
const MAX_HISTORY = 2_000;

export interface WithdrawalResult {
  readonly requestId: string;
  /** `unknown`: the home store does not have the request (any more); a restore brings it back under another number. */
  readonly state: 'suppressed' | 'unknown';
}

/**
 * What follows a withdrawal, an objection or a restriction that has committed: it is in force in the home store already, and this waits
 * until it is in every other. The request's truth is its row, so the workflow carries its number only, and may be started again.
 */
export async function withdrawal(requestId: string): Promise<WithdrawalResult> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    const { waiting, known } = await suppressed(requestId);
    if (!known) return { requestId, state: 'unknown' };
    if (waiting.length === 0) break;
    await sleep(wait);
    if (workflowInfo().historyLength > MAX_HISTORY) await continueAsNew<typeof withdrawal>(requestId);
  }
  // Planning, approval and erasure of what only this consent justified follow here.
  return { requestId, state: 'suppressed' };
}
