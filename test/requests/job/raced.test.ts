import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Faults } from '../../../database/faults.ts';
import { approvedErasure } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
});
afterAll(() => world.close());

const viewsOf = (customer: number) =>
  world.shop<{ id: string }>(`select view_id::text as id from page_view where customer_id = $1 order by view_id`, [customer]);

/** What an application writes about a customer. */
const INSERT = `insert into page_view values ($1::bigint * 100000 + $2, $1, '/')`;

/** Calls `act` when the first part of a search has been read. */
function whenSearching(act: () => unknown): Faults {
  let begun = false;
  return async (point) => {
    if (point !== 'scan after range' || begun) return;
    begun = true;
    await act();
  };
}

test('a row that comes behind the closing statement, before its table was searched to the end, goes as well', async () => {
  const id = await approvedErasure(world, 1);
  const result = await world.carryOut(
    id,
    whenSearching(() => world.shop(INSERT, [1, 0])),
  );
  expect(result).toMatchObject({ state: 'closed' });
  expect(await viewsOf(1)).toEqual([]);
  // Which the certificate tells, by a second closing statement.
  const { certificate } = JSON.parse((await world.probity(['request', 'certificate', id])).out) as {
    certificate: { tables: readonly { table: string; planned: number; erased: number }[] };
  };
  expect(certificate.tables).toContainEqual(expect.objectContaining({ table: 'shop.public.page_view', planned: 5, erased: 6 }));
}, 60_000);

/** Milliseconds between two rows: from faster than they go to some that come while a range is read. */
test.each([
  [2, 3],
  [3, 15],
  [4, 60],
  [5, 120],
])(
  'an application that writes of customer %i every %i ms is told of, or nothing is left from before the search',
  async (customer, pause) => {
    const id = await approvedErasure(world, customer);
    const client = new pg.Client({ connectionString: world.env['SHOP_URL'] });
    await client.connect();
    let [stopped, written, before] = [false, 0, 0];
    const writing = (async () => {
      for (; !stopped; await sleep(pause)) await client.query(INSERT, [customer, written++]);
    })();
    const ended = await world
      .carryOut(
        id,
        // The last of them may not have been committed.
        whenSearching(() => (before = written - 1)),
      )
      .then(
        ({ state }) => state as string,
        () => 'failed',
      );
    stopped = true;
    await writing;
    await client.end();
    const left = (await viewsOf(customer)).map((row) => Number(row.id) - customer * 100_000);
    const certified = await world.probity(['request', 'certificate', id]);
    if (ended === 'closed') {
      expect(before).toBeGreaterThan(0);
      expect(left.filter((nth) => nth < before)).toEqual([]);
      expect(certified.code).toBe(0);
      return;
    }
    const [last] = await world.shop<{ verb: string; code: string }>(
      `select verb, code from probity.request_event where request_id = $1 order by event_id desc limit 1`,
      [id],
    );
    expect(last).toEqual(ended === 'drifted' ? { verb: 'revise', code: 'plan_drifted' } : { verb: 'wait', code: 'rows_left' });
    expect(certified.code).toBe(3);
  },
  60_000,
);
