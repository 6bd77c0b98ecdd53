import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client, Connection } from '@temporalio/client';
import { LOOP_FAULT_POINTS } from '../../database/faults.ts';
import { startTemporal } from '../../scripts/services/temporal.ts';
import { workflowBundle } from '../support/worker.ts';
import { temporaryFolder } from '../support/folders.ts';
import { temporalAddress, temporalFiles, temporalNamespace } from '../support/temporal.ts';
import { NativeConnection } from '@temporalio/worker';
import { createProbityWorker } from '../../worker/worker.ts';
import { createWorld, probity, sinkLines, until, withLoops, type World } from './support.ts';

const LOOPS = fileURLToPath(new URL('loops-process.ts', import.meta.url));

let world: World;
beforeEach(async () => {
  world = await createWorld({ sink: true });
});
afterEach(() => world.close());

const settled = async (): Promise<boolean> => {
  const [row] = await world.home<{ done: boolean }>(`
    select not exists (select from probity.request where state = 'open') and not exists (select from probity.outbox)
      and not exists (select from probity.replica_change) and not exists (select from probity.sink_queue) as done`);
  return row?.done === true;
};

test('withdrawals while Temporal is away are in force at once, and their workflows start when it is back', async () => {
  const dir = temporaryFolder('own-temporal');
  const server = await startTemporal({ dir, namespace: temporalNamespace(), removeIfOrphaned: dir, dbFile: join(dir, 'own.db') });
  await server.stop();
  let connection: Connection | null = null;
  const client = async (): Promise<Client> => {
    connection ??= await Connection.connect({ address: server.address, connectTimeout: 1_000 });
    return new Client({ connection, namespace: temporalNamespace() });
  };
  try {
    await withLoops(
      world,
      async (logged) => {
        await until('the replica answers', world.open);
        await world.record(1, 'granted');
        const { requestId } = await world.record(1, 'withdrawn');
        expect(await world.home(`select probity.permission('customer', '1', 'newsletter') as allowed`)).toEqual([{ allowed: false }]);
        await until('the other store follows', async () => !(await world.allowed(1, 'newsletter')).key);
        await until('the loop says that Temporal is away', () => Promise.resolve(logged.some((line) => line.includes('"loop":"outbox"'))));
        expect(await world.home('select request_id from probity.outbox')).toEqual([{ request_id: requestId }]);
        await server.restart();
        await until('the workflow starts', async () => (await world.home('select from probity.outbox')).length === 0);
        await working(server.address, 'own', async () => {
          const result: unknown = await (await client()).workflow.getHandle(`request-${requestId ?? ''}`).result();
          expect(result).toEqual({ requestId, state: 'suppressed' });
        });
        const status = await probity(world, ['request', 'status', requestId ?? '']);
        expect(status.out).toMatch(/^R-\d+ {2}withdrawal of newsletter · due .*\nClock .*\nSuppressed {2}.*shop \(home\) · .*support\n/);
        expect((await probity(world, ['request', 'list', '--json'])).out).toContain('"daysLeft"');
        expect(logged.some((line) => line.startsWith('a loop goes on'))).toBe(true);
        expect(logged.join()).not.toContain('canary');
      },
      { client, taskQueue: 'own' },
    );
  } finally {
    await (connection as Connection | null)?.close();
    await server.stop();
  }
});

/** Loops in a process that is killed when it first reaches a point, and others that find what is left. */
describe.each(LOOP_FAULT_POINTS)('loops killed at "%s"', (point) => {
  test('leave nothing lost or doubled', async () => {
    const taskQueue = `test-${randomUUID()}`;
    for (let customer = 1; customer <= 10; customer++) await world.record(customer, 'granted');
    const env = {
      PROBITY_MANIFEST: world.file,
      PROBITY_TASK_QUEUE: taskQueue,
      PROBITY_FAULT: point,
      TEMPORAL_ADDRESS: temporalAddress(),
      TEMPORAL_NAMESPACE: temporalNamespace(),
    };
    const child = spawn(process.execPath, [LOOPS], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...world.env, ...env } });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = once(child, 'close').then(() => child.signalCode);
    const requests: string[] = [];
    for (let customer = 1; customer <= 10; customer++) requests.push((await world.record(customer, 'withdrawn')).requestId ?? '');
    expect([await ended, output]).toEqual(['SIGKILL', '']);

    const connection = await Connection.connect({ address: temporalAddress() });
    const client = new Client({ connection, namespace: temporalNamespace() });
    await withLoops(
      world,
      () =>
        working(temporalAddress(), taskQueue, async () => {
          for (const request of requests) {
            expect(await client.workflow.getHandle(await started(request)).result()).toEqual({ requestId: request, state: 'suppressed' });
          }
          await until('all is settled', settled);
          await until('the replica answers', world.open);
        }).then(async () => {
          for (let customer = 1; customer <= 10; customer++)
            expect(await world.allowed(customer, 'newsletter')).toEqual({ key: false, email: false });
          expect(await world.allowed(1, 'service')).toEqual({ key: true, email: true });
        }),
      { client: () => Promise.resolve(client), taskQueue },
    );
    await connection.close();
    expect(
      await world.other(
        `select purpose, subject, key from probity.permission_span where purpose = 'service' group by 1, 2, 3 having count(*) > 1`,
      ),
    ).toEqual([]);
    expect(new Set(sinkLines(world).map((line) => /"entry":"([^"]+)"/.exec(line)?.[1])).size).toBe(10);
    for (const file of [...temporalFiles(), world.sink]) {
      if (existsSync(file)) expect(readFileSync(file, 'latin1').includes('canary.example')).toBe(false);
    }
  });
});

async function started(request: string): Promise<string> {
  await until(
    'its outbox row is gone',
    async () => (await world.home('select from probity.outbox where request_id = $1', [request])).length === 0,
  );
  return `request-${request}`;
}

/** A worker for the workflows, for as long as `act` takes. */
async function working(address: string, taskQueue: string, act: () => Promise<void>): Promise<void> {
  const connection = await NativeConnection.connect({ address });
  const { worker, close } = await createProbityWorker({
    manifest: world.manifest,
    env: world.env,
    connection,
    namespace: temporalNamespace(),
    taskQueue,
    worker: { workflowBundle: await workflowBundle() },
  });
  try {
    await worker.runUntil(act);
  } finally {
    await close();
    await connection.close();
  }
}
