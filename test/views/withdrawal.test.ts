import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeViews } from '../../client/views.ts';
import { viewShop, type ViewShop } from './shop.ts';

describe('one statement after a withdrawal', () => {
  let shop: ViewShop;
  let analyst: pg.Client;

  beforeAll(async () => {
    shop = await viewShop();
    await shop.query(`insert into customer (customer_id, email, country, born, signed_up_at, referred_by)
      select i, 'c' || i, 'DE', (case when i = 9 then '2012-01-01' else '1980-01-01' end)::date, '2025-02-01', case when i = 2 then 1 when i = 3 then 20 end
      from generate_series(1, 20) i`);
    await shop.query(`insert into page_view select i, i % 10, '/' || i, '2025-03-01' from generate_series(1, 100) i`);
    await shop.record(...Array.from({ length: 10 }, (_, index) => ({ key: String(index + 1) })));
    await makeViews(shop.project);
    analyst = await shop.as(shop.analyst);
  });
  afterAll(() => shop.close());

  const count = async (view: string, where = 'true'): Promise<number> => {
    const { rows } = await analyst.query<{ n: number }>(`select count(*)::int as n from ${view} where ${where}`);
    return rows[0]!.n;
  };

  test('the person is gone, also within a transaction that was open', async () => {
    await analyst.query('begin');
    expect(await count('for_personalization.customer')).toBe(9);
    await shop.record({ key: '5', decision: 'withdrawn', captured_at: new Date().toISOString() });
    expect(await count('for_personalization.customer')).toBe(8);
    expect(await count('for_personalization.page_view')).toBe(70);
    await analyst.query('commit');
  });

  test('what a cursor or a repeatable read began to read it goes on reading, until it ends', async () => {
    const before = await count('for_personalization.customer');
    await analyst.query('begin');
    await analyst.query('declare people cursor for select * from for_personalization.customer');
    await analyst.query('fetch 1 from people');
    await shop.record({ key: '6', decision: 'withdrawn', captured_at: new Date().toISOString() });
    expect((await analyst.query('fetch all from people')).rows.length).toBe(before - 1);
    expect(await count('for_personalization.customer')).toBe(before - 1);
    await analyst.query('commit');
    await analyst.query('begin isolation level repeatable read');
    expect(await count('for_personalization.customer')).toBe(before - 1);
    await shop.record({ key: '7', decision: 'withdrawn', captured_at: new Date().toISOString() });
    expect(await count('for_personalization.customer')).toBe(before - 1);
    await analyst.query('commit');
    expect(await count('for_personalization.customer')).toBe(before - 2);
  });

  test('a prepared statement asks anew each time', async () => {
    await analyst.query('prepare people as select count(*)::int as n from for_personalization.customer');
    const run = async () => (await analyst.query<{ n: number }>('execute people')).rows[0]!.n;
    for (let i = 0; i < 7; i++) await run();
    const before = await run();
    await shop.record({ key: '8', decision: 'withdrawn', captured_at: new Date().toISOString() });
    expect(await run()).toBe(before - 1);
  });

  test('under age, restricted, of another channel, captured before consent: not shown', async () => {
    await shop.record({ key: '12', decision: 'granted', channel: 'email', captured_at: '2025-06-01T00:00:00Z' });
    await shop.query(
      `insert into page_view values (1001, 12, '/before', '2025-05-01'), (1002, 12, '/after', '2025-07-01'), (1003, 12, '/no-time', '2024-01-01')`,
    );
    expect((await analyst.query(`select path from for_personalization.page_view where path ~ '[a-z]'`)).rows).toEqual([{ path: '/after' }]);
    const channels = `select channel from for_personalization.permitted_channels where pseudonym = (select customer_id from for_personalization.page_view where path = '/after')`;
    expect((await analyst.query(channels)).rows).toEqual([{ channel: 'email' }]);
    await shop.record({ key: '12', purpose: '*', decision: 'restricted', captured_at: new Date().toISOString() });
    expect((await analyst.query(channels)).rows).toEqual([]);
    expect(await count('for_personalization.page_view', `path = '/after'`)).toBe(0);
  });

  test('an objection ends analytics, and only that', async () => {
    const [before, other] = [await count('for_analytics.page_view'), await count('for_personalization.page_view')];
    await shop.record({ key: '1', purpose: 'analytics', decision: 'objected', captured_at: new Date().toISOString() });
    expect(await count('for_analytics.page_view')).toBe(before - 10);
    expect(await count('for_personalization.page_view')).toBe(other);
  });

  test('whoever is referred to in somebody else’s row is shown only with a permission of their own', async () => {
    const { rows } = await analyst.query<{ n: number; named: number }>(
      'select count(*)::int as n, count(referred_by)::int as named from for_personalization.customer',
    );
    // 2 was referred by 1, who agreed; 3 by 20, who did not.
    expect(rows[0]!.named).toBe(1);
    const rival = await shop.as(shop.rival);
    expect((await rival.query('select count(referred_by)::int as named from for_analytics.customer')).rows).toEqual([{ named: 1 }]);
  });
});

describe('rows of several people, of nobody, and of composite keys', () => {
  let shop: ViewShop;
  let analyst: pg.Client;
  beforeAll(async () => {
    shop = await viewShop();
    await shop.query(`
      insert into customer (customer_id, email, country, born, signed_up_at) select i, 'c' || i, 'DE', '1980-01-01', '2025-02-01' from generate_series(1, 6) i;
      insert into address values (1, 1, 'A', '2025-02-01'), (2, 2, 'B', '2025-02-01'), (3, 3, 'C', '2025-02-01'), (4, null, 'D', '2025-02-01');
      insert into orders values (10, 1, 1, 5, '2025-03-01'), (11, 1, 2, 5, '2025-03-01'), (12, 1, 3, 5, '2025-03-01'), (13, 1, null, 5, '2025-03-01'), (14, 1, 4, 5, '2025-03-01');
      insert into order_line select order_id, 1, 'p' || order_id from orders;
      insert into household values (1, 2), (2, 2), (3, 0);
      insert into household_member values (1, 1), (1, 2), (2, 1), (2, 3);
      insert into note values (1, 'customer', 1, 'n1', '2025-03-01'), (2, 'customer', 3, 'n2', '2025-03-01'), (3, 'order', 10, 'n3', '2025-03-01'), (4, 'order', 12, 'n4', '2025-03-01'),
        (5, 'household', 1, 'n5', '2025-03-01'), (6, 'household', 2, 'n6', '2025-03-01'), (7, null, 1, 'n7', '2025-03-01'), (8, 'customer', 999, 'n8', '2025-03-01');
      insert into page_view values (1, null, '/nobody', '2025-03-01'), (2, 1, '/one', '2025-03-01'), (3, 999, '/unknown', '2025-03-01');
      insert into event values (1, 1, '{"contact": {"email": "E1", "name": "x"}, "phone": "P1", "n": 1}', '2025-03-01'), (2, 1, '{"contact": [{"email": "E2"}], "n": 2}', '2025-03-01'),
        (3, 1, '[{"phone": "P3"}]', '2025-03-01'), (4, 1, '7', '2025-03-01'), (5, 1, '{"contact": [1], "phone": "P5"}', '2025-03-01'), (6, 1, null, '2025-03-01');
      insert into member values (1, 1, 'gold', '2025-03-01'), (1, 2, 'tin', '2025-03-01'), (2, 1, 'lead', '2025-03-01');
      insert into posting values (1, 1, 1, 'own', '2025-03-02'), (2, 2, 1, 'other', '2025-03-02'), (3, 1, null, 'nobody', '2025-03-02'), (4, 1, 1, 'that day', '2025-01-05')`);
    await shop.record({ key: '1' }, { key: '2' });
    await shop.record({ key: '3', purpose: 'analytics', decision: 'objected' });
    await shop.record({ subject: 'member', key: '["1", "1"]', purpose: 'club', captured_at: '2025-01-05T10:00:00Z' });
    await makeViews(shop.project);
    analyst = await shop.as(shop.analyst);
  });
  afterAll(() => shop.close());

  const column = async (text: string): Promise<unknown[]> =>
    (await analyst.query<{ it: unknown }>(`${text} order by 1`)).rows.map((row) => row.it);

  test('an order and the one it is sent to', async () => {
    expect(await column('select product as it from for_personalization.order_line')).toEqual(['p10', 'p11', 'p13', 'p14']);
    expect(await column('select count(*)::int as it from for_personalization.orders')).toEqual([4]);
    expect(await column('select product as it from for_analytics.order_line')).toEqual(['p10', 'p11', 'p13', 'p14']);
  });

  test('a household is shown when all of its members may be', async () => {
    expect(await column('select size as it from for_analytics.household')).toEqual([0, 2]);
    expect(await column('select size as it from for_personalization.household')).toEqual([]);
  });

  test('a note about a customer, an order or a household', async () => {
    expect(await column('select topic as it from for_analytics.note')).toEqual(['n1', 'n3', 'n5', 'n7']);
    expect(await column('select topic as it from for_personalization.note')).toEqual(['n1', 'n3', 'n5']);
    expect(
      await column(`select c.country as it from for_analytics.note n join for_analytics.customer c on c.customer_id = n.entity_id`),
    ).toEqual(['DE']);
  });

  test('nobody’s rows: of no opt-in purpose; an unknown person’s: of none', async () => {
    expect(await column('select path as it from for_analytics.page_view')).toEqual(['/nobody', '/one']);
    expect(await column('select path as it from for_personalization.page_view')).toEqual(['/one']);
    expect(await column('select count(*)::int as it from for_personalization.day_total')).toEqual([0]);
  });

  test('JSON without its personal parts, wherever they lie', async () => {
    const { rows } = await analyst.query<{ payload: unknown }>('select payload from for_analytics.event');
    const shown = rows.map((row) => JSON.stringify(row.payload)).sort();
    expect(shown).toEqual(['null', 'null', 'null', '7', '{"contact":[1]}', '{"n":1,"contact":{"name":"x"}}'].sort());
  });

  test('a key of two columns', async () => {
    expect(await column('select level as it from for_club.member')).toEqual(['gold']);
    // A day counts when permission held from its first instant to its last.
    expect(await column('select topic as it from for_club.posting')).toEqual(['own']);
    expect(await column('select level as it from for_club.member join for_club.posting using (tenant_id, member_no)')).toEqual(['gold']);
  });

  test('the other store asks its replica, by key and by address', async () => {
    await shop.support(`
      insert into ticket values (1, ' C1@x.Example', 'open', '2025-03-01'), (2, 'c3@x.example', 'open', '2025-03-01'), (3, null, 'open', '2025-03-01'), (4, 'c1@x.example', 'old', '2024-01-01');
      insert into ticket_message select ticket_id, 1, 10 * ticket_id from ticket;
      insert into call values (1, 1, 5, '2025-03-01'), (2, 3, 7, '2025-03-01');
      insert into probity.permission_span (purpose, subject, key, regime, channels, every_channel, allows, from_at, until_at, open)
      select 'personalization', it.subject, it.key, '*', '{}', false, true, '2025-01-01', 'infinity', true
      from (values ('customer', '1'), ('email', encode(sha256('c1@x.example'), 'hex'))) it (subject, key)`);
    const there = await shop.as(shop.analyst, 'support');
    const ask = async (text: string) => (await there.query<{ it: unknown }>(`${text} order by 1`)).rows.map((row) => row.it);
    expect(await ask('select status as it from for_personalization.ticket')).toEqual([]);
    await shop.support(`update probity.serving set incarnation = probity.incarnation(), valid_until = now() + interval '1 minute'`);
    expect(await ask('select status as it from for_personalization.ticket')).toEqual(['open']);
    expect(await ask('select length as it from for_personalization.ticket_message')).toEqual([10]);
    expect(await ask('select minutes as it from for_personalization.call')).toEqual([5]);
    // One person, one pseudonym in both stores.
    const [caller] = await ask('select customer_id as it from for_personalization.call');
    expect(await column('select customer_id as it from for_personalization.page_view')).toEqual([caller]);
    await shop.support(`update probity.serving set valid_until = now() - interval '1 second'`);
    expect(await ask('select minutes as it from for_personalization.call')).toEqual([]);
  });
});
