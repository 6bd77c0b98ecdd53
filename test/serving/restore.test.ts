import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { postgres15 } from '../support/postgres15.ts';
import { dump, dumpTools } from './dump.ts';
import { createWorld, probity, sinkLines, until, withLoops, type World } from './support.ts';

// The machine's pg_dump may be older than the newest server; the oldest that we support it can always dump.
describe.skipIf(!dumpTools())('a home store restored from a dump', () => {
  const server = postgres15();
  let world: World;
  let adminUrl: string;
  beforeEach(async () => {
    adminUrl = (await server()).adminUrl;
    world = await createWorld({ sink: true, adminUrl });
  });
  afterEach(() => world.close());

  const allows = async (customer: number, purpose = 'newsletter'): Promise<boolean> =>
    (await world.home<{ it: boolean }>('select probity.permission($1, $2, $3) as it', ['customer', String(customer), purpose]))[0]?.it ??
    false;
  const holds = (): Promise<unknown[]> =>
    world.home('select hold_id, released_at is not null as released from probity.hold order by hold_id');
  const place = (id: string) => probity(world, ['hold', 'add', '--table', 'shop.public.customer', '--all', '--reason', 'Case', '--id', id]);

  /** Grants and a hold before the backup; withdrawals and holds after it. */
  async function lose(): Promise<void> {
    for (const customer of [1, 2, 3]) await world.record(customer, 'granted');
    await world.home(`select probity.link_consents('device', 'd3', 'customer', '3')`);
    await place('H-1');
    await world.record(4, 'withdrawn');
    const restore = dump(world.shop.url, adminUrl);
    await world.record(1, 'withdrawn');
    await world.record(2, 'restricted', '*');
    await world.home(`select probity.link_consents('device', 'd1', 'customer', '5')`);
    await world.home(`select * from probity.record_consents(array[row('device', 'd3', 'newsletter', null, 'refused', null, 'test', null, null, null, null, 'tester',
      'library', null)::probity.consent_entry])`);
    await place('H-2');
    await probity(world, ['hold', 'release', 'H-1', '--reason', 'over']);
    expect((await probity(world, ['serving', 'drain'])).code).toBe(0);
    expect([await allows(1), await allows(2), await allows(3)]).toEqual([false, false, false]);
    await restore();
  }

  test('stays closed until the sink was replayed, and then knows every withdrawal and every hold again', async () => {
    await lose();
    expect([await allows(1), await allows(2), await allows(3), await allows(1, 'service')]).toEqual([false, false, false, false]);
    expect((await probity(world, ['serving', 'status'])).code).toBe(1);
    const status = await probity(world, ['restore', 'status']);
    expect([status.code, status.out]).toEqual([1, expect.stringContaining('shop: restored, copied or failed over')]);
    await world.apply();
    expect(await allows(1, 'service')).toBe(false);

    const replayed = await probity(world, ['restore', 'replay', '--json']);
    expect(replayed.code).toBe(0);
    expect(JSON.parse(replayed.out)).toMatchObject({
      complete: true,
      open: true,
      counts: { consents: 3, links: 1, holds: 1, releases: 1, damaged: 0, torn: 0 },
    });
    expect([await allows(1), await allows(2), await allows(2, 'service'), await allows(3), await allows(1, 'service')]).toEqual([
      false,
      false,
      false,
      false,
      true,
    ]);
    expect(await holds()).toEqual([
      { hold_id: 'H-1', released: true },
      { hold_id: 'H-2', released: false },
    ]);
    expect(await world.home(`select door, count(*)::int as n from probity.consent_content where door = 'replay' group by door`)).toEqual([
      { door: 'replay', n: 3 },
    ]);

    const again = JSON.parse((await probity(world, ['restore', 'replay', '--json'])).out) as { counts: Record<string, number> };
    expect(again.counts).toMatchObject({ consents: 0, links: 0, holds: 0, releases: 0 });
    expect(await world.home('select from probity.restore')).toHaveLength(1);
  });

  test('other stores close with it and open again by themselves', async () => {
    await withLoops(world, async () => {
      await world.record(1, 'granted');
      await until('it opens', world.open);
    });
    await lose();
    await withLoops(world, async () => {
      await until('the replica closes', async () => !(await world.open()), 10_000);
      expect((await probity(world, ['restore', 'replay'])).code).toBe(0);
      await until('the replica opens', world.open, 20_000);
      expect(await world.allowed(1, 'newsletter')).toEqual({ key: false, email: false });
      expect(await world.allowed(1, 'service')).toEqual({ key: true, email: true });
    });
  });

  test('a damaged line, another key or no sink keep it closed, unless a person accepts the loss, which is recorded', async () => {
    await lose();
    const good = readFileSync(world.sink, 'utf8');
    writeFileSync(world.sink, good.replace(/"box":"..../, '"box":"AAAA'));
    const damaged = await probity(world, ['restore', 'replay']);
    expect([damaged.code, damaged.out]).toEqual([1, expect.stringMatching(/1 lines damaged or altered[^]*still closed/)]);
    expect(await allows(1, 'service')).toBe(false);

    const otherKey = await probity(world, ['restore', 'replay'], { PROBITY_SINK_KEY: randomBytes(32).toString('base64') });
    expect([otherKey.code, otherKey.out]).toEqual([1, expect.stringContaining(`${sinkLines(world).length} lines under another key`)]);
    const gone = await probity(world, ['restore', 'replay'], { PROBITY_SINK: `${world.sink}.gone` });
    expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('cannot be read (ENOENT)')]);

    writeFileSync(world.sink, good);
    appendFileSync(world.sink, '\n{"v":1,"entry":"cut o');
    const torn = await probity(world, ['restore', 'replay', '--json']);
    expect(JSON.parse(torn.out)).toMatchObject({ complete: true, open: true, counts: { torn: 1 } });
    expect(await allows(1)).toBe(false);
    expect(JSON.stringify([damaged, otherKey, gone, torn])).not.toMatch(/canary/);
  });

  test('without a sink the home store opens when a person accepts the loss', async () => {
    await world.apply({ sink: undefined });
    const restore = dump(world.shop.url, adminUrl);
    await restore();
    const refused = await probity(world, ['restore', 'replay']);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('--accept-loss')]);
    expect(await allows(1, 'service')).toBe(false);
    expect((await probity(world, ['restore', 'replay', '--accept-loss', 'no sink yet'])).code).toBe(0);
    expect(await allows(1, 'service')).toBe(true);
    expect(await world.home('select accepted_loss from probity.restore')).toEqual([{ accepted_loss: 'no sink yet' }]);
  });
});
