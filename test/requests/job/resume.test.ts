import { afterAll, beforeAll, expect, test } from 'vitest';
import { approvePlan, approvedErasure } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
  await world.shop(`
    create sequence busy_view start 1000000;
    create function busy() returns trigger language plpgsql as $$ begin
      insert into page_view values (nextval('busy_view'), old.customer_id, '/again');
      return null;
    end $$`);
});
afterAll(() => world.close());

/** An application that writes a view for each that goes. */
const busy = () => world.shop(`create trigger busy after delete on page_view for each row execute function busy()`);
const calm = () => world.shop(`drop trigger busy on page_view`);
const viewsOf = (...customers: readonly number[]) => world.shop(`select from page_view where customer_id = any ($1)`, [customers]);
const statusOf = async (id: string): Promise<string> => (await world.probity(['request', 'status', id])).out;

test('rows that come faster than they go are named with the command that goes on, and it does', async () => {
  const id = await approvedErasure(world, 1);
  await busy();
  await expect(world.carryOut(id)).rejects.toThrow();
  const waits = await statusOf(id);
  expect(waits).toContain('waits for a person (rows left)');
  expect(waits).toContain(`probity request resume ${id}`);
  expect(waits).not.toContain('request found');

  // Nothing has been mended: it waits again.
  expect(await world.probity(['request', 'resume', id, '--actor', 'dora'])).toMatchObject({ code: 0 });
  await expect(world.carryOut(id)).rejects.toThrow();
  expect((await viewsOf(1)).length).toBeGreaterThan(0);

  await calm();
  expect(await world.probity(['request', 'resume', id, '--note', 'the import is off'])).toMatchObject({ code: 0 });
  expect(await statusOf(id)).toContain('asked to go on, by dora');
  // It is worked on, and waits for nobody.
  expect(await world.probity(['request', 'resume', id])).toMatchObject({
    code: 2,
    err: expect.stringContaining('does not wait') as string,
  });
  expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
  expect(await viewsOf(1)).toEqual([]);
  const notes = await world.shop<{ note: string }>(`select n.note from probity.request_note n join probity.request_event e using (event_id)
    where e.request_id = $1 and e.verb = 'resume' and n.note is not null`, [id]); // prettier-ignore
  expect(notes).toEqual([{ note: 'the import is off' }]);
  expect(await world.probity(['request', 'resume', id])).toMatchObject({ code: 2 });
});

test('a batch goes on as one', async () => {
  await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id in (2, 3)`);
  const open = ['request', 'open', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--verified-by', 'login', '--evidence', 'S-1'];
  const ids = [];
  for (const customer of [2, 3]) ids.push(/R-\d+/.exec((await world.probity(open, { input: `${customer}\n` })).out)![0]);
  const { out } = await world.probity(['request', 'plan', ...ids]);
  const id = /B-\d+/.exec(out)![0];
  await approvePlan(world, id, out);
  await busy();
  await expect(world.carryOut(id)).rejects.toThrow();
  await calm();
  expect(await statusOf(id)).toContain(`probity request resume ${id}`);
  expect(await world.probity(['request', 'resume', ids[0]!])).toMatchObject({ code: 2, err: expect.stringContaining(id) as string });
  expect(await world.probity(['request', 'resume', id])).toMatchObject({ code: 0 });
  expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
  expect(await viewsOf(2, 3)).toEqual([]);
});
