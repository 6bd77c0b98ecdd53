import { afterAll, beforeAll, expect, test } from 'vitest';
import { approvedStaying } from '../job/support.ts';
import { jobWorld, MANIFEST, type JobWorld } from '../job/world.ts';
import { erased } from './support.ts';

let world: JobWorld;
beforeAll(async () => {
  const invoice = MANIFEST.tables!['shop.public.invoice']!;
  world = await jobWorld({
    manifest: {
      purposes: {
        ...MANIFEST.purposes,
        research: { basis: 'legitimate_interests', objection: 'balanced', assessment: 'LIA', description: 'What sells' },
      },
      tables: { ...MANIFEST.tables, 'shop.public.invoice': { ...invoice, purposes: ['tax', 'research'] } },
    },
  });
  const { code, err } = await world.probity(['views', 'apply']);
  if (code !== 0) throw new Error(err);
});
afterAll(() => world.close());

const rows = async (view: string): Promise<number> => (await world.shop<{ n: number }>(`select count(*)::int as n from ${view}`))[0]!.n;
const invoices = async (customer: number): Promise<number> => rows(`invoice where customer_id = ${customer}`);
const delivers = async (customer: number): Promise<boolean> =>
  (await world.shop<{ allowed: boolean }>(`select probity.permission('customer', $1, 'delivery') as allowed`, [String(customer)]))[0]!
    .allowed;

test('what the law keeps of somebody who was erased stands in the law’s views alone, from the certificate on', async () => {
  const [before, law] = [await rows('for_research.invoice'), await rows('for_tax.invoice')];
  const customer = 3;
  await erased(world, customer);
  const kept = await invoices(customer);
  expect(kept).toBe(1);
  // One of the two was older than the floor, and went.
  expect(await rows('for_tax.invoice')).toBe(law - 1);
  expect(await rows('for_research.invoice')).toBe(before - 2);
  expect(await delivers(customer)).toBe(false);
});

test('while a contract goes on the person is not restricted: it must go on being fulfilled', async () => {
  const customer = 4;
  const id = await approvedStaying(world, customer);
  expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
  expect(await delivers(customer)).toBe(true);
  expect(await world.shop(`select from purchase where customer_id = ${customer}`)).toHaveLength(3);
  expect(await world.shop(`select from page_view where customer_id = ${customer}`)).toHaveLength(0);
});
