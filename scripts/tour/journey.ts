import { join } from 'node:path';
import { count } from '../../cli/numbers.ts';
import { textTable } from '../../cli/table.ts';
import { expectedDailySums, expectedSurvivors } from '../journey/expected.ts';
import { writeConsents } from '../journey/consents.ts';
import { loadCompleteJourney } from '../journey/load.ts';
import { readMarker, withClient } from '../sample/marker.ts';
import { TourFailed, type Story } from './story.ts';
import type { TourSubject } from './subject.ts';

export interface JourneyTourOptions {
  /** The folder of the parquet files. */
  readonly from: string;
  readonly refill: boolean;
}

/** Real input: a year of groceries, seen from the day after it. */
export function journeyTour({ from, refill }: JourneyTourOptions): TourSubject {
  return {
    name: 'complete-journey',
    databases: { DATABASE_URL: 'journey' },
    manifest: 'examples/complete-journey/manifest.yaml',
    asOf: '2018-01-01',
    fill: async ({ DATABASE_URL: url = '' }, story) => {
      if ((await readMarker(url))?.complete === true && !refill) return false;
      const { rows } = await loadCompleteJourney({ url, from, progress: story.loading() });
      story.say(`  ${count(rows)} rows (docs/complete-journey.md tells what they are)`);
      return true;
    },
    examine: ({ DATABASE_URL: url = '' }, story) => examine(url, story),
    permission: {
      purpose: 'personalization',
      reader: 'journey_analyst',
      view: 'transactions',
      columns: ['household_id', 'product_id', 'quantity', 'sales_value', 'transaction_timestamp'],
      subject: 'household',
      table: 'transactions',
      keyColumn: 'household_id',
      capturedAt: 'transaction_timestamp',
      months: ['--from', '2017-01', '--to', '2017-12'],
      takeIn: async (story, env, url, folder) => {
        const file = join(folder, 'simulated-consents.csv');
        const lines = await writeConsents(url, file);
        story.say(`  ${count(lines)} lines of SIMULATED consent, from a seed: the data itself carries none (docs/complete-journey.md)`);
        await story.probity(env, ['consent', 'import', file]);
      },
    },
    requests: {
      subject: 'household',
      by: null,
      who: `select h.household_id::text as who from households h where exists (select from demographics d where d.household_id = h.household_id)
        order by (select count(*) from campaigns c where c.household_id = h.household_id) desc, h.household_id limit 1`,
    },
    next: ['retention status RUN', 'retention explain households --kept --as-of 2018-01-01', 'retention plan --as-of 2018-01-01', 'check'],
  };
}

/** Compares what is left with what SQL that knows nothing of Probity has counted. */
async function examine(url: string, story: Story): Promise<void> {
  const expected: [string, number][] = [
    ...Object.entries(expectedSurvivors).map(([table, { survive }]): [string, number] => [table, survive]),
    ['redemptions_daily', expectedDailySums],
  ];
  const found = await withClient(url, async (client) => {
    const counts: number[] = [];
    for (const [table] of expected) {
      // The names are constants of ours.
      const { rows } = await client.query<{ n: string }>(`select count(*) as n from ${table}`);
      counts.push(Number(rows[0]?.n));
    }
    return counts;
  });
  const rows = expected.map(([table, survive], index) => [
    table,
    count(survive),
    count(found[index] ?? -1),
    found[index] === survive ? '✓' : '✗ DIFFERS',
  ]);
  story.say(
    textTable(
      [{ title: 'table' }, { title: 'must remain', align: 'right' }, { title: 'remain', align: 'right' }, { title: '' }],
      rows,
      null,
    ),
  );
  if (expected.some(([, survive], index) => found[index] !== survive)) throw new TourFailed('What is left is not what must be left', 1);
}
