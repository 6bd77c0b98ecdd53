import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyPerson } from '../../../database/requests/copy-person.ts';
import { approvePlan } from './support.ts';
import { jobWorld, MANIFEST, type JobWorld } from './world.ts';

// 1, 2 and 3 have no number; 4 and 5 have the one of a lift; 6 has one of their own.
const SHOP = `
  create table message (message_id bigint primary key, phone text not null, body text);
  update customer set phone = case when customer_id <= 3 then 'n/a' when customer_id <= 5 then '112' else '4711' end where customer_id <= 6;
  update customer set closed_at = now() - interval '1 day';
  insert into message select i, case when i <= 3 then 'n/a' when i <= 5 then '112' else '4711' end, 'from ' || i from generate_series(1, 6) i`;

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld({
    shop: SHOP,
    manifest: {
      tables: { ...MANIFEST.tables, 'shop.public.message': { purposes: ['delivery'] } },
      references: [...MANIFEST.references!, { from: 'shop.public.message.phone', to: 'customer.phone' }],
    },
  });
});
afterAll(() => world.close());

async function opened(kind: string, customer: number): Promise<string> {
  const open = ['request', 'open', '--subject', 'customer', '--kind', kind, '--verified-by', 'login', '--evidence', 'S-1'];
  const grounds = kind === 'erasure' ? ['--ground', 'no_longer_necessary'] : [];
  const ran = await world.probity([...open, ...grounds], { input: `${customer}\n` });
  return /R-\d+/.exec(ran.out + ran.err)![0];
}
const messages = async (): Promise<number[]> =>
  (await world.shop<{ id: number }>(`select message_id::int as id from message order by 1`)).map(({ id }) => id);

test.each([
  [1, 'the phone of 1 person here is that of 3 of customer: rows that name it are left, and it is not searched for', [1, 2, 3, 4, 5, 6]],
  [4, 'the phone of 1 person here is that of 2 of customer: rows that name it are left, and it is not searched for', [1, 2, 3, 4, 5, 6]],
  [6, null, [1, 2, 3, 4, 5]],
])(
  'a number of customer %i that others have takes no rows, and the plan says so',
  async (customer, said, left) => {
    const id = await opened('erasure', customer);
    const plan = (await world.probity(['request', 'plan', id])).out;
    if (said === null) expect(plan).not.toContain('rows that name it');
    else expect(plan).toContain(said);
    expect(plan).not.toMatch(/n\/a|\b112\b/);
    await approvePlan(world, id, plan);
    expect((await world.carryOut(id)).state).toBe('closed');
    expect(await messages()).toEqual(left);
    expect(await world.shop(`select from probity.run_key where identity = 'phone'`)).toEqual([]);
  },
  60_000,
);

test('a copy for one of them holds nothing of the others', async () => {
  const { home, stores, manifest } = world.project;
  for (const [customer, numbers] of [
    [2, []],
    [7, ['+49 170 5550007']],
  ] as const) {
    const id = await opened('access', customer);
    const person = await copyPerson(home, stores, manifest, id, new Map());
    if (!('keys' in person)) throw new Error(person.doubt);
    expect(person.keys.filter(({ identity }) => identity === 'phone').map(({ parts }) => parts[0])).toEqual(numbers);
  }
});
