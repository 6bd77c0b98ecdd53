import { readFileSync, writeFileSync } from 'node:fs';
import { consentActivities } from '../../activities/consents.ts';
import { startSync } from '../../client/consent/sync.ts';
import { requireManifest } from '../../client/manifest.ts';
import { noFaults } from '../../database/faults.ts';
import { storePool } from '../../database/stores.ts';
import { historyOf, recordedHistories, type Recorded } from '../support/replay.ts';
import { withWorker, type TestWorkerOptions, type Workplace } from '../support/worker.ts';
import { consentShop, type ConsentShop } from './support.ts';

type Play = Recorded['scenarios'][string];

const CANARY = 'canary-topic';
/** Behind it stand four digits of each person's own. */
const PERSON = '908765';

/** A reading of all tables of consent; `choice` has this many rows, and one that is rejected. */
function reading(rows: number, prepare: (shop: ConsentShop) => Promise<unknown>, withOptions = withOwnClock): Play {
  return async () => {
    const shop = await consentShop();
    try {
      await shop.query(
        `insert into choice (customer_id, topic, way, answer, at, changed_at)
         select $1::bigint * 10000 + i, 'newsletter', 'email', 'yes', timestamptz '2026-01-01' + i * interval '1 second', timestamptz '2026-01-01' + i * interval '1 second'
         from generate_series(1, $2::int) i union all select $1::bigint * 10000, $3, 'email', 'yes', '2026-01-01', '2026-01-01'`,
        [PERSON, rows, CANARY],
      );
      await prepare(shop);
      const { manifest } = await requireManifest(shop.manifest);
      return await withOptions({ manifest, env: shop.env }, (options) =>
        withWorker(
          { manifest, env: shop.env },
          async (client, taskQueue) => {
            const { runId } = await startSync(client, manifest, { taskQueue, name: null, full: false });
            return historyOf(client, runId);
          },
          options,
        ),
      );
    } finally {
      await shop.close();
    }
  };
}

type WithOptions = <T>(place: Workplace, act: (options: TestWorkerOptions) => Promise<T>) => Promise<T>;

const withOwnClock: WithOptions = (_place, act) => act({});

/** The time of every call is over before its first batch. */
const withHastyClock: WithOptions = async ({ manifest, env }, act) => {
  const pool = storePool(env, 'test');
  let now = 0;
  const activities = consentActivities({
    home: pool.home(manifest),
    store: pool.get,
    signingKey: () => {
      throw new Error('nothing is signed here');
    },
    now: () => (now += 3_600_000),
    faults: noFaults,
    secret: (text: string) => text,
    log: () => undefined,
  });
  try {
    return await act({ activities: { ...activities } });
  } finally {
    await pool.close();
  }
};

const nothing = (): Promise<void> => Promise.resolve();

/** The manifest reads `choice` a second time, without the column that goes missing after it was applied. */
async function withoutAnswers(shop: ConsentShop): Promise<void> {
  const more =
    '  - { table: shop.public.choice, subject: customer, key: customer_id, purpose: topic, decision: { constant: asked }, at: at, touchpoint: { constant: shop } }\n';
  writeFileSync(shop.manifest, readFileSync(shop.manifest, 'utf8').replace('schedules:', `${more}schedules:`));
  const { code, err } = await shop.run(['apply']);
  if (code !== 0) throw new Error(err);
  await shop.query('alter table choice drop column answer');
}

recordedHistories({
  workflow: 'consents',
  canaries: [PERSON, CANARY, 'example.com'],
  swapped: ['syncConsents', 'consentSources'],
  scenarios: {
    plain: reading(10, nothing),
    // Three calls, as one batch has 2,000 rows.
    'long-table': reading(5_000, nothing, withHastyClock),
    'unreadable-table': reading(10, withoutAnswers),
  },
});
