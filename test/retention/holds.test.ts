import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { placeHold, releaseHold } from '../../database/holds.ts';
import { EXPIRED, left, longShop } from './long.ts';
import { certificateOf, gate, input, withStore, withWorker, type Shop } from './support.ts';

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
