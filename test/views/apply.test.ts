import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { diffViews, makeViews, removeViews, viewScripts, type StoreReport } from '../../client/views.ts';
import { probity } from '../cli/support.ts';
import { viewShop, type ViewShop } from './shop.ts';

describe('probity views', () => {
  let shop: ViewShop;
  beforeEach(async () => {
    shop = await viewShop();
  });
  afterEach(() => shop.close());

  const run = (...args: string[]) => probity(['views', ...args, '--manifest', shop.manifest], { env: shop.env });
  const changes = (reports: readonly StoreReport[]): string[] =>
    reports.flatMap((one) => one.changes).map(({ kind, what }) => `${kind} ${what}`);
  const findings = (reports: readonly StoreReport[]) => reports.flatMap((one) => one.findings);
  const schemas = async (): Promise<string[]> =>
    (await shop.query<{ name: string }>(`select nspname as name from pg_namespace where nspname like 'for\\_%' order by 1`)).map(
      (row) => row.name,
    );

  test('diff, apply, apply again, drop', async () => {
    expect((await run('diff')).code).toBe(1);
    expect(await schemas()).toEqual([]);
    const applied = await run('apply');
    expect(applied.code, applied.stderr).toBe(0);
    expect(applied.stdout).toContain('create view for_personalization.page_view');
    expect(changes(await makeViews(shop.project))).toEqual([]);
    expect((await run('diff')).code).toBe(0);
    const shown = await run('show', 'personalization');
    expect(shown.stdout).toContain('for_personalization.order_line');
    expect((await run('drop')).code).toBe(0);
    expect(await schemas()).toEqual([]);
    const left = await shop.query<{ n: number }>(
      `select count(*)::int as n from pg_class c cross join aclexplode(c.relacl) x where pg_get_userbyid(x.grantee) = 'probity_views'`,
    );
    expect(left).toEqual([{ n: 0 }]);
    expect(changes(await removeViews(shop.project))).toEqual([]);
  });

  test('what was changed by hand is put back', async () => {
    await makeViews(shop.project);
    await shop.query(
      `create or replace view for_tax.customer with (security_barrier) as select 'x'::text as customer_id, country, stage, signed_up_at, closed_at, 'y'::text as referred_by from customer`,
    );
    await shop.query(`alter view for_analytics.orders set (security_barrier = false)`);
    await shop.query(`grant select on for_club.member to public`);
    await shop.query(`grant select on customer to probity_views`);
    await shop.query(`drop view for_sale.customer`);
    const found = changes(await diffViews(shop.project));
    const expected = [
      'replace view for_tax.customer',
      'replace view for_analytics.orders',
      'revoke for_club from public',
      'create view for_sale.customer',
    ];
    expect(found).toEqual(expect.arrayContaining(expected));
    expect(found.some((change) => change.startsWith('grant select on public.customer ('))).toBe(true);
    await makeViews(shop.project);
    expect(changes(await diffViews(shop.project))).toEqual([]);
    expect(await shop.query(`select has_column_privilege('probity_views', 'page_view', 'path', 'select') as it`)).toEqual([{ it: true }]);
  });

  test('a schema that is not ours is never touched', async () => {
    await shop.query('create schema for_club; create table for_club.theirs (x integer)');
    await expect(makeViews(shop.project)).rejects.toThrow('for_club that is not ours');
    await removeViews(shop.project);
    expect(await shop.query('select * from for_club.theirs')).toEqual([]);
  });

  test('a reader who can pass by the views is granted nothing, and told why', async () => {
    const can = async (): Promise<unknown> =>
      (await shop.query(`select has_schema_privilege('${shop.analyst}', 'for_personalization', 'usage') as it`))[0]?.['it'];
    await shop.query(`grant select (country) on customer to ${shop.analyst}`);
    const found = findings(await makeViews(shop.project)).filter((finding) => finding.about === shop.analyst);
    expect(found.map(({ code }) => code)).toEqual(['read_directly']);
    expect(await can()).toBe(false);
    await shop.query(found[0]!.fix!);
    await makeViews(shop.project);
    expect(await can()).toBe(true);
    // Rights that come later, by a view of somebody else's or through a role, end what was granted.
    await shop.query(`create view all_customers as select * from customer; grant select on all_customers to public`);
    expect(findings(await diffViews(shop.project)).filter((finding) => finding.code === 'read_directly').length).toBe(2);
    await makeViews(shop.project);
    expect(await can()).toBe(false);
    await shop.query('drop view all_customers');
    await shop.query(`grant pg_read_all_data to ${shop.analyst}`);
    expect(findings(await diffViews(shop.project))).toEqual(
      expect.arrayContaining([expect.objectContaining({ code: 'reader', fix: `revoke pg_read_all_data from ${shop.analyst}` })]),
    );
  });

  test('the printed SQL does the same', async () => {
    const scripts = await viewScripts(shop.project, false);
    await shop.query(scripts.find((one) => one.store === 'shop')!.sql);
    expect((await diffViews(shop.project)).find((one) => one.store === 'shop')?.changes).toEqual([]);
  });
});

test('in mode observe nothing is made', async () => {
  const shop = await viewShop({ mode: 'observe' });
  try {
    const refused = await probity(['views', 'apply', '--manifest', shop.manifest], { env: shop.env });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('mode observe');
    expect(await shop.query(`select 1 from pg_namespace where nspname like 'for\\_%'`)).toEqual([]);
  } finally {
    await shop.close();
  }
});
