import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorld, until, withLoops, startLoops, type World } from './support.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.close());

const YES = { key: true, email: true };
const NO = { key: false, email: false };
const is = async (customer: number, purpose: string, wanted: typeof YES): Promise<boolean> =>
  JSON.stringify(await world.allowed(customer, purpose)) === JSON.stringify(wanted);

test('a store answers after its first refresh, follows grants, withdrawals, restrictions, and knows people by their address', async () => {
  expect(await world.open()).toBe(false);
  await world.record(1, 'granted');
  await withLoops(world, async () => {
    await until('it opens', world.open);
    expect(await world.allowed(1, 'newsletter')).toEqual(YES);
    expect(await world.allowed(2, 'newsletter')).toEqual(NO);
    expect(await world.allowed(2, 'service')).toEqual(YES);
    await world.record(2, 'granted', 'newsletter', 'web');
    await until('the grant', () => is(2, 'newsletter', YES));
    expect(
      await world.other(`select channels from probity.permission_span where purpose = 'newsletter' and subject = 'customer' and key = '2'`),
    ).toEqual([{ channels: ['web'] }]);
    await world.record(1, 'withdrawn');
    await until('the withdrawal', () => is(1, 'newsletter', NO));
    await world.record(3, 'restricted', '*');
    await until('the restriction', () => is(3, 'service', NO));
    expect(await world.allowed(4, 'service')).toEqual(YES);
  });
});

test('two people with one address must both agree, and so must the address itself', async () => {
  await world.home(`update public.customer set email = 'person1@canary.example' where customer_id = 2`);
  await world.record(1, 'granted');
  await withLoops(world, async () => {
    await until('it opens', world.open);
    expect(await world.allowed(1, 'newsletter')).toEqual({ key: true, email: false });
    await world.record(2, 'granted');
    await until('both agree', () => is(1, 'newsletter', YES));
    await world.home(`select * from probity.record_consents(array[row('email', encode(sha256(convert_to('person1@canary.example', 'UTF8')), 'hex'),
      'newsletter', null, 'refused', null, 'test', null, null, null, null, 'tester', 'library', null)::probity.consent_entry])`);
    await until('the address refuses', async () => !(await world.allowed(1, 'newsletter')).email);
    expect((await world.allowed(1, 'newsletter')).key).toBe(true);
  });
});

test('what no record says (an account closed, an address changed, a person gone) is noticed by the next full refresh', async () => {
  await withLoops(
    world,
    async () => {
      await until('it opens', world.open);
      await world.home(`update public.customer set closed_at = now() - interval '1 day' where customer_id = 1`);
      await until('the closed account', () => is(1, 'service', NO));
      await world.home('delete from public.customer where customer_id = 2');
      await until('the person gone', () => is(2, 'service', NO));
      await world.home(`update public.customer set email = 'new@canary.example' where customer_id = 3`);
      await until('the old address', () => is(3, 'service', { key: true, email: false }));
    },
    { refreshEveryMs: 200 },
  );
});

test('without a replicator the store closes within its lease, and opens again when there is one', async () => {
  const loops = startLoops(world);
  await world.record(1, 'granted');
  await until('it opens', world.open);
  await loops.stop();
  const stopped = performance.now();
  await world.record(1, 'withdrawn');
  await until('it closes', async () => !(await world.open()), 10_000);
  expect(performance.now() - stopped).toBeLessThan(5_500);
  expect(await world.allowed(1, 'service')).toEqual(NO);
  await withLoops(world, async () => {
    await until('it opens again', world.open, 10_000);
    expect(await world.allowed(1, 'newsletter')).toEqual(NO);
    expect(await world.allowed(2, 'service')).toEqual(YES);
  });
});

const refreshedAt = async (): Promise<number> =>
  (await world.other<{ at: Date | null }>('select refreshed_at as at from probity.serving'))[0]?.at?.getTime() ?? 0;

test('a replicator that was frozen and wakes late writes nothing over what its successor wrote', async () => {
  await world.record(1, 'granted');
  const stuck = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  let armed = false;
  const first = startLoops(world, {
    faults: async (point) => {
      if (point !== 'replica after read' || !armed) return;
      armed = false;
      reached.resolve();
      await stuck.promise;
    },
  });
  try {
    await until('it opens', world.open);
    const before = await refreshedAt();
    armed = true;
    // Read by the first, which sleeps before it writes: this customer still agrees.
    await world.record(1, 'granted', 'newsletter', 'web');
    await reached.promise;
    await withLoops(world, async () => {
      await world.record(1, 'withdrawn');
      await until('the successor has it', () => is(1, 'newsletter', NO), 20_000);
      await until('and the store is open', world.open, 20_000);
      // What its full refresh brings would hide what the first one writes.
      await until('it has refreshed the store', async () => (await refreshedAt()) > before, 20_000);
      stuck.resolve();
      await sleep(1_500);
      expect(await world.allowed(1, 'newsletter')).toEqual(NO);
    });
  } finally {
    stuck.resolve();
    await first.stop();
  }
});

test('another home store, or other rules, close the store until it has been refreshed in whole', async () => {
  await world.record(1, 'granted');
  await withLoops(world, async () => {
    await until('it opens', world.open);
    await world.apply({ purposes: { ...purposes(), newsletter: { basis: 'consent', channels: ['email', 'web'], minimum_age: 60 } } });
    await until('the new rule', () => is(1, 'newsletter', NO));
    await until('it is open', world.open);
    await world.home('update probity.store set epoch = gen_random_uuid()');
    await until('it closes as the home store has', async () => !(await world.open()), 8_000);
    await world.home(`update probity.serving set incarnation = probity.incarnation()`);
    await until('it opens again', world.open);
  });
});

function purposes(): Record<string, { basis: 'contract' | 'legitimate_interests'; [key: string]: unknown }> {
  return {
    service: { basis: 'contract', ends: 'shop.public.customer.closed_at' },
    analytics: { basis: 'legitimate_interests', objection: 'absolute' },
    adult: { basis: 'contract', minimum_age: 18, while: 'a customer' },
  };
}

test('under load the lag stays within the five seconds', async () => {
  await withLoops(world, async () => {
    await until('it opens', world.open);
    for (let round = 0; round < 30; round++) {
      await Promise.all(Array.from({ length: 20 }, (_, index) => world.record(index + 1, round % 2 === 0 ? 'granted' : 'withdrawn')));
    }
    await until('all are there', async () => (await world.home('select from probity.replica_change limit 1')).length === 0);
    const lag = await until('the lag is told', async () => {
      const [row] = await world.home<{ lag: { changes: number; p99: number } | null }>('select lag from probity.replica');
      return (row?.lag?.changes ?? 0) >= 600 ? (row?.lag ?? null) : null;
    });
    expect(lag.p99).toBeLessThan(5_000);
    expect(await world.allowed(1, 'newsletter')).toEqual(NO);
  });
});
