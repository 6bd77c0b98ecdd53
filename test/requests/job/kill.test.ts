import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultPoint } from '../../../database/faults.ts';
import { startWorker } from '../../retention/processes.ts';
import { until } from '../../retention/support.ts';
import { jobWorld, type JobWorld } from './world.ts';

/** A death is noticed by a missing heartbeat, some 15 seconds later: so the points that differ for what is committed. */
const POINTS: readonly FaultPoint[] = ['after change', 'before commit', 'after commit'];

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
  await world.shop(`update customer set closed_at = now() - interval '1 day'`);
});
afterAll(() => world.close());

/** What is left of a customer and what was certified, with nothing in it that differs from one to the next. */
async function left(customer: number, id: string): Promise<unknown> {
  const counts = [
    await world.shop(`select count(*)::int as n from purchase where customer_id = $1`, [customer]),
    await world.shop(`select count(*)::int as n from page_view where customer_id = $1`, [customer]),
    await world.shop(`select count(*)::int as n from invoice where customer_id = $1`, [customer]),
    await world.shop(`select payload -> 'contact' as contact from event where event_id = $1`, [customer]),
    await world.shop(`select count(*)::int as n from customer where customer_id = $1 and email ilike '%canary%'`, [customer]),
    await world.support(`select count(*)::int as n from ticket where ticket_id = $1`, [customer]),
  ];
  const { certificate } = JSON.parse((await world.probity(['request', 'certificate', id])).out) as {
    certificate: { outcome: string; tables: readonly { cutOff: unknown }[] };
  };
  return { counts, outcome: certificate.outcome, tables: certificate.tables.map(({ cutOff: _cutOff, ...table }) => table) };
}

/** Erases a customer with worker processes, the first of which dies at `fault`. */
async function erased(customer: number, fault: string | null): Promise<unknown> {
  const open = ['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'no_longer_necessary'];
  const opened = await world.probity([...open, '--verified-by', 'login', '--evidence', 'S-1'], { input: `${customer}\n` });
  const id = /R-\d+/.exec(opened.out)![0];
  const plan = /--plan ([0-9a-f]{12})/.exec((await world.probity(['request', 'plan', id])).out)![1]!;
  const shop = { env: world.env, file: world.env['PROBITY_MANIFEST']! };
  const taskQueue = `kill-${randomBytes(4).toString('hex')}`;
  const first = await startWorker(shop, { taskQueue, ...(fault !== null && { fault }) });
  await world.probity(['request', 'approve', id, '--plan', plan], { token: world.tokens.anna });
  if (fault !== null) expect(await first.ended, `the worker reaches "${fault}"`).toBe('SIGKILL');
  const second = fault === null ? first : await startWorker(shop, { taskQueue });
  await until('the request is closed', async () => {
    const [row] = await world.shop<{ state: string }>(`select state from probity.request where request_id = $1`, [id]);
    return row?.state === 'closed';
  });
  await second.stop();
  return left(customer, id);
}

test('a worker that is killed with -9 inside or behind the transaction of a step changes nothing but time', async () => {
  const undisturbed = await erased(20, null);
  expect(undisturbed).toMatchObject({ counts: [[{ n: 0 }], [{ n: 0 }], [{ n: 1 }], [{ contact: {} }], [{ n: 0 }], [{ n: 0 }]] });
  for (const [index, point] of POINTS.entries()) expect(await erased(21 + index, `${point}:1`), point).toEqual(undisturbed);
}, 240_000);
