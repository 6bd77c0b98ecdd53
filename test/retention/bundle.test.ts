import { expect, test } from 'vitest';
import { workflowBundle } from './support.ts';

/** Temporal's own workflow code is nearly all of it. Each cached workflow costs a share of this, so growth should be noticed. */
const MOST_BYTES = 1_900_000;

test('the workflow bundle holds neither SQL, schemas nor calendars, and stays small', async () => {
  const built = await workflowBundle();
  if (!('code' in built)) throw new Error('the bundle has no code');
  // webpack names each module that it takes in.
  const modules = [...built.code.matchAll(/\.\/node_modules\/((?:@[\w-]+\/)?[\w.-]+)\//g)].map((match) => match[1]);
  expect(modules).toContain('@temporalio/workflow');
  for (const unwanted of ['kysely', 'pg', 'zod', 'luxon', 'yaml', '@temporalio/client', '@temporalio/worker', '@temporalio/activity']) {
    expect(modules).not.toContain(unwanted);
  }
  expect(built.code).not.toMatch(/\.\/(database|manifest|client|activities|worker)\/[\w/-]+\.ts/);
  expect(built.code.length).toBeLessThan(MOST_BYTES);
});
