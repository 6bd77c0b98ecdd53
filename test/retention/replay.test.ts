import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import type { Client } from '@temporalio/client';
import { approve, cancel, pause, resume, start, workflowProgress } from '../../client/retention.ts';
import { longShop } from './long.ts';
import { gate, input, until, withWorker, workflowBundle, type Gate, type Shop } from './support.ts';

/**
 * Histories that released and present versions left behind: every later version must replay them. A change that breaks one needs
 * `patched`. Record anew (`npm run record-histories`) only what no running workflow can have.
 */
const FOLDER = join(import.meta.dirname, 'histories');
const RECORD = process.env['PROBITY_RECORD_HISTORIES'] !== undefined;

type Act = (client: Client, taskQueue: string, shop: Shop, stop: Gate) => Promise<string>;

const paused = (client: Client, runId: string): Promise<unknown> =>
  until('the run is paused', async () => (await workflowProgress(client, runId))?.stage === 'paused');

const SCENARIOS: Readonly<Record<string, { readonly act: Act; readonly more?: Parameters<typeof longShop>[0] }>> = {
  plain: { act: async (client, taskQueue) => (await start(client, { ...input, taskQueue })).workflowId },
  observe: { act: async (client, taskQueue) => (await start(client, { ...input, dryRun: true, taskQueue })).workflowId },
  'approval-and-pause': {
    more: { purge: { approval: 'always', lanes: 2, duty: 1 } },
    act: async (client, taskQueue, _shop, stop) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      const hash = await until('a plan', async () => {
        const progress = await workflowProgress(client, workflowId);
        return progress?.stage === 'waiting for approval' ? progress.planHash : null;
      });
      await approve(client, workflowId, hash, 'officer');
      await stop.reached;
      await pause(client, workflowId);
      stop.open();
      await paused(client, workflowId);
      await resume(client, workflowId);
      return workflowId;
    },
  },
  cancel: {
    act: async (client, taskQueue, _shop, stop) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      await stop.reached;
      await cancel(client, workflowId);
      stop.open();
      return workflowId;
    },
  },
  parked: {
    act: async (client, taskQueue, shop, stop) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      await stop.reached;
      await shop.query('update probity.store set epoch = gen_random_uuid()');
      stop.open();
      await until('the run is parked', async () => (await workflowProgress(client, workflowId))?.stage === 'parked');
      await resume(client, workflowId);
      return workflowId;
    },
  },
};

const { History } = temporal.api.history.v1;

/** Who recorded it, and where, is nobody's business. */
function impersonal(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  // Sticky task queues bear the worker's process and host.
  return ['identity', 'stackTrace', 'binaryChecksum'].includes(key) || /^\d+@/.test(value) ? 'recorded' : value;
}

function read(text: string): temporal.api.history.v1.History {
  return History.fromObject(JSON.parse(text) as object);
}

async function record(name: string): Promise<void> {
  const { act, more } = SCENARIOS[name]!;
  const shop = await longShop(more);
  const stop = gate('after commit', 1);
  try {
    const history = await withWorker(
      shop,
      async (client, taskQueue) => {
        const handle = client.workflow.getHandle(await act(client, taskQueue, shop, stop));
        stop.open();
        await handle.result();
        return handle.fetchHistory();
      },
      stop,
    );
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(
      join(FOLDER, `${name}.json`),
      `${JSON.stringify(History.toObject(History.fromObject(history), { longs: String, enums: String, bytes: String }), impersonal, 1)}\n`,
    );
  } finally {
    await shop.close();
  }
}

describe.runIf(RECORD)('record', () => {
  for (const name of Object.keys(SCENARIOS)) test(name, () => record(name));
});

describe.skipIf(RECORD)('recorded histories replay', () => {
  const files = existsSync(FOLDER) ? readdirSync(FOLDER) : [];
  test('every scenario is recorded', () =>
    expect(files.sort()).toEqual(
      Object.keys(SCENARIOS)
        .map((name) => `${name}.json`)
        .sort(),
    ));
  for (const file of files) {
    test(file, async () => {
      await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, read(readFileSync(join(FOLDER, file), 'utf8')), file);
    });
  }
  test('a workflow that does something else does not replay', async () => {
    const text = readFileSync(join(FOLDER, 'plain.json'), 'utf8').replaceAll('"purgeLane"', '"dropExpired"');
    await expect(Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, read(text))).rejects.toThrow();
  });
});
