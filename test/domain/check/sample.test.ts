import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalog } from '../../../database/catalog.ts';
import { openStore } from '../../../database/store.ts';
import type { Catalog } from '../../../domain/catalog.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import { loadManifest } from '../../../manifest/load.ts';
import { createSampleCompany } from '../../../scripts/sample/company.ts';
import { freshDatabase, type FreshDatabase } from '../../support/databases.ts';

let shop: FreshDatabase;
let support: FreshDatabase;
const catalogs: Record<string, Catalog> = {};

beforeAll(async () => {
  [shop, support] = [await freshDatabase(), await freshDatabase()];
  await createSampleCompany({ shopUrl: shop.url, supportUrl: support.url, scale: 0.01, seed: 1, now: new Date('2026-11-22T00:00:00Z') });
  for (const [name, { url }] of Object.entries({ shop, support })) {
    const store = openStore({ name, url });
    catalogs[name] = await readCatalog(store);
    await store.close();
  }
});

afterAll(async () => {
  await shop.drop();
  await support.drop();
});

test('the sample company’s manifest fits its databases', async () => {
  const loaded = await loadManifest('examples/acme-outdoor/manifest.yaml');
  expect(loaded.problems).toEqual([]);
  const problems = checkManifest(loaded.manifest!, loaded.source.place, catalogs);
  expect(problems.filter((it) => it.severity === 'error')).toEqual([]);
  // The one foreign key that is made without an index, on purpose; and addresses, which requests compare in one spelling.
  expect(problems.filter((it) => it.code === 'P108').map((it) => it.fix)).toEqual([
    'create index concurrently on "public"."survey_answer" ("device_id")',
    'create index concurrently on "public"."ticket_message" ((lower(btrim("author_email"::text))))',
    'create index concurrently on "public"."ticket" ((lower(btrim("requester_email"::text))))',
  ]);
});

test('every table that is taken out of the manifest is missed', async () => {
  const loaded = await loadManifest('examples/acme-outdoor/manifest.yaml');
  const { tables, ...rest } = loaded.manifest!;
  for (const id of Object.keys(tables)) {
    const without = { ...rest, tables: Object.fromEntries(Object.entries(tables).filter(([it]) => it !== id)) };
    const problems = checkManifest(without, loaded.source.place, catalogs);
    expect(problems.filter((it) => it.code === 'P104').map((it) => it.message)).toEqual([
      `the table \`${id}\` is neither declared nor ignored`,
    ]);
  }
});
