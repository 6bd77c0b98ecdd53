import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import { approve, start, workflowProgress } from '../../client/retention.ts';
import { planText } from '../../cli/plan-text.ts';

import { planRetention } from '../../database/retention/planner.ts';
import { drifted, plannedRows, type RetentionPlan } from '../../domain/retention/plan.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { withWorker } from '../support/worker.ts';
import { certificateOf, createShop, input, until, withStore, type Shop } from './support.ts';

/** 100 expired customers with two orders each, of which one has an item; notes of ten of them are let go. Orders of 2019 expire by themselves. */
const DDL = `
  create table customer (id int primary key, seen timestamptz);
  create table orders (id int primary key, customer_id int references customer, shipped_to int references customer, at timestamptz);
  create table item (id int primary key, order_id int references orders);
  create table note (id int primary key, customer_id int references customer);
  insert into customer select i, '2020-01-01' from generate_series(1, 100) i;
  insert into customer select i, now() from generate_series(101, 120) i;
  insert into orders select i, 1 + i % 100, 1 + i % 100, case when i <= 30 then '2019-05-01'::timestamptz else now() end from generate_series(1, 200) i;
  insert into orders select i, i - 200, null, now() from generate_series(301, 320) i;
  insert into item select i, i from generate_series(101, 200) i;
  insert into note select i, i * 10 from generate_series(1, 10) i;
  create index on orders (customer_id); create index on orders (shipped_to); create index on item (order_id); create index on note (customer_id);
  analyze`;
const children = { 'shop.public.orders': 'delete', 'shop.public.item': 'delete', 'shop.public.note': 'detach' };
const TABLES = {
  'shop.public.customer': { purposes: ['use'], retention: { keep: 'P1Y', after: 'seen', children } },
  'shop.public.orders': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } },
  'shop.public.item': { purposes: ['use'] },
  'shop.public.note': { purposes: ['use'] },
} as ManifestInput['tables'];

const planOf = (shop: Shop): Promise<RetentionPlan> =>
  withStore(shop, (store) =>
    planRetention({ stores: new Map([['shop', store]]), manifest: shop.manifest, manifestHash: shop.hash, asOf: new Date(), only: null }),
  );

const along = { 'along:public.orders': 170, 'along:public.item': 100, 'detached:public.note': 10 };

test('what goes along stands in the plan, in its total, and as planned in the certificate; an approval is asked for by the total', async () => {
  const shop = await createShop(DDL, TABLES, { purge: { approval: { over: 200 }, duty: 1 } });
  try {
    const plan = await planOf(shop);
    expect(plan.tables).toMatchObject([
      { table: 'public.orders', rows: 30, along: {} },
      { table: 'public.customer', rows: 100, along },
    ]);
    expect(plannedRows(plan)).toBe(410);
    const shown = planText(plan, { previous: null, duty: 1, colours: picocolors.createColors(false), width: null });
    expect(shown).toContain('170 orders, 100 item, 10 note let go');
    expect(shown).toContain('410 rows change');
    const certificate = await withWorker(shop, async (client, taskQueue) => {
      const handle = await start(client, { ...input, taskQueue });
      const waiting = await until('an approval is waited for', async () => {
        const progress = await workflowProgress(client, handle.workflowId);
        return progress?.stage === 'waiting for approval' && progress;
      });
      await approve(client, handle.workflowId, waiting.planHash!, 'somebody else');
      expect(await handle.result()).toMatchObject({ outcome: 'complete', planned: 410, changed: 410 });
      return (await certificateOf(shop, handle.workflowId)).certificate;
    });
    expect(certificate.tables[1]).toMatchObject({ planned: 100, erased: 100, along });
  } finally {
    await shop.close();
  }
});

test('when so much more would go along that it must be decided again, the plan has drifted', async () => {
  const shop = await createShop(DDL, TABLES);
  try {
    const before = await planOf(shop);
    await shop.query(`insert into item select i, 100 + i % 100 from generate_series(1001, 1300) i`);
    const now = await planOf(shop);
    expect(now.tables[1]!.rows).toBe(before.tables[1]!.rows);
    expect([drifted(before, before), drifted(before, now)]).toEqual([false, true]);
  } finally {
    await shop.close();
  }
});
