import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import { workflowBundle } from './worker.ts';

/** One folder a workflow, one file a scenario. */
export const HISTORIES = join(import.meta.dirname, '..', 'histories');
const RECORD = process.env['PROBITY_RECORD_HISTORIES'] !== undefined;

const { History } = temporal.api.history.v1;
type History = temporal.api.history.v1.IHistory;

export interface Recorded {
  /** The workflow's name, and that of its folder. */
  readonly workflow: string;
  /** Each plays its scenario, with a real worker, to its end and gives the history. */
  readonly scenarios: Readonly<Record<string, () => Promise<History>>>;
  /** In the data of every scenario: keys and addresses of people. */
  readonly canaries: readonly string[];
  /** An activity of the first scenario, and another: with that in its place the history is of a workflow that did something else. */
  readonly swapped: readonly [string, string];
}

/**
 * Histories that released and present versions left behind: every later version must replay them. A change that breaks one needs
 * `patched`. `npm run record-histories` plays the scenarios that have no file; delete one only if no running workflow can have it.
 */
export function recordedHistories({ workflow, scenarios, canaries, swapped }: Recorded): void {
  const folder = join(HISTORIES, workflow);
  const pathOf = (name: string): string => join(folder, `${name}.json`);
  const names = Object.keys(scenarios);

  describe.runIf(RECORD)(`record ${workflow}`, () => {
    for (const [name, play] of Object.entries(scenarios)) {
      test.skipIf(existsSync(pathOf(name)))(name, async () => {
        const text = written(await play());
        expectImpersonal(text, canaries);
        mkdirSync(folder, { recursive: true });
        writeFileSync(pathOf(name), text);
      });
    }
  });

  describe.skipIf(RECORD)(`recorded histories of ${workflow}`, () => {
    const files = existsSync(folder) ? readdirSync(folder) : [];
    test('every scenario is recorded', () => expect(files.sort()).toEqual(names.map((name) => `${name}.json`).sort()));
    test.each(files)('%s says nothing of a person, and replays', async (file) => {
      const text = readFileSync(join(folder, file), 'utf8');
      expectImpersonal(text, canaries);
      const history = read(text);
      expect(history.events[0]?.workflowExecutionStartedEventAttributes?.workflowType?.name).toBe(workflow);
      await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, file);
    });
    test('a workflow that does something else does not replay', async () => {
      const text = readFileSync(pathOf(names[0]!), 'utf8');
      const other = text.replaceAll(`"${swapped[0]}"`, `"${swapped[1]}"`);
      expect(other).not.toBe(text);
      await expect(Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, read(other))).rejects.toThrow();
    });
  });
}

/** Waits for the end of a workflow and gives its history. */
export async function historyOf(client: Client, workflowId: string): Promise<History> {
  const handle = client.workflow.getHandle(workflowId);
  await handle.result();
  return handle.fetchHistory();
}

function read(text: string): temporal.api.history.v1.History {
  return History.fromObject(JSON.parse(text) as object);
}

function written(history: History): string {
  const plain = History.toObject(History.fromObject(history), { longs: String, enums: String, bytes: String });
  return `${JSON.stringify(plain, anonymous, 1)}\n`;
}

/** Who recorded it, and where, is nobody's business. */
function anonymous(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  // Sticky task queues bear the worker's process and host.
  return ['identity', 'stackTrace', 'binaryChecksum'].includes(key) || /^\d+@/.test(value) ? 'recorded' : value;
}

/** Not a version of the SDK, which has an `@` too. */
const ADDRESS = /[\w.+-]+@[\w-]+\.[a-z]/i;

function expectImpersonal(text: string, canaries: readonly string[]): void {
  const payloads = [...text.matchAll(/"data": "([^"]*)"/g)].map(([, data]) => Buffer.from(data!, 'base64').toString());
  // The search must be able to find something.
  expect(payloads.join()).toMatch(/\w/);
  const said = [text, ...payloads].join('\n');
  for (const canary of canaries) expect(said.includes(canary), canary).toBe(false);
  expect(said).not.toMatch(ADDRESS);
}
