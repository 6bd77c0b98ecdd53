import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { StartedRequest } from '../../database/serving/outbox.ts';
import type { erasure } from '../../workflows/erasures.ts';
import type { news } from '../../workflows/news.ts';
import type { withdrawal } from '../../workflows/requests.ts';

/** `request-R-1001`: one workflow a request, for its life. */
export function requestWorkflowId(requestId: string): string {
  return `request-${requestId}`;
}

export function newsWorkflowId(requestId: string): string {
  return `news-${requestId}`;
}

/** The workflow that waits until every store has followed. */
const FOLLOWS = 'withdrawal';

/** A server that takes a call and never answers must not be waited for with the outbox locked. */
const START_LIMIT_MS = 10_000;

/**
 * Starts a request's workflow, unless it runs. One that has ended is started again: after a restore its number may be another person's, and
 * the workflow looks at the row first, so a start too many does nothing. Throws what Temporal says otherwise.
 */
export async function startRequest(client: Client, { request, approved }: StartedRequest, taskQueue: string): Promise<void> {
  const options = {
    taskQueue,
    workflowId: requestWorkflowId(request),
    workflowIdReusePolicy: 'ALLOW_DUPLICATE' as const,
    args: [request] as [string],
  };
  const start = async (): Promise<void> => {
    if (approved) await client.workflow.start<typeof erasure>('erasure', options);
    else await client.workflow.start<typeof withdrawal>('withdrawal', options);
  };
  await client.withDeadline(Date.now() + START_LIMIT_MS, async () => {
    if ((await started(start)) || !approved) return;
    // What is approved is in force in every store: whoever still waits for that would keep the work from beginning.
    const handle = client.workflow.getHandle(options.workflowId);
    if ((await handle.describe()).type !== FOLLOWS) return;
    await handle.terminate('it is in force everywhere, and carried out now').catch(() => undefined);
    await start();
  });
}

/** Has recipients told of a restriction, of its end, or of a rectification, unless that is under way. Throws what Temporal says otherwise. */
export async function startNews(client: Client, request: string, taskQueue: string): Promise<void> {
  const options = { taskQueue, workflowId: newsWorkflowId(request), workflowIdReusePolicy: 'ALLOW_DUPLICATE' as const };
  await client.withDeadline(Date.now() + START_LIMIT_MS, async () => {
    await started(() => client.workflow.start<typeof news>('news', { ...options, args: [request] }));
  });
}

/** False: it runs already. */
async function started(start: () => Promise<unknown>): Promise<boolean> {
  try {
    await start();
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
