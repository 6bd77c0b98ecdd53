import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { placeHold, releaseHold } from '../../database/holds.ts';
import { EXPIRED, left, longShop } from './long.ts';
import { withWorker } from '../support/worker.ts';
import { certificateOf, createShop, gate, input, withStore, type Shop } from './support.ts';

const HOLD = {
  id: 'H-1',
  scope: { kind: 'table', table: 'public.visit', conditions: [{ column: 'grp', operator: '=', value: '3' }] },
  reason: 'case',
  actor: 'tester',
  endsAt: null,
} as const;

async function held(shop: Shop): Promise<number> {
  const [row] = await shop.query<{ n: number }>(`select count(*)::int as n from visit where grp = 3 and at < '2021-01-01'`);
  return row!.n;
}

test('a hold placed in the middle of a run wins, is on the certificate, and its release resumes what waited', async () => {
  const shop = await longShop();
  const stop = gate('after commit', 2);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const handle = await start(client, { ...input, taskQueue });
        await stop.reached;
        await withStore(shop, (store) => placeHold(store, HOLD));
        const protectedRows = await held(shop);
        expect(protectedRows).toBeGreaterThan(0);
        stop.open();
        const result = await handle.result();
        expect(await held(shop)).toBe(protectedRows);
        expect(await left(shop)).toMatchObject({ expired: protectedRows, gone: EXPIRED - protectedRows });
        const { certificate } = await certificateOf(shop, result.runId);
        expect(certificate.tables[0]).toMatchObject({ erased: EXPIRED - protectedRows, kept: { 'hold:H-1': protectedRows }, failed: 0 });
        expect(certificate.statements[0]).toContain(`but the ${protectedRows} listed as kept`);

        await withStore(shop, (store) => releaseHold(store, 'H-1', 'tester', 'closed'));
        await (await start(client, { ...input, taskQueue })).result();
        expect(await left(shop)).toMatchObject({ expired: 0, gone: EXPIRED, goneTwice: 0 });
      },
      stop,
    );
  } finally {
    await shop.close();
  }
});

test('a hold that races a batch is placed behind it, and not one of its rows goes afterwards', async () => {
  const shop = await longShop();
  const stop = gate('after change', 2);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const handle = await start(client, { ...input, taskQueue });
        await stop.reached;
        let placed = false;
        const placing = withStore(shop, (store) => placeHold(store, HOLD)).then(() => (placed = true));
        await sleep(500);
        expect(placed, 'the hold waits for the batch').toBe(false);
        stop.open();
        await placing;
        const protectedRows = await held(shop);
        expect(protectedRows).toBeGreaterThan(0);
        await handle.result();
        expect(await held(shop)).toBe(protectedRows);
      },
      stop,
    );
  } finally {
    await shop.close();
  }
});

const PARTITIONS = `
  create table view (id int, at timestamptz not null, grp int) partition by range (at);
  create table view_1 partition of view for values from ('2020-01-01') to ('2020-02-01');
  create table view_2 partition of view for values from ('2020-02-01') to ('2020-03-01');
  create table view_3 partition of view for values from ('2020-03-01') to ('2020-04-01');
  insert into view select i, timestamptz '2020-01-05' + (i % 3) * interval '30 days', i % 5 from generate_series(1, 300) i`;
const VIEW = { 'shop.public.view': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } } };

async function partitions(shop: Shop): Promise<Record<string, number>> {
  const rows = await shop.query<{ name: string; n: number }>(
    'select tableoid::regclass::text as name, count(*)::int as n from view group by 1 order by 1',
  );
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
}

test('a hold on a partition keeps its rows; the other partitions are dropped', async () => {
  const shop = await createShop(PARTITIONS, VIEW);
  try {
    await withStore(shop, (store) =>
      placeHold(store, { ...HOLD, scope: { kind: 'table', table: 'public.view_2', conditions: HOLD.scope.conditions } }),
    );
    const result = await withWorker(shop, async (client, taskQueue) => (await start(client, { ...input, taskQueue })).result());
    expect(await partitions(shop)).toEqual({ view_2: 20 });
    const { certificate } = await certificateOf(shop, result.runId);
    expect(certificate).toMatchObject({ outcome: 'complete', tables: [{ erased: 280, kept: { 'hold:H-1': 20 }, failed: 0 }] });
  } finally {
    await shop.close();
  }
});

test.each(['public.view', 'public.view_1'])(
  'a hold on %s that is placed when the partition is already detached brings it back',
  async (table) => {
    const shop = await createShop(PARTITIONS, VIEW);
    // The first transaction is that of the intent, the second drops.
    const stop = gate('before transaction', 2);
    try {
      await withWorker(
        shop,
        async (client, taskQueue) => {
          const handle = await start(client, { ...input, taskQueue });
          await stop.reached;
          expect(Object.keys(await partitions(shop))).toEqual(['view_2', 'view_3']);
          await withStore(shop, (store) =>
            placeHold(store, { ...HOLD, scope: { kind: 'table', table, conditions: HOLD.scope.conditions } }),
          );
          stop.open();
          expect(await handle.result()).toMatchObject({ outcome: 'complete' });
          expect((await partitions(shop))['view_1']).toBe(20);
        },
        stop,
      );
    } finally {
      await shop.close();
    }
  },
);
