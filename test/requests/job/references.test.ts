import { afterAll, beforeAll, expect, test } from 'vitest';
import { approvedErasure } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
  await world.shop(`alter table customer add column referred_by bigint references customer`);
  await world.shop(`update customer set referred_by = customer_id - 10 where customer_id in (11, 12, 13)`);
});
afterAll(() => world.close());

const referredBy = async (customer: number): Promise<string | null> =>
  (await world.shop<{ by: string | null }>(`select referred_by::text as by from customer where customer_id = $1`, [customer]))[0]!.by;

test('a reference to a row that a law keeps stays as the plan says, and is no trace that somebody must look at', async () => {
  await world.shop(`update customer set closed_at = now() where customer_id = 1`);
  const id = await approvedErasure(world, 1);
  // Only rows that point at what goes are detached: the invoice under its floor needs the customer's row.
  const shown = (await world.probity(['request', 'status', id])).out;
  expect(shown).toContain('approved');
  expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
  expect(await referredBy(11)).toBe('1');
});

test('a reference to a row that goes is detached', async () => {
  await world.shop(`delete from invoice where customer_id = 2`);
  const id = await approvedErasure(world, 2);
  expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
  expect(await world.shop(`select from customer where customer_id = 2`)).toEqual([]);
  expect(await referredBy(12)).toBeNull();
});

test('what a row that points at a kept one says of the person in other columns is found all the same', async () => {
  await world.shop(`update customer set name = 'friend of customer 3' where customer_id = 13`);
  const id = await approvedErasure(world, 3);
  expect(await world.carryOut(id)).toMatchObject({ state: 'hits' });
  const found = JSON.parse((await world.probity(['request', 'found', id, '--json'])).out) as { column: string }[];
  expect(found.map(({ column }) => column)).toEqual(['name']);
});
