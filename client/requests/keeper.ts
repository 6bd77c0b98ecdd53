import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import type { keeper } from '../../workflows/keeper.ts';

/** A server that takes a call and never answers must not be waited for. */
const START_LIMIT_MS = 10_000;

/** One for all requests of an organisation; several organisations may share a namespace. */
export function keeperWorkflowId(organisation: string): string {
  const slug = organisation
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return `probity-keeper-${slug}`;
}

/** Starts what looks after the clocks of all requests, unless it runs. Throws what Temporal says otherwise. */
export async function startKeeper(client: Client, organisation: string, taskQueue: string): Promise<void> {
  try {
    await client.withDeadline(Date.now() + START_LIMIT_MS, () =>
      client.workflow.start<typeof keeper>('keeper', {
        taskQueue,
        workflowId: keeperWorkflowId(organisation),
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        args: [],
      }),
    );
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
