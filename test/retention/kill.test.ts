import { randomBytes, randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { FAULT_POINTS } from '../../database/faults.ts';
import { verifyCertificate } from '../../domain/evidence/certificate.ts';
import { startWorker } from './processes.ts';
import { withClient } from '../support/worker.ts';
import { certificateOf, createShop, input, type Shop } from './support.ts';

/** Which of the times that a point is reached is the last. `PROBITY_KILL_SEED=n` repeats a run. */
const SEED = Number(process.env['PROBITY_KILL_SEED'] ?? randomInt(1_000));
const MOST_TIMES = 3;

/** Rows of every kind: plain ones in two lanes, children that go along, masks, and partitions to drop. All times are far from the cut-offs. */
const DDL = `
  create table visit (visit_id int primary key, at timestamptz, note text);
  insert into visit select i, timestamptz '2020-01-01' + (i % 40) * interval '1 day' + (i % 3) * interval '10 years', repeat('n', 200) from generate_series(1, 6000) i;
  create table person (person_id int primary key, seen timestamptz, name text);
  insert into person select i, timestamptz '2020-01-01' + (i % 2) * interval '30 years', 'name ' || i from generate_series(1, 1000) i;
  create table address (address_id int primary key, person_id int references person, at timestamptz default '2020-01-01', street text);
  create index on address (person_id);
  insert into address select i, 1 + i % 1000, timestamptz '2020-01-01', 'street ' || i from generate_series(1, 1500) i;
  create table view (view_id int, at timestamptz not null) partition by range (at);
  create table view_1 partition of view for values from ('2020-01-01') to ('2020-02-01');
  create table view_2 partition of view for values from ('2020-02-01') to ('2020-03-01');
  create table view_3 partition of view for values from ('2050-01-01') to ('2050-02-01');
  insert into view select i, timestamptz '2020-01-05' + (i % 2) * interval '30 days' from generate_series(1, 2000) i;
  insert into view select i, '2050-01-05' from generate_series(1, 100) i;
  analyze`;

const TABLES = {
  'shop.public.visit': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } },
  'shop.public.person': {
    purposes: ['use'],
    retention: { keep: 'P1Y', after: 'seen', children: { 'shop.public.address': 'delete' as const } },
  },
  'shop.public.view': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } },
};

let undisturbed: Outcome;
const shops: Shop[] = [];

interface Outcome {
  readonly rows: unknown;
  readonly tables: unknown;
}

/** Runs a purge with a worker that dies at `fault`, if any, and with another one afterwards. */
async function purge(fault?: string): Promise<Outcome> {
  const shop = await createShop(DDL, TABLES, { purge: { lanes: 2, duty: 1, batch: '50ms' } });
  shops.push(shop);
  const taskQueue = `kill-${randomBytes(4).toString('hex')}`;
  const first = await startWorker(shop, { taskQueue, ...(fault !== undefined && { fault }) });
  const runId = await withClient(async (client) => {
    const handle = await start(client, { ...input, taskQueue });
    if (fault === undefined) await handle.result();
    else {
      const result = handle.result();
      // A run that ends would otherwise leave us waiting for a death that does not come.
      expect(await Promise.race([first.ended, result.then(() => 'the run ended')]), `the worker reaches "${fault}"`).toBe('SIGKILL');
      const second = await startWorker(shop, { taskQueue });
      await result;
      await second.stop();
    }
    return handle.workflowId;
  });
  await first.stop();
  const file = await certificateOf(shop, runId);
  expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
  expect(file.certificate.outcome).toBe('complete');
  const tables = file.certificate.tables.map(({ cutOff: _cutOff, ...table }) => table);
  const rows = await shop.query(`
    select (select md5(string_agg(visit_id || ' ' || at, ',' order by visit_id)) from visit) as visits,
      (select md5(string_agg(person_id || ' ' || seen, ',' order by person_id)) from person) as persons,
      (select md5(string_agg(address_id || ' ' || person_id, ',' order by address_id)) from address) as addresses,
      (select count(*)::int from view) as views,
      (select array_agg(relname::text order by relname) from pg_class where relname like 'view\\__' and relkind = 'r') as partitions,
      (select count(*)::int from (select 1 from probity.step group by run_id, lane having count(*) <> max(seq)) as gaps) as gaps`);
  return { rows, tables };
}

beforeAll(async () => {
  undisturbed = await purge();
});

afterAll(async () => {
  for (const shop of shops) await shop.close();
});

test('undisturbed: what is to go has gone', () => {
  expect(undisturbed.rows).toMatchObject([{ views: 100, partitions: ['view_3'], gaps: 0 }]);
  expect(undisturbed.tables).toMatchObject([
    { table: 'shop.public.person', planned: 500, erased: 500, along: { 'along:public.address': 750 } },
    { table: 'shop.public.view', planned: 2000, erased: 2000 },
    { table: 'shop.public.visit', planned: 2000, erased: 2000 },
  ]);
});

describe.concurrent(`a worker killed with -9 (PROBITY_KILL_SEED=${SEED})`, () => {
  const cases = FAULT_POINTS.map((point, index) => `${point}:${1 + ((SEED + index * 7) % MOST_TIMES)}`);
  // Of the purge of partitions: behind the intent, behind the detach, within the drop. The steps before are those of table person.
  for (const fault of [...cases, 'after commit:1', 'before transaction:4', 'after change:4']) {
    test(`at "${fault}" changes nothing but time`, async () => {
      expect(await purge(fault)).toEqual(undisturbed);
    });
  }
});
