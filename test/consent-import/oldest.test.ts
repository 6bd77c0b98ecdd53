import { expect, test } from 'vitest';
import { requireManifest } from '../../client/manifest.ts';
import { syncTable } from '../../database/permission/consent-table.ts';
import { openStore } from '../../database/store.ts';
import { namedSources } from '../../domain/consent/sources.ts';
import { postgres15 } from '../support/postgres15.ts';
import { consentShop } from './support.ts';

const server = postgres15();

test('PostgreSQL 15 imports, reads tables and reports as well', async () => {
  const shop = await consentShop((await server()).adminUrl);
  try {
    const lines = Array.from({ length: 1500 }, (_, i) => `${i + 1},newsletter,email,${i % 5 === 0 ? 'withdrawn' : 'granted'},2026-02-01,t`);
    const file = shop.file('old.csv', `key,purpose,channel,decision,captured_at,touchpoint\n${lines.join('\n')}\n`);
    expect((await shop.run(['consent', 'import', file])).out).toContain('1,500 recorded');
    expect(await shop.query(`select reltuples::int as n from pg_class where oid = 'probity.consent_record'::regclass`)).toEqual([
      { n: 1500 },
    ]);
    expect((await shop.run(['consent', 'import', file])).out).toContain('1,500 were there already');
    await shop.query(
      `insert into choice (customer_id, topic, way, answer, at, changed_at) select i, 'newsletter', 'web', 'yes', now(), now() from generate_series(1, 100) i`,
    );
    const { manifest } = await requireManifest(shop.manifest);
    const home = openStore({ name: 'shop', url: shop.url });
    try {
      const task = {
        ...namedSources(manifest)[0]!,
        home,
        store: home,
        manifest,
        runId: 'r',
        full: false,
        stop: () => false,
        beat: () => undefined,
      };
      expect(await syncTable(task)).toMatchObject({ done: true, recorded: 100, rejected: 0 });
    } finally {
      await home.close();
    }
    const report = await shop.run(['consent', 'report', '--from', '2026-01', '--to', '2026-03']);
    expect(report.out).toMatch(/2026-02 +0 +1,200 +0 +300 +0/);
    expect(await shop.query(`select probity.permission('customer', '2', 'newsletter', 'email') as yes`)).toEqual([{ yes: true }]);
  } finally {
    await shop.close();
  }
});
