import { afterAll, beforeAll, expect, test } from 'vitest';
import { runProbity } from '../../cli/run.ts';
import { start } from '../../client/retention.ts';
import { withWorker } from '../support/worker.ts';
import { certificateOf, createShop, gate, input, type Shop } from './support.ts';

const DDL = `
  create table customer (customer_id bigint primary key, email text not null unique, seen_at timestamptz not null);
  create table visit (visit_id bigint primary key, customer_id bigint references customer, at timestamptz not null);
  create table visit_part (visit_id bigint references visit, part integer, at timestamptz not null, primary key (visit_id, part));
  insert into customer select i, 'p' || i || '@canary.example', now() from generate_series(1, 9) i;
  insert into visit select i * 10 + j, i, now() - interval '3 years' from generate_series(1, 9) i, generate_series(1, 3) j;
  insert into visit values (1000, null, now() - interval '3 years');
  insert into visit_part select visit_id, 1, at from visit`;
const RULE = { keep: 'P1Y', after: 'at' } as const;
const TABLES = {
  'shop.public.customer': { purposes: ['use'] },
  'shop.public.visit': { purposes: ['use'], retention: { ...RULE, children: { 'shop.public.visit_part': 'delete' as const } } },
  'shop.public.visit_part': { purposes: ['use'], retention: RULE },
};

let shop: Shop;
beforeAll(async () => {
  shop = await createShop(DDL, TABLES, {
    purposes: { use: { basis: 'contract', while: 'a customer', description: 'Use' } },
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email' } } },
  });
});
afterAll(() => shop.close());

async function probity(args: readonly string[], who = ''): Promise<string> {
  let out = '';
  const code = await runProbity(args, {
    env: { ...shop.env, PROBITY_MANIFEST: shop.file },
    out: (text) => void (out += `${text}\n`),
    err: (text) => void (out += `${text}\n`),
    stream: process.stdout,
    terminal: false,
    colour: false,
    width: null,
    input: () => Promise.resolve(who),
    secret: null,
  });
  if (code !== 0) throw new Error(`${args.join(' ')}: ${code}\n${out}`);
  return out;
}

const opened = async (kind: string, customer: number): Promise<string> =>
  /R-\d+/.exec(await probity(['request', 'open', '--subject', 'customer', '--kind', kind], `${customer}\n`))![0];
const left = async (): Promise<Record<string, number>> =>
  Object.fromEntries(
    (
      await shop.query<{ who: string; n: number }>(
        `select coalesce(v.customer_id::text, 'nobody') as who, count(*)::int as n
         from visit v join visit_part p using (visit_id) group by 1 order by 1`,
      )
    ).map(({ who, n }) => [who, n]),
  );
const purged = () => withWorker(shop, async (client, taskQueue) => (await (await start(client, { ...input, taskQueue })).result()).runId);

test('a purge takes no row of somebody who waits for a copy, or is restricted; it does once that is over', async () => {
  const access = await opened('access', 1);
  const portability = await opened('portability', 2);
  const restriction = await opened('restriction', 3);
  // Whoever asks for an erasure wants the rows gone; and we restrict ourselves whom we erase, which nobody has asked for.
  await probity(['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'unlawful'], '4\n');
  await probity(['consent', 'record', '--subject', 'customer', '--decision', 'restricted', '--touchpoint', 'erasure'], '5\n');
  const plan = await probity(['retention', 'plan']);
  expect(plan).toContain('9 open request');

  const runId = await purged();
  expect(await left()).toEqual({ 1: 3, 2: 3, 3: 3 });
  const { certificate } = await certificateOf(shop, runId);
  expect(certificate).toMatchObject({ outcome: 'complete' });
  expect(certificate.tables.find(({ table }) => table === 'shop.public.visit')).toMatchObject({ kept: { request: 9 } });
  expect(JSON.stringify(certificate)).not.toContain('canary');

  // Refused, and taken back: nobody waits any more. The restriction is answered, and stays in force.
  await probity(['request', 'refuse', access, '--article', '12(5)-excessive']);
  await probity(['request', 'cancel', portability, '--reason', 'withdrawn_by_requester']);
  await shop.query(`update probity.request set state = 'suppressed' where request_id = $1`, [restriction]);
  await probity(['request', 'reply', restriction, '--sent']);
  await purged();
  expect(await left()).toEqual({ 3: 3 });

  await probity(['consent', 'record', '--subject', 'customer', '--decision', 'restriction_lifted'], '3\n');
  await purged();
  expect(await left()).toEqual({});
}, 120_000);

test('a request that comes in the middle of a purge protects what the next step would take', async () => {
  await shop.query(
    `insert into visit select i * 10 + j, i, now() - interval '3 years' from generate_series(6, 7) i, generate_series(1, 3) j`,
  );
  await shop.query(`insert into visit_part select visit_id, 1, at from visit`);
  const stop = gate('before transaction', 1);
  await withWorker(
    shop,
    async (client, taskQueue) => {
      const handle = await start(client, { ...input, taskQueue });
      await stop.reached;
      await opened('access', 6);
      stop.open();
      await handle.result();
    },
    stop,
  );
  expect(await left()).toEqual({ 6: 3 });
}, 120_000);
