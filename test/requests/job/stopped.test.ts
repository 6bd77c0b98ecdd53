import { afterAll, beforeAll, expect, test } from 'vitest';
import { approvedErasure } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
});
afterAll(() => world.close());

test('an error that another attempt would meet again is told, changes nothing, and the work goes on once it is mended', async () => {
  await world.shop(`create function no() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$`);
  await world.shop(`create trigger no before delete on page_view for each statement execute function no()`);
  const before = await world.shop(`select (select count(*) from purchase) as purchases, (select count(*) from page_view) as views`);
  const id = await approvedErasure(world, 1);
  await expect(world.carryOut(id)).rejects.toThrow();
  expect(await world.shop(`select (select count(*) from purchase) as purchases, (select count(*) from page_view) as views`)).toEqual(
    before,
  );
  const { out } = await world.probity(['request', 'status', id]);
  expect(out).toContain('NOT DONE    the work stopped at an error (P0001)');
  expect(out).toContain(`probity request resume ${id}`);
  await world.shop(`drop trigger no on page_view`);
  expect(await world.probity(['request', 'resume', id, '--actor', 'operator'])).toMatchObject({ code: 0 });
  expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
});
