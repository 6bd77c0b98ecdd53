import { createHash } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadManifest } from '../../manifest/load.ts';
import { NotOurDatabase, SAMPLE_NOW, createSampleCompany, isSample, readMarker } from '../../scripts/sample/company.ts';
import type { SampleProgress, SampleSummary } from '../../scripts/sample/company.ts';
import { copyText } from '../../scripts/sample/copy.ts';
import { CDNOW, simulatePurchases } from '../../scripts/sample/purchases.ts';
import type { PurchaseModel } from '../../scripts/sample/purchases.ts';
import { createRandom } from '../../scripts/sample/random.ts';
import { sampleStreams } from '../../scripts/sample/streams.ts';
import { freshDatabase } from '../support/databases.ts';
import type { FreshDatabase } from '../support/databases.ts';
import { undeclared } from './declared.ts';

const SCALE = 0.05;

function fingerprint(seed: number, now = SAMPLE_NOW): string {
  const hash = createHash('sha256');
  const streams = sampleStreams(0.01, seed, now.getTime());
  for (const table of [...streams.shop, ...streams.support]) for (const chunk of copyText(table)) hash.update(chunk);
  return hash.digest('hex');
}

describe('the generator', () => {
  test('the same seed and date give the same bytes, another seed or date does not', () => {
    expect(fingerprint(7)).toBe(fingerprint(7));
    expect(fingerprint(8)).not.toBe(fingerprint(7));
    expect(fingerprint(7, new Date('2026-11-23T00:15:00Z'))).not.toBe(fingerprint(7));
  });

  test('a stream of rows can be read twice', () => {
    for (const table of sampleStreams(0.002, 7, SAMPLE_NOW.getTime()).shop) expect([...copyText(table)]).toEqual([...copyText(table)]);
  });

  test('repeat purchases average what the BG/NBD model expects', () => {
    const random = createRandom(11);
    const customers = 40_000;
    for (const weeks of [13, 52, 260]) {
      const counts = Array.from({ length: customers }, () => simulatePurchases(random, CDNOW, weeks).repeats.length);
      const mean = counts.reduce((sum, count) => sum + count, 0) / customers;
      const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / customers;
      expect(Math.abs(mean - expectedRepeats(CDNOW, weeks))).toBeLessThan(4 * Math.sqrt(variance / customers));
    }
  });
});

/** E[X(t)], equation 9 of Fader, Hardie and Lee (2005), with Gauss's hypergeometric series. */
function expectedRepeats({ r, alpha, a, b }: PurchaseModel, t: number): number {
  const z = t / (alpha + t);
  let term = 1;
  let series = 1;
  for (let n = 0; term > 1e-14; n++) {
    term *= (((r + n) * (b + n)) / ((a + b - 1 + n) * (n + 1))) * z;
    series += term;
  }
  return ((a + b - 1) / (a - 1)) * (1 - (alpha / (alpha + t)) ** r * series);
}

describe('the sample company', () => {
  let shop: FreshDatabase;
  let support: FreshDatabase;
  let shopClient: pg.Client;
  let supportClient: pg.Client;
  let summary: SampleSummary;
  const progress: SampleProgress[] = [];

  beforeAll(async () => {
    [shop, support] = await Promise.all([freshDatabase(), freshDatabase()]);
    summary = await createSampleCompany({
      shopUrl: shop.url,
      supportUrl: support.url,
      scale: SCALE,
      progress: (step) => progress.push(step),
    });
    shopClient = new pg.Client({ connectionString: shop.url });
    supportClient = new pg.Client({ connectionString: support.url });
    await Promise.all([shopClient.connect(), supportClient.connect()]);
  });

  afterAll(async () => {
    await Promise.all([shopClient.end(), supportClient.end()]);
    await Promise.all([shop.drop(), support.drop()]);
  });

  const count = async (query: string, client = shopClient): Promise<number> => {
    const { rows } = await client.query<{ n: string }>(`select count(*) as n from (${query}) as counted`);
    return Number(rows[0]?.n);
  };

  test('the summary and the progress say what the tables hold', async () => {
    for (const [id, rows] of Object.entries(summary.tables)) {
      const [store, , table] = id.split('.');
      expect([id, await count(`select from "${table}"`, store === 'shop' ? shopClient : supportClient)]).toEqual([id, rows]);
      expect(progress.find((step) => step.done && step.table === table && step.store === store)?.rows).toBe(rows);
    }
    expect(summary.tables['shop.public.customer']).toBe(1000);
    expect(summary.rows).toBe(Object.values(summary.tables).reduce((sum, rows) => sum + rows, 0));
  });

  test('it is marked as ours, and nothing else is', async () => {
    expect([await isSample(shop.url), await isSample(support.url)]).toEqual([true, true]);
    expect(await readMarker(shop.url)).toEqual({ name: 'acme-outdoor/shop', seed: 20261122, scale: SCALE, complete: true });
    const empty = await freshDatabase();
    expect(await isSample(empty.url)).toBe(false);
    await empty.drop();
  });

  test('every rule of the manifest has rows to take and rows to keep', async () => {
    const sides = async (table: string, expired: string, client = shopClient): Promise<void> => {
      const [all, old] = [await count(`select from ${table}`, client), await count(`select from ${table} where ${expired}`, client)];
      expect([table, old > 0, old < all]).toEqual([table, true, true]);
    };
    await sides('page_view', `viewed_at < '2025-10-22 01:15 Europe/Berlin'`);
    await sides('event', `at < '2026-08-24 01:15 Europe/Berlin'`);
    await sides('customer', `last_seen_at < '2023-11-22 01:15 Europe/Berlin'`);
    await sides('"order"', `placed_at < '2020-11-22 01:15 Europe/Berlin'`);
    await sides('invoice', `issued_at < '2018-01-01 00:00 Europe/Berlin'`);
    await sides('invoice', `issued_at >= '2018-01-01 00:00 Europe/Berlin' and issued_at < '2018-11-22 01:15 Europe/Berlin'`);
    await sides('device', `last_seen_at < '2026-05-22 01:15 Europe/Berlin'`);
    await sides('survey_answer', `answered_on < '2025-11-22' and free_text is not null`);
    await sides('note', `created_at < '2021-11-22 01:15 Europe/Berlin'`);
    await sides('change_log', `changed_at < '2025-11-22 01:15 Europe/Berlin'`);
    await sides(
      'address',
      `address_id in (select ship_to_address_id from "order" group by 1 having max(placed_at) < '2024-11-22 01:15 Europe/Berlin')`,
    );
    await sides('ticket', `closed_at < '2024-11-22 00:15'`, supportClient);
    const share = (await count(`select from event where at < '2026-08-24 01:15 Europe/Berlin'`)) / (await count('select from event'));
    expect(share).toBeCloseTo(0.27, 2);
  });

  test('it is as hard as its documentation says', async () => {
    const expired = `last_seen_at < '2023-11-22 01:15 Europe/Berlin'`;
    const { rows: partitions } = await shopClient.query<{ bounds: string }>(
      `select pg_get_expr(c.relpartbound, c.oid) as bounds from pg_inherits join pg_class c on c.oid = inhrelid
       where inhparent = 'page_view'::regclass order by c.relname`,
    );
    const whollyExpired = partitions.filter(({ bounds }) => (/TO \('([^']+)'\)/.exec(bounds)?.[1] ?? '9') <= '2025-10-22');
    expect([partitions.length, whollyExpired.length]).toEqual([18, 3]);
    for (const odd of [
      'last_seen_at is null',
      `last_seen_at = 'infinity'`,
      `isfinite(last_seen_at) and last_seen_at > '2026-11-22 01:15+01'`,
    ]) {
      expect([odd, (await count(`select from customer where ${odd}`)) > 0]).toEqual([odd, true]);
    }
    const facts: Readonly<Record<string, string>> = {
      'an expired customer with a live order': `select from customer c where ${expired} and exists (select from "order" o where o.customer_id = c.customer_id and o.placed_at > '2020-11-22')`,
      'an expired customer whom nothing keeps': `select from customer c where ${expired} and not exists (select from "order" o where o.customer_id = c.customer_id) and not exists (select from "order" o join address a on a.address_id = o.ship_to_address_id where a.customer_id = c.customer_id)`,
      'a gift to another address of the household': `select from "order" o join address a on a.address_id = o.ship_to_address_id where a.customer_id <> o.customer_id`,
      'a cycle between customer and address': `select from customer c join address a on a.address_id = c.default_address_id and a.customer_id = c.customer_id`,
      'a referral': 'select from customer where referred_by is not null',
      'a household of several': 'select from household_member group by household_id having count(*) > 2',
      'contact data in JSON': `select from event where payload #>> '{contact,email}' is not null`,
      'a customer without a country': 'select from customer where country is null',
      'a customer of California': `select from customer where country = 'US-CA'`,
      'a choice that was changed': 'select from consent_choice group by customer_id, purpose, channel having count(*) > 1',
    };
    for (const [fact, query] of Object.entries(facts)) expect([fact, (await count(query)) > 0]).toEqual([fact, true]);
    expect(await count(`select from ticket where lower(requester_email) like '%@example.net'`, supportClient)).toBeGreaterThan(0);
  });

  test('addresses of mail and network are reserved ones', async () => {
    const reserved = `'@(example\\.(com|org|net)|(mail|post|acme)\\.example)$'`;
    expect(await count(`select from customer where email !~ ${reserved}`)).toBe(0);
    expect(await count(`select from ticket_message where lower(author_email) !~ ${reserved}`, supportClient)).toBe(0);
    const networks = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32'];
    expect(await count(`select from device where not ip <<= any ('{${networks.join(',')}}'::inet[])`)).toBe(0);
  });

  test('the trigger writes down a delete and does not stop it', async () => {
    await shopClient.query('begin');
    try {
      const before = await count('select from change_log');
      const { rowCount } = await shopClient.query(
        `delete from address a where not exists (select from "order" where ship_to_address_id = a.address_id)
         and not exists (select from customer where default_address_id = a.address_id)`,
      );
      expect(rowCount).toBeGreaterThan(0);
      expect(await count('select from change_log')).toBe(before + (rowCount ?? 0));
    } finally {
      await shopClient.query('rollback');
    }
  });

  test('the manifest loads and names every table and column', async () => {
    const { manifest, problems } = await loadManifest('examples/acme-outdoor/manifest.yaml');
    expect(problems).toEqual([]);
    if (manifest === null) return;
    expect(manifest.mode).toBe('observe');
    expect(await undeclared(shopClient, manifest, 'shop')).toEqual([]);
    expect(await undeclared(supportClient, manifest, 'support')).toEqual([]);
  });

  test('it can be made anew, but not over a table of somebody else', async () => {
    const small = { shopUrl: shop.url, supportUrl: support.url, scale: 0.01 };
    await shopClient.query('create table theirs (id int)');
    await expect(createSampleCompany(small)).rejects.toThrow(NotOurDatabase);
    expect(await count('select from customer')).toBe(1000);
    await shopClient.query('drop table theirs');
    expect((await createSampleCompany(small)).tables['shop.public.customer']).toBe(200);
    expect(await readMarker(shop.url)).toMatchObject({ scale: 0.01, complete: true });

    const foreign = await freshDatabase();
    const client = new pg.Client({ connectionString: foreign.url });
    await client.connect();
    await client.query('create table customer (id int)');
    await expect(createSampleCompany({ ...small, shopUrl: foreign.url })).rejects.toThrow(NotOurDatabase);
    await expect(createSampleCompany({ ...small, supportUrl: foreign.url, scale: 0.02 })).rejects.toThrow(NotOurDatabase);
    expect(await count('select from customer')).toBe(200);
    expect(await count(`select from pg_namespace where nspname = 'probity_sample'`, client)).toBe(0);
    await client.end();
    await foreign.drop();
  });
});
