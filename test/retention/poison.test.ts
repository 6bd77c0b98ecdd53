import pg from 'pg';
import { expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { withWorker } from '../support/worker.ts';
import { certificateOf, createShop, gate, input, until, type Gate, type Shop } from './support.ts';

const rule = { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } };
/** `a` is purged before `b`; every row of both has expired. */
const TWO = { 'shop.public.a': rule, 'shop.public.b': rule };
const PURGE = { purge: { lanes: 1, duty: 1 } };

const tables = (rows: number): string => `
  create table a (id int primary key, at timestamptz default '2020-01-01', filler text default repeat('x', 500));
  create table b (id int primary key, at timestamptz default '2020-01-01');
  insert into a (id) select generate_series(1, ${rows});
  insert into b (id) select generate_series(1, ${rows});
  analyze`;

const raising = (table: string, when: string): string => `
  create function refuse() returns trigger language plpgsql as $$
    begin if ${when} then raise exception 'not this one: %', old.id; end if; return old; end $$;
  create trigger refuse after delete on ${table} for each row execute function refuse();`;

interface Ended {
  readonly outcome: string;
  readonly tables: readonly {
    readonly table: string;
    readonly erased: number;
    readonly failed: number;
    readonly planned: number;
    readonly kept: Readonly<Record<string, number>>;
  }[];
  /** Everything that Temporal keeps of the run. */
  readonly history: string;
  readonly left: { readonly a: readonly number[]; readonly b: readonly number[] };
  readonly failures: readonly { readonly reason: string; readonly n: number }[];
}

async function purge(shop: Shop, meanwhile: () => Promise<void> = () => Promise.resolve(), stop?: Gate): Promise<Ended> {
  return withWorker(
    shop,
    async (client, taskQueue) => {
      const handle = await start(client, { ...input, taskQueue });
      await stop?.reached;
      await meanwhile();
      stop?.open();
      const { outcome } = await handle.result();
      const { certificate } = await certificateOf(shop, handle.workflowId);
      const history = JSON.stringify(await client.workflow.getHandle(handle.workflowId).fetchHistory());
      const [left] = await shop.query<Ended['left']>(`
        select coalesce((select array_agg(id order by id) from a), '{}') as a, coalesce((select array_agg(id order by id) from b), '{}') as b`);
      const failures = await shop.query<{ reason: string; n: number }>(`
        select replace(key, 'failed:', '') as reason, count(*)::int as n from probity.step, jsonb_object_keys(body -> 'counts') as key
        where key like 'failed:%' group by 1 order by 1`);
      expect(certificate.outcome).toBe(outcome);
      return { outcome, tables: certificate.tables, history, left: left!, failures };
    },
    stop,
  );
}

test('rows on which a trigger raises are singled out; every other row goes, here and in the next table', async () => {
  const shop = await createShop(tables(3_000) + ';' + raising('a', 'old.id in (7, 1500, 1501, 3000)'), TWO, PURGE);
  try {
    const { outcome, tables: of, left, failures } = await purge(shop);
    expect(left).toEqual({ a: [7, 1500, 1501, 3000], b: [] });
    expect(outcome).toBe('incomplete');
    expect(of).toMatchObject([
      { table: 'shop.public.a', planned: 3000, erased: 2996, failed: 4, failedBecause: { P0001: 4 } },
      { table: 'shop.public.b', planned: 3000, erased: 3000, failed: 0 },
    ]);
    expect(failures.map(({ reason }) => reason)).toEqual(['P0001']);
  } finally {
    await shop.close();
  }
});

test('rows that a table unknown to the manifest references are kept, with its name', async () => {
  const ddl = `create table unknown (a_id int references a on delete cascade); insert into unknown values (5), (6), (6)`;
  const shop = await createShop(`${tables(100)}; ${ddl}`, TWO, PURGE);
  try {
    const { outcome, tables: of, left } = await purge(shop);
    expect(left).toEqual({ a: [5, 6], b: [] });
    expect(await shop.query('select a_id from unknown')).toHaveLength(3);
    expect(outcome).toBe('complete');
    expect(of[0]).toMatchObject({ erased: 98, kept: { 'child:public.unknown': 2 }, failed: 0 });
  } finally {
    await shop.close();
  }
});

test('a row that somebody holds locked is passed, and taken when it is free again', async () => {
  const shop = await createShop(tables(1_000), TWO, PURGE);
  const stop = gate('before transaction', 1);
  try {
    let release = Promise.resolve();
    const {
      outcome,
      tables: of,
      left,
      failures,
    } = await purge(
      shop,
      async () => {
        const other = new pg.Client({ connectionString: shop.database.url });
        await other.connect();
        await other.query('begin');
        await other.query('select from a where id = 500 for update');
        release = until(
          'the row is given up once',
          async () => (await shop.query(`select from probity.step where kind = 'failed'`)).length > 0,
        )
          .then(() => other.query('commit'))
          .then(() => other.end());
      },
      stop,
    );
    await release;
    expect(failures).toMatchObject([{ reason: '55P03' }]);
    expect(left).toEqual({ a: [], b: [] });
    expect(outcome).toBe('complete');
    expect(of[0]).toMatchObject({ erased: 1000, failed: 0 });
  } finally {
    await shop.close();
  }
});

test('a table whose trigger swallows deletions is an error: nothing of it changes, and the next table goes', async () => {
  const swallow = `
    create function swallow() returns trigger language plpgsql as $$ begin return case when old.id = 9 then null else old end; end $$;
    create trigger swallow before delete on a for each row execute function swallow();`;
  const shop = await createShop(`${tables(50)}; ${swallow}`, TWO, PURGE);
  try {
    const { outcome, tables: of, left, history } = await purge(shop);
    expect(left.a).toHaveLength(50);
    expect(left.b).toEqual([]);
    expect(outcome).toBe('incomplete');
    expect(of).toMatchObject([{ erased: 0, failed: 50 }, { erased: 50 }]);
    expect(decoded(history)).toContain('public.a: a trigger of the table swallows changes');
  } finally {
    await shop.close();
  }
});

test('a rewrite rule that swallows deletions is found too', async () => {
  const shop = await createShop(`${tables(50)}; create rule swallow as on delete to a do instead nothing`, TWO, PURGE);
  try {
    const { outcome, tables: of, left } = await purge(shop);
    expect(left.a).toHaveLength(50);
    expect(left.b).toEqual([]);
    expect(outcome).toBe('incomplete');
    expect(of).toMatchObject([{ erased: 0, failed: 50 }, { erased: 50 }]);
  } finally {
    await shop.close();
  }
});

test('a table that changed since the plan is refused by name; the others go', async () => {
  const shop = await createShop(tables(100), TWO, PURGE);
  const stop = gate('before transaction', 1);
  try {
    const {
      outcome,
      tables: of,
      left,
      history,
    } = await purge(shop, async () => void (await shop.query('alter table b add column added int')), stop);
    expect(left.a).toEqual([]);
    expect(left.b).toHaveLength(100);
    expect(outcome).toBe('incomplete');
    expect(of).toMatchObject([{ erased: 100 }, { erased: 0, failed: 100, failedBecause: { schema: 100 } }]);
    expect(decoded(history)).toContain('public.b: the table, or one that changes with it, is not what the plan saw');
  } finally {
    await shop.close();
  }
});

test('an empty table that changed since the plan still leaves the run incomplete', async () => {
  const shop = await createShop(`${tables(100)}; truncate b`, TWO, PURGE);
  const stop = gate('before transaction', 1);
  try {
    const { outcome } = await purge(shop, async () => void (await shop.query('drop table b; create table b (id int)')), stop);
    expect(outcome).toBe('incomplete');
  } finally {
    await shop.close();
  }
});

test('a table on which too many rows fail is left to a person; the next one goes', async () => {
  const shop = await createShop(tables(1_200) + ';' + raising('a', 'true'), TWO, PURGE);
  try {
    const { outcome, tables: of, left, failures, history } = await purge(shop);
    expect(left.a).toHaveLength(1_200);
    expect(left.b).toEqual([]);
    expect(outcome).toBe('incomplete');
    expect(failures).toEqual([{ reason: 'P0001', n: 1_000 }]);
    expect(of).toMatchObject([{ erased: 0, failed: 1_200, failedBecause: { P0001: 1_000, other: 200 } }, { erased: 1_200 }]);
    expect(decoded(history)).toContain('more than 1000 rows could not be changed');
  } finally {
    await shop.close();
  }
});

function decoded(history: string): string {
  return history.replaceAll(/\\+"/g, '"');
}
