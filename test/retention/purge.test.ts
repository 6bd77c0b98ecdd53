import { expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { readCertificate } from '../../database/certificates.ts';
import { openStore } from '../../database/store.ts';
import { verifyCertificate } from '../../domain/evidence/certificate.ts';
import { withWorker } from '../support/worker.ts';
import { createShop } from './support.ts';

const input = { actor: 'tester', asOf: null, only: null, dryRun: false };

test('a purge deletes what has expired, keeps the rest, and certifies it', async () => {
  const shop = await createShop(
    `create table visit (visit_id bigint primary key, at timestamptz, note text);
     insert into visit select i, now() - i * interval '1 day', 'n' from generate_series(1, 20000) i;
     insert into visit values (100001, null, 'none'), (100002, '-infinity', 'minus'), (100003, 'infinity', 'plus'), (100004, now() + interval '1 year', 'later');
     analyze visit`,
    { 'shop.public.visit': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } } },
  );
  try {
    const result = await withWorker(shop, async (client, taskQueue) => (await start(client, { ...input, taskQueue })).result());
    expect(result).toMatchObject({ outcome: 'complete', serial: 1 });
    const [left] = await shop.query<{ old: number; odd: number; all: number }>(
      `select count(*) filter (where at < now() - interval '1 year' and at > '-infinity')::int as old,
        count(*) filter (where visit_id > 100000)::int as odd, count(*)::int as all from visit`,
    );
    expect(left).toMatchObject({ old: 0, odd: 4 });
    const store = openStore({ name: 'shop', url: shop.database.url });
    const file = await readCertificate(store.db, result.runId);
    await store.close();
    if (file === null) throw new Error('no certificate');
    expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
    expect(file.certificate.tables[0]).toMatchObject({
      planned: result.planned,
      erased: 20004 - (left?.all ?? 0),
      failed: 0,
      kept: { 'missing:at': 1, 'infinite:at': 2, 'future:at': 1 },
    });
  } finally {
    await shop.close();
  }
});
