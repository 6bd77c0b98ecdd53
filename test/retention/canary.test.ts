import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { placeHold } from '../../database/holds.ts';
import { temporalFiles } from '../support/temporal.ts';
import { startWorker } from './processes.ts';
import { withClient } from '../support/worker.ts';
import { certificateOf, createShop, input, withStore } from './support.ts';

const RUN = randomBytes(6).toString('hex');
const CANARY = `canary-${RUN}@example.test`;

/** The value stands in keys, in what triggers raise, in a row that breaks a check, in a failed cast, and in a duplicate key. */
const DDL = `
  create table customer (email text primary key, at timestamptz default '2020-01-01');
  create table raised (id int primary key, email text, at timestamptz default '2020-01-01');
  create table checked (id int primary key, email text, name text check (length(name) > 3), at timestamptz default '2020-01-01');
  create table doubled (id int primary key, email text unique, at timestamptz default '2020-01-01');
  create table broken (id int primary key, email text, at timestamptz default '2020-01-01');
  create table cast_ (id int primary key, email text, at timestamptz default '2020-01-01');
  insert into customer (email) values ('${CANARY}'), ('other-${CANARY}');
  insert into raised (id, email) select i, '${CANARY}' from generate_series(1, 20) i;
  insert into checked (id, email, name) select i, '${CANARY}', '${CANARY}' from generate_series(1, 5) i;
  insert into doubled (id, email) select i, i || '${CANARY}' from generate_series(1, 5) i;
  insert into broken (id, email) values (1, '${CANARY}');
  insert into cast_ (id, email) select i, '${CANARY}' from generate_series(1, 5) i;
  create function raise_it() returns trigger language plpgsql as $$
    begin raise exception 'cannot delete %', old.email using detail = old.email, hint = old.email, errcode = 'P0001'; end $$;
  create trigger raise_it after delete on raised for each row when (old.id % 2 = 0) execute function raise_it();
  create function break_it() returns trigger language plpgsql as $$
    begin raise exception 'no table for %', old.email using detail = old.email, errcode = 'undefined_table'; end $$;
  create trigger break_it after delete on broken for each row execute function break_it();
  create function cast_it() returns trigger language plpgsql as $$ begin perform old.email::int; return old; end $$;
  create trigger cast_it after delete on cast_ for each row execute function cast_it();
  analyze`;

const rule = (then: unknown): never => ({ purposes: ['use'], retention: { keep: 'P1Y', after: 'at', then } }) as never;

test('an e-mail address in rows, keys, holds and raised errors stays where it was', async () => {
  const shop = await createShop(
    DDL,
    {
      'shop.public.customer': rule('delete'),
      'shop.public.raised': rule('delete'),
      'shop.public.cast_': rule('delete'),
      'shop.public.broken': rule('delete'),
      'shop.public.checked': rule({ mask: { name: { constant: 'x' } } }),
      'shop.public.doubled': rule({ mask: { email: { constant: 'same' } } }),
    },
    { subjects: { customer: { table: 'shop.public.customer', key: 'email' } }, purge: { lanes: 2, duty: 1 } },
  );
  const taskQueue = `canary-${RUN}`;
  try {
    await withStore(shop, (store) =>
      placeHold(store, {
        id: 'H-1',
        scope: { kind: 'subject', subject: 'customer', key: [CANARY] },
        reason: 'case',
        actor: 'tester',
        endsAt: null,
      }),
    );
    const worker = await startWorker(shop, { taskQueue });
    const runId = await withClient(async (client) => {
      const handle = await start(client, { ...input, taskQueue });
      expect(await handle.result()).toMatchObject({ outcome: 'incomplete' });
      return handle.workflowId;
    });
    await worker.stop();
    const file = await certificateOf(shop, runId);
    expect(file.certificate.tables).toMatchObject([
      // Not a row's failure but the table's: this message travels through Temporal.
      { table: 'shop.public.broken', failed: 1 },
      { table: 'shop.public.cast_', failed: 5 },
      { table: 'shop.public.checked', failed: 5 },
      { table: 'shop.public.customer', erased: 1, kept: { 'hold:H-1': 1 } },
      { table: 'shop.public.doubled', masked: 1, failed: 4 },
      { table: 'shop.public.raised', erased: 10, failed: 10 },
    ]);
    const temporal = temporalFiles().flatMap((path) => (existsSync(path) ? [readFileSync(path)] : []));
    // The search must be able to find something.
    expect(temporal.some((bytes) => bytes.includes(runId))).toBe(true);
    expect(temporal.some((bytes) => bytes.includes(CANARY))).toBe(false);
    expect(worker.output()).toContain('ready');
    expect(worker.output()).not.toContain(CANARY);
    expect(JSON.stringify(file)).not.toContain(CANARY);
    for (const own of await shop.query<{ name: string }>(
      `select relname as name from pg_class where relnamespace = 'probity'::regnamespace and relkind = 'r' order by 1`,
    )) {
      const rows = await shop.query<{ text: string }>(`select t::text as text from probity.${own.name} t`);
      const holds = rows.some(({ text }) => text.includes(CANARY));
      expect(holds, `probity.${own.name}`).toBe(own.name === 'hold');
    }
  } finally {
    await shop.close();
  }
});
