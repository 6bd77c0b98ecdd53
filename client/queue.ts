import type { Client } from '@temporalio/client';

// Temporal goes on listing a worker for minutes after its last poll; one that lives asks again within a minute.
const FRESH_MS = 70_000;
const WORKFLOW_TASKS = 1;

/** Whether a worker has asked for work on this task queue lately. */
export async function isPolled(client: Client, taskQueue: string): Promise<boolean> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: WORKFLOW_TASKS,
  });
  const now = Date.now();
  return (pollers ?? []).some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1_000 > now - FRESH_MS);
}
