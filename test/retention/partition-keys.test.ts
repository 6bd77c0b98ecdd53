import { expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { placeHold } from '../../database/holds.ts';
import type { Certificate } from '../../domain/evidence/certificate.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { withWorker } from '../support/worker.ts';
import { certificateOf, createShop, input, withStore, type Shop } from './support.ts';

/** A purge to its end. */
async function purge(shop: Shop): Promise<Certificate> {
  const { runId } = await withWorker(shop, async (client, taskQueue) => (await start(client, { ...input, taskQueue })).result());
  return (await certificateOf(shop, runId)).certificate;
}

async function counts(shop: Shop, ...tables: string[]): Promise<number[]> {
  const found = await Promise.all(tables.map((table) => shop.query<{ n: number }>(`select count(*)::int as n from ${table}`)));
  return found.map(([row]) => row!.n);
}

/** Events of three years ago and of today; the same numbers stand in both partitions. Receipts are of the old ones. */
const LEAF_KEY = `
  create table event (id int not null, at timestamptz not null) partition by range (at);
  create table event_old partition of event for values from (minvalue) to ('2025-01-01');
  create table event_new partition of event for values from ('2025-01-01') to (maxvalue);
  insert into event select i, '2020-01-01' from generate_series(1, 200) i;
  insert into event select i, now() from generate_series(1, 200) i;
  create unique index on event_old (id);
  create unique index on event_new (id);
  create table receipt (id int primary key, event_id int references event_old (id) on delete cascade);
  create index on receipt (event_id);
  insert into receipt select i, i from generate_series(1, 50) i;
  analyze event, receipt`;
const tables = (children?: Record<string, string>): ManifestInput['tables'] =>
  ({
    'shop.public.event': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at', ...(children && { children }) } },
    'shop.public.receipt': { purposes: ['use'] },
  }) as ManifestInput['tables'];

const hold = {
  id: 'H-1',
  scope: { kind: 'table', table: 'public.receipt', conditions: [] },
  reason: 'case',
  actor: 'x',
  endsAt: null,
} as const;

test('rows behind a foreign key onto a partition keep what they reference; no cascade takes them', async () => {
  const shop = await createShop(LEAF_KEY, tables());
  try {
    const { outcome, tables: told } = await purge(shop);
    expect([outcome, told[0]]).toMatchObject(['complete', { erased: 150, failed: 0, kept: { 'child:public.receipt': 50 } }]);
    expect(await counts(shop, 'event_old', 'event_new', 'receipt')).toEqual([50, 200, 50]);
  } finally {
    await shop.close();
  }
});

test('declared to go, they go along and are counted, with the rows of that partition alone, unless a hold is on them', async () => {
  const shop = await createShop(LEAF_KEY, tables({ 'shop.public.receipt': 'delete' }));
  try {
    await withStore(shop, (store) => placeHold(store, hold));
    expect((await purge(shop)).tables[0]).toMatchObject({ erased: 150, kept: { 'hold:H-1': 50 }, along: {} });
    await shop.query(`update probity.hold set released_at = now()`);
    // One stays under another hold; what has its number in the other partition, and goes, is another row.
    await shop.query(`update event set at = '2025-02-01' where id = 1 and at > '2025-01-01'`);
    const conditions = [{ column: 'id', operator: '=', value: '1' }] as const;
    const scope = { kind: 'table', table: 'public.event_old', conditions } as const;
    await withStore(shop, (store) => placeHold(store, { ...hold, id: 'H-2', scope }));
    expect((await purge(shop)).tables[0]).toMatchObject({
      erased: 50,
      failed: 0,
      kept: { 'hold:H-2': 1 },
      along: { 'along:public.receipt': 49 },
    });
    expect(await shop.query(`select event_id from receipt`)).toEqual([{ event_id: 1 }]);
  } finally {
    await shop.close();
  }
});

/** Accounts that have ended, and logs of them by year: the old partitions have keys of their own, the newest has none. */
const OWN_KEYS = `
  create table account (id int primary key, ended timestamptz);
  insert into account select i, '2020-01-01' from generate_series(1, 300) i;
  create table log (account_id int, at timestamptz not null) partition by range (at);
  create table log_a partition of log for values from (minvalue) to ('2019-01-01');
  create table log_b partition of log for values from ('2019-01-01') to ('2020-01-01');
  create table log_c partition of log for values from ('2020-01-01') to (maxvalue);
  insert into log select i, '2018-05-01' from generate_series(1, 100) i;
  insert into log select i, '2019-05-01' from generate_series(51, 200) i;
  insert into log select i, now() from generate_series(291, 300) i;
  alter table log_a add foreign key (account_id) references account;
  alter table log_b add foreign key (account_id) references account;
  create index on log (account_id);
  analyze account, log`;

test('rows in partitions that go in the same run keep nothing, and what the keys of partitions meant holds to the end of it', async () => {
  const shop = await createShop(OWN_KEYS, {
    'shop.public.account': { purposes: ['use'], retention: { keep: 'P1Y', after: 'ended' } },
    'shop.public.log': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } },
  });
  try {
    const { outcome, tables: told } = await purge(shop);
    expect(await shop.query(`select to_regclass('log_a') as a, to_regclass('log_b') as b`)).toEqual([{ a: null, b: null }]);
    expect(told).toMatchObject([
      { table: 'shop.public.log', planned: 250, erased: 250, failed: 0 },
      { table: 'shop.public.account', planned: 290, erased: 290, failed: 0, kept: { 'child:public.log': 10 } },
    ]);
    expect(outcome).toBe('complete');
    expect(await counts(shop, 'account', 'log')).toEqual([10, 10]);
  } finally {
    await shop.close();
  }
});
