import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadManifest } from '../../manifest/load.ts';
import { JOURNEY_NOW, MissingFile, loadCompleteJourney } from '../../scripts/journey/load.ts';
import type { JourneySummary } from '../../scripts/journey/load.ts';
import { expectedDailySums, expectedKeptHouseholds, expectedSurvivors } from '../../scripts/journey/expected.ts';
import { NotOurDatabase, isSample } from '../../scripts/sample/company.ts';
import { freshDatabase } from '../support/databases.ts';
import type { FreshDatabase } from '../support/databases.ts';
import { undeclared } from './declared.ts';

/** The files are not part of the repository; docs/complete-journey.md says where to get them. */
const FOLDER = resolve(process.env['COMPLETE_JOURNEY'] ?? '../shared/data/complete-journey');
const LOAD_LIMIT_MS = 300_000;

/** Expired by its own rule, in plain SQL: the cut-offs are written out, not computed. */
const INACTIVE = `
  select household_id from transactions group by household_id having max(transaction_timestamp) < '2017-10-01 00:00 America/New_York'`;
const KEPT = `select household_id from coupon_redemptions where redemption_date >= '2017-03-01'`;
const GONE = `(${INACTIVE} except ${KEPT})`;

describe.skipIf(!existsSync(FOLDER))('The Complete Journey', () => {
  let database: FreshDatabase;
  let client: pg.Client;
  let summary: JourneySummary;
  const seen: string[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    summary = await loadCompleteJourney({
      url: database.url,
      from: FOLDER,
      progress: ({ table, done }) => {
        if (done) seen.push(table);
      },
    });
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  }, LOAD_LIMIT_MS);

  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  const count = async (query: string): Promise<number> => {
    const { rows } = await client.query<{ n: string }>(`select count(*) as n from (${query}) as counted`);
    return Number(rows[0]?.n);
  };

  test('every line of every file arrives', async () => {
    for (const [table, { loaded }] of Object.entries(expectedSurvivors)) {
      expect([table, summary.tables[table], await count(`select from ${table}`)]).toEqual([table, loaded, loaded]);
    }
    expect(seen).toEqual(Object.keys(summary.tables));
    expect(await isSample(database.url)).toBe(true);
  });

  test('instants are those of the files, and their weeks begin on Mondays in New York', async () => {
    const { rows } = await client.query(
      `
      select min(transaction_timestamp)::text as first, max(transaction_timestamp)::text as last,
             sum(sales_value)::text as sales, count(distinct basket_id)::int as baskets
      from transactions`.replace(/_timestamp\)/g, `_timestamp at time zone 'UTC')`),
    );
    expect(rows[0]).toMatchObject({ first: '2017-01-01 11:53:26', last: '2018-01-01 04:01:20', baskets: 155_848 });
    const local = `(transaction_timestamp at time zone 'America/New_York')`;
    expect(await count(`select from transactions where week <> 1 + floor((${local}::date - date '2016-12-26') / 7.0)`)).toBe(0);
    expect(await count(`select from transactions where extract(hour from ${local}) between 0 and 4`)).toBeLessThan(
      expectedSurvivors.transactions.loaded / 50,
    );
  });

  test('the documented survivors are what plain SQL counts', async () => {
    const young = `transaction_timestamp >= '2017-07-01 00:00 America/New_York'`;
    const counted = {
      transactions: await count(`select from transactions where ${young} and household_id not in ${GONE}`),
      households: await count(`select from households where household_id not in ${GONE}`),
      demographics: await count(`select from demographics where household_id not in ${GONE}`),
      campaigns: await count(`select from campaigns where household_id not in ${GONE}`),
      coupon_redemptions: await count(`select from coupon_redemptions where redemption_date >= '2017-03-01'`),
    };
    const survive = Object.fromEntries(
      Object.keys(counted).map((table) => [table, expectedSurvivors[table as keyof typeof counted].survive]),
    );
    expect(counted).toEqual(survive);
    for (const { loaded, purged, survive: stay } of Object.values(expectedSurvivors)) expect(purged + stay).toBe(loaded);
    expect(await count(`select distinct campaign_id, redemption_date from coupon_redemptions where redemption_date < '2017-03-01'`)).toBe(
      expectedDailySums,
    );
    expect(await count(`${INACTIVE} intersect ${KEPT}`)).toBe(expectedKeptHouseholds);
    expect(JOURNEY_NOW.toISOString()).toBe('2018-01-01T05:00:00.000Z');
  });

  test('the manifest loads and names every table and column', async () => {
    const { manifest, problems } = await loadManifest('examples/complete-journey/manifest.yaml');
    expect(problems).toEqual([]);
    expect(manifest && (await undeclared(client, manifest, 'journey'))).toEqual([]);
  });

  test('a folder without the files changes nothing', async () => {
    await expect(loadCompleteJourney({ url: database.url, from: 'examples' })).rejects.toThrow(MissingFile);
    expect(await count('select from campaigns')).toBe(expectedSurvivors.campaigns.loaded);
  });

  test('a database with a table of somebody else is refused', async () => {
    await client.query('create table theirs (id int)');
    await expect(loadCompleteJourney({ url: database.url, from: FOLDER })).rejects.toThrow(NotOurDatabase);
    expect(await count('select from campaigns')).toBe(expectedSurvivors.campaigns.loaded);
    await client.query('drop table theirs');
  });
});
