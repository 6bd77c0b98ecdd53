import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeViews } from '../../client/views.ts';
import { postgres15 } from '../support/postgres15.ts';
import { viewShop, type ViewShop } from './shop.ts';

/** People 1 to 3 agreed, the others never did. Theirs are the words that must not come out. */
const HIDDEN = 'HIDDEN';
const server15 = postgres15();

describe.each([
  ['18', undefined],
  ['15', server15],
] as const)('on PostgreSQL %s, an analyst who attacks the views', (_version, server) => {
  let shop: ViewShop;
  let analyst: pg.Client;
  const notices: string[] = [];

  beforeAll(async () => {
    shop = await viewShop(server === undefined ? {} : { adminUrl: (await server()).adminUrl });
    await shop.query(`insert into customer (customer_id, email, country, born, signed_up_at)
      select i, 'c' || i, case when i <= 3 then 'DE' else '${HIDDEN}' end, '1980-01-01', '2025-02-01' from generate_series(1, 20) i`);
    await shop.query(
      `insert into page_view select i, 1 + i % 20, case when i % 20 < 3 then '/' || i else '${HIDDEN}' || i end, '2025-03-01' from generate_series(1, 400) i`,
    );
    await shop.query(`insert into event select i, 1 + i % 20, '{}', '2025-03-01' from generate_series(1, 40) i`);
    await shop.query('analyze');
    await shop.record({ key: '1' }, { key: '2' }, { key: '3' });
    await makeViews(shop.project);
    analyst = await shop.as(shop.analyst);
    analyst.on('notice', (notice) => notices.push(notice.message ?? ''));
    await analyst.query(`set search_path = ${shop.analyst}, public`);
  });
  afterAll(() => shop.close());

  const ask = async (text: string): Promise<pg.QueryResultRow[]> => (await analyst.query(text)).rows as pg.QueryResultRow[];
  const refused = async (text: string, code = '42501'): Promise<void> => {
    await expect(ask(text)).rejects.toMatchObject({ code });
  };

  test('sees what permission allows, and no more', async () => {
    expect(await ask('select country from for_personalization.customer')).toEqual([
      { country: 'DE' },
      { country: 'DE' },
      { country: 'DE' },
    ]);
    expect(await ask('select count(*)::int as n from for_personalization.page_view')).toEqual([{ n: 60 }]);
  });

  test('learns nothing from a cheap function of its own', async () => {
    await ask(
      `create function leak(text) returns boolean language plpgsql cost 0.0000001 as $$ begin raise notice 'leak %', $1; return true; end $$`,
    );
    await ask(
      `create function leak2(text, text) returns boolean language plpgsql cost 0.0000001 as $$ begin raise notice 'leak %', $1; return true; end $$`,
    );
    await ask(`create operator === (leftarg = text, rightarg = text, function = leak2, restrict = eqsel)`);
    notices.length = 0;
    await ask('select path from for_personalization.page_view where leak(path)');
    await ask(`select path from for_personalization.page_view where path === 'x'`);
    await ask(`select p.path from for_personalization.page_view p join for_personalization.customer c on leak(c.country) and leak(p.path)`);
    await ask('select path from for_personalization.page_view where leak(customer_id) order by leak(path)');
    expect(notices.length).toBeGreaterThan(0);
    expect(notices.filter((notice) => notice.includes(HIDDEN))).toEqual([]);
    // Pseudonyms are kept of more people than are shown: 4 agreed, and is withdrawn.
    await shop.record({ key: '4' }, { key: '4', decision: 'withdrawn', captured_at: '2025-01-02T00:00:00Z' });
    notices.length = 0;
    await ask('select count(*) from for_personalization.customer where leak(customer_id)');
    await ask('select count(*) from for_personalization.permitted_channels where leak(pseudonym)');
    expect(new Set(notices).size).toBe(3);
  });

  test('may not call a function leakproof', async () => {
    await refused(`create function trusted(text) returns boolean language sql leakproof as 'select true'`);
    await refused('alter function leak(text) leakproof');
  });

  test('gets no error out of rows that are hidden', async () => {
    // The paths of those who agreed are numbers behind a slash; of the others they are not.
    expect(await ask('select count(*)::int as n from for_personalization.page_view where substr(path, 2)::int > 0')).toEqual([{ n: 60 }]);
    expect(
      await ask(
        `select count(*)::int as n from for_personalization.customer where 1 / (case when country = '${HIDDEN}' then 0 else 1 end) = 1`,
      ),
    ).toEqual([{ n: 3 }]);
  });

  test('finds no statistics about the tables', async () => {
    expect(await ask(`select * from pg_stats where tablename in ('customer', 'page_view', 'permission_span')`)).toEqual([]);
    expect(await ask(`select * from pg_stats_ext`)).toEqual([]);
    await refused('select * from pg_statistic');
    await refused('select * from pg_statistic_ext_data');
  });

  test.each([
    'customer',
    'page_view',
    'page_view_2025',
    'probity.permission_span',
    'probity.pseudonym_key',
    'probity.pseudonym',
    'probity.pseudonym_kind',
    'probity.serving',
    'probity.consent_content',
  ])('cannot read %s', async (table) => {
    await refused(`select * from ${table}`);
    await refused(`copy ${table} to stdout`);
  });

  test('cannot become somebody else, nor call what is ours', async () => {
    await refused('set role probity_views');
    await refused('set session authorization postgres');
    await refused(`select probity.permission('customer', '4', 'personalization')`);
    await refused('create view for_personalization.mine as select 1');
    await refused(`alter view for_personalization.customer set (security_barrier = false)`);
    await refused(`create or replace view for_personalization.customer as select 1`);
    await refused(`grant select on for_personalization.customer to public`, '42501').catch(() => undefined);
    expect(await ask(`select has_table_privilege('${shop.rival}', 'for_personalization.customer', 'select') as can`)).toEqual([
      { can: false },
    ]);
  });

  test('cannot write through a view', async () => {
    await refused(`update for_personalization.customer set country = 'X'`, '42501').catch(async () =>
      refused(`update for_personalization.customer set country = 'X'`, '55000'),
    );
    for (const text of ['delete from for_personalization.page_view', `insert into for_personalization.customer (country) values ('X')`]) {
      await expect(ask(text)).rejects.toMatchObject({ code: expect.stringMatching(/^(42501|55000)$/) as string });
    }
    await refused('select * from for_personalization.customer for update');
    await analyst.query('begin');
    await refused('lock table for_personalization.customer in share mode');
    await analyst.query('rollback');
    expect(await shop.query(`select count(*)::int as n from customer where country = 'X'`)).toEqual([{ n: 0 }]);
  });

  test('cannot join one purpose with another, nor with the other store', async () => {
    const [joined] = await ask(
      `select count(*)::int as n from for_personalization.customer a join for_analytics.customer b using (customer_id)`,
    );
    expect(joined).toEqual({ n: 0 });
    for (const column of ['page_view_id', 'customer_id']) {
      expect(
        await ask(`select count(*)::int as n from for_personalization.page_view a join for_analytics.page_view b using (${column})`),
      ).toEqual([{ n: 0 }]);
    }
    expect(
      (await ask(`select count(*)::int as n from for_personalization.customer join for_personalization.page_view using (customer_id)`))[0],
    ).toEqual({ n: 60 });
  });

  test('makes nothing of NULL, of row security, or of a definition', async () => {
    expect(await ask(`select * from for_personalization.customer where (country = '${HIDDEN}') is not false and country <> 'DE'`)).toEqual(
      [],
    );
    await ask('set row_security = off');
    expect(await ask('select count(*)::int as n from for_personalization.customer')).toEqual([{ n: 3 }]);
    await ask('reset row_security');
    const [definition] = await ask(`select pg_get_viewdef('for_personalization.customer'::regclass) as text`);
    const [row] = await shop.query<{ secret: string }>(
      `select encode(secret, 'hex') as secret from probity.pseudonym_key where purpose = 'personalization'`,
    );
    expect(String(definition?.['text'])).not.toContain(row!.secret);
  });

  test('reads no plan that names a hidden value; it does count rows', async () => {
    const plan = (await ask(`explain (analyze, verbose) select * from for_personalization.page_view where path like '${HIDDEN}%'`))
      .map((row) => String(row['QUERY PLAN']))
      .join('\n');
    expect(plan).not.toMatch(/HIDDEN\d/);
    // What is left, and documented: how many rows a scan met before permission was asked.
    expect(plan).toMatch(/Rows Removed|actual/);
  });

  test('row-level security of a table binds the views too', async () => {
    await shop.query('alter table event enable row level security');
    try {
      expect(await ask('select count(*)::int as n from for_analytics.event')).toEqual([{ n: 0 }]);
      await shop.query('create policy few on event for select to probity_views using (event_id <= 10)');
      expect(await ask('select count(*)::int as n from for_analytics.event')).toEqual([{ n: 10 }]);
    } finally {
      await shop.query('drop policy if exists few on event');
      await shop.query('alter table event disable row level security');
    }
  });

  test('sees nothing at all while serving is closed', async () => {
    await shop.query(`update probity.serving set valid_until = '-infinity'`);
    try {
      for (const view of [
        'for_personalization.customer',
        'for_personalization.permitted_channels',
        'for_analytics.day_total',
        'for_analytics.page_view',
      ]) {
        expect(await ask(`select count(*)::int as n from ${view}`)).toEqual([{ n: 0 }]);
      }
    } finally {
      await shop.query(`update probity.serving set valid_until = 'infinity'`);
    }
  });
});
