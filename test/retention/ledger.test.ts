import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { noFaults } from '../../database/faults.ts';
import { placeHold } from '../../database/holds.ts';
import { incarnation } from '../../database/incarnation.ts';
import { releaseLease, renewLease, takeLease, type Lease } from '../../database/lease.ts';
import { runRecords, takeStep, type Step, type StepRequest } from '../../database/ledger.ts';
import { openStore, type Store } from '../../database/store.ts';
import { chainHeads, firstFault } from '../../domain/evidence/chain.ts';
import { createShop, type Shop } from './support.ts';

let shop: Shop;
/** Two stores on one database: two workers that know nothing of each other. */
let store: Store;
let other: Store;
let life: string;
let runs = 0;

beforeAll(async () => {
  shop = await createShop('create table effect (run text, seq int)', {});
  store = openStore({ name: 'shop', url: shop.database.url, max: 12 });
  other = openStore({ name: 'shop', url: shop.database.url, max: 12 });
  life = await incarnation(store.db);
});

afterAll(async () => {
  await store.close();
  await other.close();
  await shop.close();
});

const newRun = (): string => `run-${++runs}`;

async function leased(table = `public.t${runs}`, runId = newRun()): Promise<Lease> {
  const lease = await takeLease(store, table, runId);
  if (lease === null) throw new Error('the lease is taken');
  return lease;
}

const request = (lease: Lease, seq: number, lane = 0): StepRequest => ({
  runId: lease.runId,
  lane,
  seq,
  kind: 'test',
  pass: 0,
  cutOff: null,
  lease,
  incarnation: life,
  lockTimeoutMs: 5_000,
  statementTimeoutMs: 5_000,
});

/** Leaves one row in `effect`, after `ms`, and says so. */
const effect =
  (lease: Lease, seq: number, ms = 0): Parameters<typeof takeStep>[2] =>
  async (trx) => {
    await sql`insert into effect (run, seq) values (${lease.runId}, ${seq})`.execute(trx);
    if (ms > 0) await sleep(ms);
    return { range: null, counts: { erased: seq }, cursor: { seq } };
  };

const step = (on: Store, lease: Lease, seq: number, ms = 0): Promise<Step> =>
  takeStep(on, request(lease, seq), effect(lease, seq, ms), noFaults);

async function effects(lease: Lease): Promise<number> {
  const [row] = await shop.query<{ n: number }>('select count(*)::int as n from effect where run = $1', [lease.runId]);
  return row?.n ?? -1;
}

test('a step that many take at once has one effect and one record', async () => {
  const lease = await leased();
  const steps = await Promise.all(Array.from({ length: 16 }, (_, index) => step(index % 2 === 0 ? store : other, lease, 1, 20)));
  expect(await effects(lease)).toBe(1);
  expect(steps.filter((one) => !one.repeated)).toHaveLength(1);
  expect(new Set(steps.map((one) => one.head)).size).toBe(1);
  for (const one of steps) expect(one).toMatchObject({ body: { seq: 1, counts: { erased: 1 } }, cursor: { seq: 1 } });
});

test('workers that race through a whole lane leave each effect once and an unbroken chain', async () => {
  const lease = await leased();
  const walk = async (on: Store): Promise<void> => {
    for (let seq = 1; seq <= 20; seq++) await step(on, lease, seq);
  };
  await Promise.all([walk(store), walk(other), walk(store)]);
  const rows = await shop.query<{ seq: number }>('select seq from effect where run = $1 order by seq', [lease.runId]);
  expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  const records = await runRecords(store.db, lease.runId);
  expect(chainHeads(records)).toMatchObject([{ store: 'shop', lane: 0, length: 20 }]);
  expect(firstFault(records, chainHeads(records))).toBeNull();
});

test('lanes have chains of their own', async () => {
  const lease = await leased();
  await Promise.all([0, 1, 2].map((lane) => takeStep(store, request(lease, 1, lane), effect(lease, 1), noFaults)));
  expect(chainHeads(await runRecords(store.db, lease.runId)).map((head) => [head.lane, head.length])).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ]);
});

test('a step without its predecessor is refused and leaves nothing', async () => {
  const lease = await leased();
  await step(store, lease, 1);
  await expect(step(store, lease, 3)).rejects.toMatchObject({ kind: 'restored' });
  expect(await effects(lease)).toBe(1);
  await step(store, lease, 2);
  await step(store, lease, 3);
  expect(await effects(lease)).toBe(3);
});

test('a repeated step returns what was recorded and does nothing', async () => {
  const lease = await leased();
  const first = await step(store, lease, 1);
  const again = await takeStep(store, request(lease, 1), () => Promise.reject(new Error('must not be called')), noFaults);
  expect(again).toMatchObject({ body: first.body, head: first.head, cursor: first.cursor, repeated: true });
  expect(await effects(lease)).toBe(1);
});

test('a step whose action fails leaves neither record nor effect, and can be taken again', async () => {
  const lease = await leased();
  const failing = takeStep(
    store,
    request(lease, 1),
    async (trx, holds) => {
      await effect(lease, 1)(trx, holds);
      throw new Error('after the effect');
    },
    noFaults,
  );
  await expect(failing).rejects.toThrow('after the effect');
  expect(await effects(lease)).toBe(0);
  expect(await runRecords(store.db, lease.runId)).toEqual([]);
  expect(await step(store, lease, 1)).toMatchObject({ repeated: false });
});

test('a lease excludes other runs until it expires; then the old fence is refused', async () => {
  const table = 'public.fenced';
  const old = await leased(table);
  await step(store, old, 1);
  expect(await takeLease(other, table, 'somebody-else')).toBeNull();
  await renewLease(store, old, -1);
  const next = await takeLease(other, table, 'somebody-else');
  expect(next?.fence).toBe(old.fence + 1);
  await expect(step(store, old, 2)).rejects.toMatchObject({ kind: 'fenced' });
  await expect(renewLease(store, old)).rejects.toMatchObject({ kind: 'fenced' });
  expect(await effects(old)).toBe(1);
  await releaseLease(store, old);
  expect(await takeLease(store, table, old.runId)).toBeNull();
});

test('who gives a lease back cannot take another step with it: a worker that was thought dead finds it gone', async () => {
  const lease = await leased('public.given-back');
  await step(store, lease, 1);
  await releaseLease(store, lease);
  await expect(step(store, lease, 2)).rejects.toMatchObject({ kind: 'fenced' });
  const again = await takeLease(store, lease.table, lease.runId);
  expect(again?.fence).toBeGreaterThan(lease.fence);
});

/** Takes a lane's first step, which stays in the middle of its batch, its change made, until `end` is called. */
async function batchInFlight(lease: Lease): Promise<{ readonly batch: Promise<Step>; readonly end: () => void }> {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const act: Parameters<typeof takeStep>[2] = async (trx, holds) => {
    const done = await effect(lease, 1)(trx, holds);
    begun.resolve();
    await ended.promise;
    return done;
  };
  const batch = takeStep(store, request(lease, 1), act, noFaults);
  await Promise.race([begun.promise, batch]);
  return { batch, end: ended.resolve };
}

/** Long enough for what does not wait to have ended. */
const WAITING_MS = 500;

test('taking over waits for the batch that still works; asking while the lease is good does not', async () => {
  const lease = await leased('public.slow');
  const { batch, end } = await batchInFlight(lease);
  expect(await takeLease(other, lease.table, 'impatient')).toBeNull();
  await renewLease(other, lease, -1);
  let taken = false;
  const taking = takeLease(other, lease.table, 'patient').finally(() => (taken = true));
  await sleep(WAITING_MS);
  expect(taken).toBe(false);
  end();
  expect(await taking).not.toBeNull();
  expect(await effects(lease)).toBe(1);
  expect((await batch).repeated).toBe(false);
});

test('renewing a lease does not wait for a batch, nor a batch for the renewal', async () => {
  const lease = await leased('public.busy');
  const { batch, end } = await batchInFlight(lease);
  // If it waited, it would wait for us.
  await renewLease(other, lease);
  end();
  expect((await batch).repeated).toBe(false);
});

test('placing a hold waits for a running step, and every later step sees it', async () => {
  const lease = await leased('public.held');
  const { batch, end } = await batchInFlight(lease);
  const hold = {
    id: `H-${runs}`,
    scope: { kind: 'table', table: 'public.held', conditions: [] },
    reason: 'case',
    actor: 'tester',
    endsAt: null,
  } as const;
  let placed = false;
  const placing = placeHold(other, hold).finally(() => (placed = true));
  await sleep(WAITING_MS);
  expect(placed).toBe(false);
  end();
  await placing;
  expect(await effects(lease)).toBe(1);
  await batch;
  let seen: readonly string[] = [];
  await takeStep(
    store,
    request(lease, 2),
    (_, holds) => {
      seen = holds.tables.map(({ id }) => id);
      return Promise.resolve({ range: null, counts: {}, cursor: null });
    },
    noFaults,
  );
  expect(seen).toContain(hold.id);
});

test('a step that begins while a hold is being placed waits for it and sees it', async () => {
  const lease = await leased('public.racing');
  const client = await store.pool.connect();
  await client.query('begin');
  await client.query(`select pg_advisory_xact_lock(hashtextextended('probity.holds', 0))`);
  await client.query(
    `insert into probity.hold (hold_id, table_name, conditions, reason, actor) values ('H-race', 'public.racing', '[]', 'case', 'tester')`,
  );
  let acted = false;
  const batch = takeStep(
    other,
    request(lease, 1),
    (_, holds) => {
      acted = true;
      return Promise.resolve({ range: null, counts: { seen: holds.tables.filter(({ id }) => id === 'H-race').length }, cursor: null });
    },
    noFaults,
  );
  await sleep(300);
  expect(acted).toBe(false);
  await client.query('commit');
  client.release();
  expect((await batch).body.counts).toEqual({ seen: 1 });
});

test('a store that is not the one that the run began with is refused, whatever step is asked for', async () => {
  const lease = await leased();
  await step(store, lease, 1);
  await shop.query('update probity.store set epoch = gen_random_uuid()');
  await expect(step(store, lease, 1)).rejects.toMatchObject({ kind: 'restored' });
  await expect(step(store, lease, 2)).rejects.toMatchObject({ kind: 'restored' });
  expect(await effects(lease)).toBe(1);
  life = await incarnation(store.db);
});

test('a commit is durable even where the database says otherwise', async () => {
  const lease = await leased();
  await shop.query(`alter database "${shop.database.name}" set synchronous_commit = off`);
  const fresh = openStore({ name: 'shop', url: shop.database.url });
  let setting = '';
  await takeStep(
    fresh,
    request(lease, 1),
    async (trx) => {
      setting = (await sql<{ value: string }>`select current_setting('synchronous_commit') as value`.execute(trx)).rows[0]?.value ?? '';
      return { range: null, counts: {}, cursor: null };
    },
    noFaults,
  );
  await fresh.close();
  expect(setting).toBe('on');
});
