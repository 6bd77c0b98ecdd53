import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client, Connection } from '@temporalio/client';
import { LOOP_FAULT_POINTS } from '../../database/faults.ts';
import { startTemporal } from '../../scripts/services/temporal.ts';
import { workflowBundle } from '../retention/support.ts';
import { startWorker } from '../retention/processes.ts';
import { temporaryFolder } from '../support/folders.ts';
import { temporalAddress, temporalFiles, temporalNamespace } from '../support/temporal.ts';
import { NativeConnection } from '@temporalio/worker';
import { createProbityWorker } from '../../worker/worker.ts';
import { createWorld, probity, sinkLines, until, withLoops, type World } from './support.ts';

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
        const native = await NativeConnection.connect({ address: server.address });
        const { worker, close } = await createProbityWorker({
          manifest: world.manifest,
          env: world.env,
          connection: native,
          namespace: temporalNamespace(),
          taskQueue: 'own',
          worker: { workflowBundle: await workflowBundle() },
        });
        await worker.runUntil(async () => {
          const result: unknown = await (await client()).workflow.getHandle(`request-${requestId ?? ''}`).result();
          expect(result).toEqual({ requestId, state: 'suppressed' });
        });
        await close();
        await native.close();
        const status = await probity(world, ['request', 'status', requestId ?? '']);
        expect(status.out).toMatch(/^R-\d+ {2}withdrawal of newsletter · due .*\nSuppressed {2}.*shop \(home\) · .*support$/);
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

/** A process that is killed at the nth time that it reaches a point, and a second one that finds what is left. */
describe.each(LOOP_FAULT_POINTS)('a worker killed at "%s"', (point) => {
  test('leaves nothing lost or doubled', async () => {
    const taskQueue = `test-${point.replaceAll(' ', '-')}-${Date.now()}`;
    for (let customer = 1; customer <= 10; customer++) await world.record(customer, 'granted');
    const first = await startWorker(world as never, { taskQueue, fault: `${point}:1`, env: world.env });
    const requests: string[] = [];
    for (let customer = 1; customer <= 10; customer++) requests.push((await world.record(customer, 'withdrawn')).requestId ?? '');
    expect(await first.ended).toBe('SIGKILL');
    const second = await startWorker(world as never, { taskQueue, env: world.env });
    try {
      await until('all is settled', settled, 60_000);
      await until('the replica answers', world.open, 20_000);
      for (let customer = 1; customer <= 10; customer++)
        expect(await world.allowed(customer, 'newsletter')).toEqual({ key: false, email: false });
      expect(await world.allowed(1, 'service')).toEqual({ key: true, email: true });
      expect(
        await world.other(`select purpose, subject, key, count(*) from probity.permission_span where subject = 'customer' and purpose = 'service'
        group by 1, 2, 3 having count(*) > 1`),
      ).toEqual([]);
      const entries = new Set(sinkLines(world).map((line) => (JSON.parse(line) as { entry: string }).entry));
      expect(entries.size).toBe(10);
      const connection = await Connection.connect({ address: temporalAddress() });
      const client = new Client({ connection, namespace: temporalNamespace() });
      for (const request of requests) {
        const description = await client.workflow.getHandle(`request-${request}`).result();
        expect(description).toMatchObject({ requestId: request, state: 'suppressed' });
      }
      await connection.close();
    } finally {
      await second.stop();
    }
    const histories = temporalFiles().map((file) => {
      try {
        return readFileSync(file, 'latin1');
      } catch {
        return '';
      }
    });
    for (const text of [...histories, first.output(), second.output(), readFileSync(world.sink, 'latin1')]) {
      expect(text.includes('canary.example')).toBe(false);
    }
  });
});
