import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as workflows from '../../workflows/index.ts';
import { HISTORIES } from '../support/replay.ts';
import { workflowBundle } from '../support/worker.ts';

/** Temporal's own workflow code is nearly all of it. Each cached workflow costs a share of this, so growth should be noticed. */
const MOST_BYTES = 1_900_000;

test('the workflow bundle holds every workflow, neither SQL, schemas nor calendars, and stays small', async () => {
  const built = await workflowBundle();
  if (!('code' in built)) throw new Error('the bundle has no code');
  // webpack names each module that it takes in.
  const modules = [...built.code.matchAll(/\.\/node_modules\/((?:@[\w-]+\/)?[\w.-]+)\//g)].map((match) => match[1]);
  expect(modules).toContain('@temporalio/workflow');
  for (const unwanted of ['kysely', 'pg', 'zod', 'luxon', 'yaml', '@temporalio/client', '@temporalio/worker', '@temporalio/activity']) {
    expect(modules).not.toContain(unwanted);
  }
  for (const name of Object.keys(workflows)) expect(built.code).toMatch(new RegExp(`async function ${name}\\(`));
  expect(built.code).not.toMatch(/\.\/(database|manifest|client|activities|worker)\/[\w/-]+\.ts/);
  expect(built.code.length).toBeLessThan(MOST_BYTES);
});

test('every workflow has recorded histories', () => expect(readdirSync(HISTORIES).sort()).toEqual(Object.keys(workflows).sort()));
