import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resume, start, workflowProgress } from '../../client/retention.ts';
import { withWorker } from '../support/worker.ts';
import { createShop, gate, input, until, type Shop } from './support.ts';

// Roles belong to the server, which other tests use too.
const STRANGER = `stranger_${randomBytes(4).toString('hex')}`;
const ROWS = 1_500;

/** As a database from before Postgres 15: everybody may create in `public`, in which the company's trigger looks for its own. */
const SCHEMA = `
  grant create on schema public to public;
  create table parcel (code varchar primary key, at timestamptz not null, filler text default repeat('x', 900)) with (fillfactor = 10);
  create table label (label_id int primary key, parcel varchar not null references parcel);
  create index on label (parcel);
  create table gone (code text);
  create function normal(code text) returns text language sql as $$ select upper(code) $$;
  create function note_gone() returns trigger language plpgsql as $$ begin insert into gone values (normal(old.code)); return null; end $$;
  create trigger note_gone after delete on parcel for each row execute function note_gone();
  insert into parcel (code, at) select 'p' || i, now() - interval '3 years' from generate_series(1, ${ROWS}) i;
  insert into label select i, 'p' || i from generate_series(1, ${ROWS}) i;
  create table loot (who text);
  grant insert, select on loot to public;
  analyze`;

/** What the stranger does with our role: here it only writes down whose it was. */
const OPERATOR = `
  set role ${STRANGER};
  create or replace function public.take(a varchar, b varchar) returns boolean language plpgsql as
    $$ begin insert into loot values (current_user); return a::text = b::text; end $$;
  create operator public.= (leftarg = varchar, rightarg = varchar, function = public.take);
  reset role`;
const AWAY = 'drop operator public.= (varchar, varchar)';

let shop: Shop;
beforeAll(async () => {
  const parcel = { purposes: ['use'], retention: { keep: 'P1Y', after: 'at', children: { 'shop.public.label': 'delete' as const } } };
  const tables = { 'shop.public.parcel': parcel, 'shop.public.label': { purposes: ['use'] } };
  // Small steps, so that some are left behind the first.
  shop = await createShop(SCHEMA, tables, { purge: { lanes: 1, duty: 1, batch: '20ms' } });
  await shop.query(`create role ${STRANGER}`);
});
afterAll(async () => {
  await shop.query(`drop owned by ${STRANGER}; drop role ${STRANGER}`);
  await shop.close();
});

const count = async (table: string): Promise<number> =>
  (await shop.query<{ n: number }>(`select count(*)::int as n from ${table}`))[0]?.n ?? -1;

test('a stranger’s operator that is there before a purge stops it, and never runs', async () => {
  await shop.query(OPERATOR);
  try {
    await withWorker(shop, async (client, taskQueue) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      const ended = client.workflow.getHandle(workflowId).result();
      const told = await ended.then(JSON.stringify, (error: Error) => inspect(error, { depth: 9 }));
      expect(told).toContain('public.=(character varying,character varying)');
      expect(told).toContain(STRANGER);
    });
  } finally {
    await shop.query(AWAY);
  }
  expect(await count('loot')).toBe(0);
  expect(await count('parcel')).toBe(ROWS);
});

test('one that comes during a purge parks it; with it gone the purge ends, and the company’s trigger found what it needs in public', async () => {
  const stop = gate('after commit', 1);
  await withWorker(
    shop,
    async (client, taskQueue) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      await stop.reached;
      await shop.query(OPERATOR).finally(stop.open);
      await until('the run is parked', async () => (await workflowProgress(client, workflowId))?.stage === 'parked');
      expect(await count('loot')).toBe(0);
      const left = await count('parcel');
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThan(ROWS);
      await shop.query(AWAY);
      await resume(client, workflowId);
      expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'complete' });
    },
    stop,
  );
  expect(await count('loot')).toBe(0);
  expect(await count('parcel')).toBe(0);
  expect(await shop.query(`select count(distinct code)::int as codes, bool_and(code like 'P%') as normal from gone`)).toEqual([
    { codes: ROWS, normal: true },
  ]);
});
