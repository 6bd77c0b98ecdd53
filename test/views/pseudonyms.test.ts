import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeViews, removeViews } from '../../client/views.ts';
import { pruneConsents } from '../../database/permission/prune.ts';
import { forgetPseudonyms } from '../../database/views/kept.ts';
import { postgres15 } from '../support/postgres15.ts';
import { viewShop, type ViewShop } from './shop.ts';

/** Enough for an index to be worth more than a scan. */
const PEOPLE = 2000;
const VIEWS = 20_000;
const server15 = postgres15();
const KEPT = `select key from probity.pseudonym where purpose = 'personalization' and subject = 'customer' order by key::bigint`;

describe.each([
  ['18', undefined],
  ['15', server15],
] as const)('on PostgreSQL %s, looking for a pseudonym', (version, server) => {
  let shop: ViewShop;
  let analyst: pg.Client;

  beforeAll(async () => {
    shop = await viewShop(server === undefined ? {} : { adminUrl: (await server()).adminUrl });
    await shop.query(`insert into customer (customer_id, email, country, born, signed_up_at)
      select i, 'c' || i, 'DE', '1980-01-01', '2025-02-01' from generate_series(1, ${PEOPLE}) i`);
    await shop.query(`insert into page_view select i, 1 + i % ${PEOPLE}, '/' || i, '2025-03-01' from generate_series(1, ${VIEWS}) i`);
    // Agreed before there was any view.
    await shop.record(...Array.from({ length: PEOPLE - 10 }, (_, index) => ({ key: String(index + 1) })));
    // Nobody's keys, of which no number can be made.
    await shop.record({ key: 'x' }, { key: '007' }, { key: '9'.repeat(19) }, { key: '9'.repeat(30) }, { key: '' });
    await makeViews(shop.project);
    await shop.query('analyze');
    analyst = await shop.as(shop.analyst);
  });
  afterAll(() => shop.close());

  const ask = async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> =>
    (await analyst.query<T>(text, [...values])).rows;
  const plan = async (text: string): Promise<string> =>
    (await ask<{ 'QUERY PLAN': string }>(`explain (costs off) ${text}`)).map((row) => row['QUERY PLAN']).join('\n');
  const pseudonymOf = async (key: number): Promise<string> => {
    const [row] = await shop.query<{ it: string }>(
      `select encode(substr(sha256(secret || convert_to('shop.public.customer.customer_id:' || $1, 'UTF8')), 1, 16), 'hex') as it
       from probity.pseudonym_key where purpose = 'personalization'`,
      [String(key)],
    );
    return row!.it;
  };
  const found = async (key: number): Promise<number> =>
    (
      await ask<{ n: number }>('select count(*)::int as n from for_personalization.page_view where customer_id = $1', [
        await pseudonymOf(key),
      ])
    )[0]!.n;

  test.each([
    ['customer', 'customer_id'],
    ['page_view', 'customer_id'],
    ['permitted_channels', 'pseudonym'],
  ])('in %s goes by the index to the key, and by the key to the rows', async (view, column) => {
    const text = await plan(`select * from for_personalization.${view} where ${column} = '${await pseudonymOf(5)}'`);
    expect(text).toContain('pseudonym_pseudonym');
    expect(text).not.toMatch(/Seq Scan on (customer|page_view_2025)/);
    expect(await ask(`select 1 from for_personalization.${view} where ${column} = $1`, [await pseudonymOf(5)])).not.toEqual([]);
  });

  test('costs nothing where none is asked for', async () => {
    // Older planners keep the join, as look-ups in an index.
    if (version === '18') expect(await plan('select count(*), max(path) from for_personalization.page_view')).not.toContain('pseudonym');
    expect(await plan('select * from for_personalization.page_view')).not.toContain('sha256');
  });

  test('finds whoever agreed before the views were made, and after', async () => {
    expect(await found(7)).toBe(VIEWS / PEOPLE);
    expect(await found(PEOPLE - 1)).toBe(0);
    await shop.record({ key: String(PEOPLE - 1) });
    expect(await found(PEOPLE - 1)).toBe(VIEWS / PEOPLE);
    const [people] = await ask<{ n: number }>('select count(distinct customer_id)::int as n from for_personalization.page_view');
    expect(people!.n).toBe(PEOPLE - 9);
  });

  test('finds nobody from the withdrawal on, and forgets them later', async () => {
    expect(await found(8)).toBe(VIEWS / PEOPLE);
    await shop.record({ key: '8', decision: 'withdrawn', captured_at: new Date().toISOString() });
    expect(await found(8)).toBe(0);
    const kept = () => shop.query(`select 1 as it from probity.pseudonym where key = '8'`);
    expect(await kept()).toHaveLength(1);
    await pruneConsents(shop.project.home, { cutOff: new Date(0), enforce: true });
    expect(await kept()).toHaveLength(0);
    expect(await forgetPseudonyms(shop.project.home)).toBe(0);
    await shop.record({ key: '8', captured_at: new Date().toISOString() });
    await shop.query(`insert into page_view values (${VIEWS + 1}, 8, '/again', now() + interval '1 second')`);
    expect(await found(8)).toBeGreaterThan(0);
  });

  test('finds nobody whose pseudonym is not kept', async () => {
    await shop.query(`delete from probity.pseudonym where key = '9'`);
    expect(await found(9)).toBe(0);
    expect(await ask(`select path from for_personalization.page_view where path = '/8'`)).toEqual([{ path: '/8' }]);
    expect(await ask(`select customer_id from for_personalization.page_view where path = '/8'`)).toEqual([{ customer_id: null }]);
  });

  test('of a purpose that does not wait for consent computes them', async () => {
    expect(await plan(`select * from for_analytics.page_view where customer_id = 'x'`)).toContain('sha256');
  });

  test('keeps pseudonyms of no purpose without views, and in step with the secret', async () => {
    const kept = await shop.query<{ it: string }>(`select purpose || ' ' || subject as it from probity.pseudonym_kind order by 1`);
    expect(kept.map((row) => row.it)).toEqual(['newsletter customer', 'personalization customer']);
    await shop.query(`update probity.pseudonym_key set secret = sha256('another') where purpose = 'personalization'`);
    expect(await found(7)).toBe(VIEWS / PEOPLE);
    await removeViews(shop.project);
    expect(await shop.query('select 1 from probity.pseudonym_kind union all select 1 from probity.pseudonym')).toEqual([]);
    await shop.record({ key: String(PEOPLE) });
    expect(await shop.query(KEPT.replace('key::bigint', '1'))).toEqual([]);
    await makeViews(shop.project);
    analyst = await shop.as(shop.analyst);
    expect(await found(PEOPLE)).toBe(VIEWS / PEOPLE);
  });

  test('works in a replica, by what the home store says there', async () => {
    await shop.support(`insert into call select i, i, i, '2025-03-01' from generate_series(1, ${PEOPLE}) i`);
    await shop.support('create index on call (customer_id)');
    const span = (key: number, from = '2025-01-01') =>
      `insert into probity.permission_span (purpose, subject, key, regime, channels, every_channel, allows, from_at, until_at, open)
       select 'personalization', 'customer', i::text, '*', '{}', false, true, '${from}', 'infinity', true from generate_series(${key}, ${PEOPLE}) i`;
    await shop.support(span(2));
    await shop.support(`update probity.serving set incarnation = probity.incarnation(), valid_until = 'infinity'`);
    await shop.support('analyze');
    const there = await shop.as(shop.analyst, 'support');
    const minutes = async (key: number): Promise<unknown[]> =>
      (
        await there.query<{ it: number }>('select minutes as it from for_personalization.call where customer_id = $1', [
          await pseudonymOf(key),
        ])
      ).rows.map((row) => row.it);
    expect(await minutes(1)).toEqual([]);
    expect(await minutes(2)).toEqual([2]);
    const lines = (
      await there.query<{ 'QUERY PLAN': string }>(
        `explain select * from for_personalization.call where customer_id = '${await pseudonymOf(2)}'`,
      )
    ).rows;
    const text = lines.map((row) => row['QUERY PLAN']).join('\n');
    expect(text).toContain('pseudonym_pseudonym');
    expect(text).not.toContain('Seq Scan on call');
    await shop.support(`delete from probity.permission_span where key = '2'`);
    expect(await minutes(2)).toEqual([]);
  });
});
