import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ApplicationFailure, condition, ParentClosePolicy, proxyActivities, sleep, startChild } from '@temporalio/workflow';
import type { NoticeActivities, NoticeCall } from '../activities/notices.ts';

const { sendNotices, noticeCalled, noticeReturned, noticeFailed } = proxyActivities<NoticeActivities>({
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Their system may be slow; it may be asked for again when it has been silent for so long. */
const ONE_CALL = '1 hour';
const CALLS = {
  startToCloseTimeout: ONE_CALL,
  retry: { initialInterval: '10 seconds', backoffCoefficient: 3, maximumInterval: '1 day' },
} as const;

/** What the company's own activity gets: it asks `noticePeople` whom the notice is about. */
export interface NoticeOrder {
  readonly notice: string;
  readonly kind: string;
  readonly request: string;
}

/** Days, of calls that an earlier version has ordered. */
const BEFORE_IT_WAS_SAID = 30;

type OwnActivity = (order: NoticeOrder) => Promise<unknown>;

/**
 * Tells the recipients of a request until each has answered, a person has settled it, or the manifest's patience is over. The truth is in the home store, so
 * the workflow carries ids only, and may be started again at any time. Some 60 attempts at most: it needs no new history.
 */
export async function notices(request: string): Promise<void> {
  const called = new Map<string, Promise<void>>();
  let under = 0;
  for (;;) {
    const { waitMs, calls } = await sendNotices(request);
    for (const call of calls) {
      if (called.has(call.notice)) continue;
      under += 1;
      called.set(
        call.notice,
        // What became of it stands in the home store; what could not be written there is called again another day.
        tell(call)
          .catch(() => undefined)
          .finally(() => (under -= 1)),
      );
    }
    if (waitMs !== null) await condition(() => false, Math.max(waitMs, LEAST_WAIT_MS));
    else if (under > 0) await condition(() => under === 0);
    else return;
  }
}

/** What is due now is tried now, but never in a circle. */
const LEAST_WAIT_MS = 1_000;

async function tell({ notice, kind, request, activity, taskQueue, patienceDays = BEFORE_IT_WAS_SAID }: NoticeCall): Promise<void> {
  await noticeCalled(notice);
  const own = proxyActivities<Record<string, OwnActivity>>({
    ...CALLS,
    // As long as webhooks are tried: then it is a person's to settle.
    scheduleToCloseTimeout: `${patienceDays} days`,
    taskQueue,
  })[activity];
  if (own === undefined) throw ApplicationFailure.nonRetryable('There is no such activity', 'no activity');
  try {
    await own({ notice, kind, request });
  } catch {
    return noticeFailed(notice);
  }
  await noticeReturned(notice);
}

/** Who answers at once is heard before this ends. */
const QUICK_ANSWER = '5 seconds';

/** Recipients are told by a workflow of their own, which goes on for as long as it takes; it may be running already. */
export async function tellRecipients(requestId: string): Promise<void> {
  try {
    const child = await startChild(notices, {
      workflowId: `notices-${requestId}`,
      args: [requestId],
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
    // What becomes of it stands in the home store.
    await Promise.race([child.result().catch(() => undefined), sleep(QUICK_ANSWER)]);
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
