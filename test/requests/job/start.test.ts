import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { requestWorkflowId, startRequest } from '../../../client/requests/start.ts';
import { withClient } from '../../support/worker.ts';

test('what is approved begins although its withdrawal is still followed; what has begun is left alone', async () => {
  const request = `R-${randomInt(1_000_000_000, 2_000_000_000)}`;
  await withClient(async (client) => {
    const handle = client.workflow.getHandle(requestWorkflowId(request));
    const running = async (): Promise<readonly [string, string]> => {
      const { type, runId } = await handle.describe();
      return [type, runId];
    };
    // Nobody works on this queue: what was started stays as it is.
    await startRequest(client, { request, approved: false }, 'nobody');
    const [first] = await running();
    expect(first).toBe('withdrawal');
    await startRequest(client, { request, approved: true }, 'nobody');
    const begun = await running();
    expect(begun[0]).toBe('erasure');
    await startRequest(client, { request, approved: true }, 'nobody');
    await startRequest(client, { request, approved: false }, 'nobody');
    expect(await running()).toEqual(begun);
    await handle.terminate();
  });
});
