import { expect, test } from 'vitest';
import { cancel, start } from '../../client/retention.ts';
import { readCatalog } from '../../database/catalog.ts';
import type { Faults } from '../../database/faults.ts';
import { checkManifest } from '../../domain/check/check.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { withWorker } from '../support/worker.ts';
import { certificateOf, createShop, input, until, withStore, type Shop } from './support.ts';

const DDL = `
  create table visit (id int, at timestamptz not null) partition by range (at);
  create table visit_a partition of visit for values from (minvalue) to ('2020-01-01');
  create table visit_b partition of visit for values from ('2020-01-01') to (maxvalue);
  alter table visit_a add constraint positive check (id > 0);
  insert into visit select i, '2019-05-01' from generate_series(1, 100) i;
  insert into visit select i, now() from generate_series(1, 100) i;
  analyze visit`;
const TABLES = { 'shop.public.visit': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } } } as ManifestInput['tables'];

const detached = async (shop: Shop): Promise<boolean> =>
  (await shop.query<{ it: boolean }>(`select not relispartition as it from pg_class where relname = 'visit_a'`))[0]!.it;

const told = (shop: Shop): Promise<string[]> =>
  withStore(shop, async (store) => {
    const problems = checkManifest(shop.manifest, () => null, { shop: await readCatalog(store) });
    return problems.filter(({ code }) => code === 'P153').map(({ message, fix }) => `${message} → ${fix}`);
  });

/** Stops every attempt behind the detachment for as long as it is told to. */
async function stuck(
  shop: Shop,
  act: (runId: string, go: () => void, end: () => Promise<unknown>, stop: () => Promise<void>) => Promise<void>,
) {
  let failing = true;
  const faults: Faults = async (point) => {
    if (point === 'before transaction' && failing && (await detached(shop))) throw new Error('not now');
  };
  await withWorker(
    shop,
    async (client, taskQueue) => {
      const handle = await start(client, { ...input, taskQueue });
      await until('the partition is detached', () => detached(shop));
      const stop = (): Promise<void> => cancel(client, handle.workflowId);
      await act(
        handle.workflowId,
        () => (failing = false),
        () => handle.result(),
        stop,
      );
    },
    { faults },
  );
}

test('a run that is cancelled between detaching and dropping attaches the partition again, as it was', async () => {
  const shop = await createShop(DDL, TABLES);
  try {
    await stuck(shop, async (runId, go, end, stop) => {
      expect(await told(shop)).toEqual([
        expect.stringMatching(
          /^`public.visit_a` was a partition of `public.visit` until the purge retention-\w+ detached it: its rows stand outside of every plan → alter table "public"."visit" attach partition "public"."visit_a" FOR VALUES FROM \(MINVALUE\) TO \('2020-01-01/,
        ),
      ]);
      await stop();
      go();
      expect(await end()).toMatchObject({ outcome: 'cancelled', changed: 0 });
      expect(await detached(shop)).toBe(false);
      expect(await shop.query(`select conname from pg_constraint where conrelid = 'visit_a'::regclass and contype = 'c'`)).toEqual([
        { conname: 'positive' },
      ]);
      expect(await shop.query('select count(*)::int as n from visit')).toEqual([{ n: 200 }]);
      const { records } = await certificateOf(shop, runId);
      expect(records.map(({ body }) => body.range)).toEqual(['public.visit_a', 'public.visit_a attached again']);
      expect(await told(shop)).toEqual([]);
    });
  } finally {
    await shop.close();
  }
});

test('a partition at which somebody has pointed a foreign key meanwhile is attached again, and its rows go one by one or are kept', async () => {
  const shop = await createShop(DDL, TABLES);
  try {
    await stuck(shop, async (runId, go, end) => {
      await shop.query(
        `create unique index on visit_a (id); create table late (visit_id int references visit_a (id)); insert into late values (7)`,
      );
      go();
      await end();
      const { certificate } = await certificateOf(shop, runId);
      expect(await detached(shop)).toBe(false);
      expect(await shop.query('select id from visit_a')).toEqual(expect.arrayContaining([{ id: 7 }]));
      expect(certificate.outcome).toBe('incomplete');
      expect(await shop.query('select visit_id from late')).toEqual([{ visit_id: 7 }]);
    });
  } finally {
    await shop.close();
  }
});
