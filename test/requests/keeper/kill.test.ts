import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readObligations } from '../../../database/requests/obligations.ts';
import type { obligation } from '../../../workflows/obligations.ts';
import { withClient } from '../../support/worker.ts';
import { jobWorld, type JobWorld } from '../job/world.ts';
import { applied, erased, startWorkerProcess, withKeeper } from './support.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
  await applied(world, (manifest) => {
    const invoice = manifest.tables!['shop.public.invoice']!;
    const { from: _, ...floor } = invoice.floor!;
    return { ...manifest, tables: { ...manifest.tables, 'shop.public.invoice': { ...invoice, floor } } };
  });
});
afterAll(() => world.close());

const obliged = async (request: string) => (await readObligations(world.project.home, { request, open: false, limit: 1 }))[0]!;
const ages = (customer: number) =>
  world.shop(`update invoice set issued_at = now() - interval '9 years' where customer_id = $1`, [customer]);

test.each(['after change:1', 'after commit:1', 'before commit:2'])(
  'a worker that is killed "%s" costs time only',
  async (fault) => {
    const customer = { 'after change:1': 1, 'after commit:1': 2, 'before commit:2': 3 }[fault]!;
    const request = await erased(world, customer);
    const { id } = await obliged(request);
    await ages(customer);
    const taskQueue = `kill-${randomUUID()}`;
    const killed = startWorkerProcess(world, taskQueue, fault);
    const result = withClient((client) =>
      client.workflow.execute<typeof obligation>('obligation', { taskQueue, workflowId: `obligation-${randomUUID()}`, args: [id] }),
    );
    expect(await killed.ended).toBe('SIGKILL');
    const other = startWorkerProcess(world, taskQueue);
    try {
      expect(await result).toMatchObject({ state: 'discharged' });
    } finally {
      await other.stop();
    }
    expect(await world.shop(`select from invoice where customer_id = $1`, [customer])).toEqual([]);
    expect(await world.shop(`select from customer where customer_id = $1`, [customer])).toEqual([]);
    const steps = await world.shop<{ erased: string | null }>(
      `select body -> 'counts' ->> 'erased:public.invoice' as erased from probity.step where run_id = $1 and kind = 'erase' order by seq`,
      [`obligation-${id}-1`],
    );
    // Whoever goes on behind a step looks once more, and finds nothing.
    expect(steps.flatMap(({ erased: rows }) => rows ?? [])).toEqual(['1']);
  },
  90_000,
);

test('the keeper begins what is due, by its own look', async () => {
  const request = await erased(world, 4);
  const { id } = await obliged(request);
  await ages(4);
  await world.shop(`update probity.obligation set due_at = now() where obligation_id = $1`, [id]);
  await withKeeper(
    world,
    () => Date.now(),
    async () => {
      for (let tries = 0; tries < 800 && (await obliged(request)).state === 'open'; tries++)
        await new Promise((resolve) => setTimeout(resolve, 25));
    },
  );
  expect(await obliged(request)).toMatchObject({ state: 'discharged' });
  expect((await world.probity(['request', 'status', request])).out).toMatch(/Obligation {2}invoice done/);
}, 60_000);
