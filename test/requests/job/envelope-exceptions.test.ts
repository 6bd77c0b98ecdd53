import { afterAll, beforeAll, expect, test } from 'vitest';
import { withdrawn } from './support.ts';
import { jobWorld, MANIFEST, type JobWorld, type Ran } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  const newsletter = { purposes: ['newsletter'] };
  world = await jobWorld({
    manifest: {
      requests: { envelope: { most_people: 10, most_rows: 100, at: '02:00' }, approval: { four_eyes: true } },
      tables: { ...MANIFEST.tables, 'support.public.wishlist': newsletter, 'support.public.wishlist_member': newsletter },
      references: [...MANIFEST.references!, { from: 'support.public.wishlist_member.email', to: 'customer.email' }],
      shared: [{ table: 'support.public.wishlist', owners: 'support.public.wishlist_member' }],
    },
    support: `
      create table wishlist (wishlist_id bigint primary key, title text);
      create table wishlist_member (wishlist_id bigint not null references wishlist, email text not null, primary key (wishlist_id, email));
      insert into wishlist values (1, 'of two'), (2, 'of one');
      insert into wishlist_member select 1, 'person' || i || '@canary.example' from generate_series(4, 5) i;
      insert into wishlist_member values (2, 'person6@canary.example')`,
  });
});
afterAll(() => world.close());

const withdrawal = (customer: number): Promise<string> => withdrawn(world, customer);
const byHand = (): Promise<Ran> => world.probity(['request', 'plan', '--envelope']);
const why = async (id: string): Promise<string | null> =>
  (
    await world.shop<{ code: string }>(
      `select code from probity.request_event where request_id = $1 and verb = 'except' order by event_id desc`,
      [id],
    )
  )[0]?.code ?? null;
const state = async (id: string): Promise<string> =>
  (await world.shop<{ state: string }>(`select state from probity.request where request_id = $1`, [id]))[0]!.state;

test('four eyes pre-approve it: one approver twice is one, and two who differ let the night pass', async () => {
  const id = await withdrawal(1);
  const hash = /Envelope ([0-9a-f]{12})/.exec((await world.probity(['request', 'envelope'])).out)![1]!;
  const approve = (token: string): Promise<Ran> => world.probity(['request', 'envelope', '--approve', hash], { token });
  await approve(world.tokens.anna);
  await approve(world.tokens.anna);
  expect(await byHand()).toMatchObject({ code: 3, out: expect.stringContaining('not pre-approved') as string });
  expect(await state(id)).toBe('suppressed');
  await approve(world.tokens.ben);
  expect(await byHand()).toMatchObject({ code: 0, out: expect.stringContaining('within the envelope') as string });
  expect(await state(id)).toBe('approved');
});

test('what people share, and of whom there is a doubt, is left for a person, and the others pass', async () => {
  const [shares, owns] = [await withdrawal(4), await withdrawal(6)];
  // The same address on another row: which of them is it?
  await world.shop(`insert into customer values (112, 'PERSON12@canary.example', null, 'Canary Namesake', null)`);
  const doubted = await withdrawal(12);
  await byHand();
  expect([await why(shares), await why(doubted), await why(owns)]).toEqual(['shared', 'doubt', null]);
  expect([await state(shares), await state(doubted), await state(owns)]).toEqual(['suppressed', 'suppressed', 'approved']);
});

test('nobody passes while a table cannot be erased from', async () => {
  const id = await withdrawal(15);
  await world.shop(`create rule also as on delete to page_view do also nothing`);
  await byHand();
  expect([await why(id), await state(id)]).toEqual(['problem', 'suppressed']);
  await world.shop(`drop rule also on page_view`);
  await byHand();
  expect(await state(id)).toBe('approved');
});
