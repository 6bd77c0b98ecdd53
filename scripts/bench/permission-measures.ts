import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { consentRecorder } from '../../client/consent/recorder.ts';
import { recordConsents } from '../../client/consent/record.ts';
import { DEFAULT_POOL_SIZE } from '../../database/store.ts';
import { startProbityLoops } from '../../worker/loops.ts';
import { PURPOSE, type PermissionWorld } from './permission-world.ts';
import { largest, percentile } from './statistics.ts';

/** Durations in milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** A second; NaN where calls came at fixed times. */
  readonly rate: number;
}

/** Callers at a time, each with one call on its way: a web back end in one process. */
export const CALLERS = 200;
/** Plans, caches and the pages of new tables settle meanwhile; not counted. */
const WARM_UP = 2_000;
const BATCH = 1_000;
const SINGLES = 5_000;
const BATCHES = 200;
/** Withdrawals a second beside which the replica's lag is measured. */
export const LAG_RATE = 100;
/** Between two looks into the replica: the resolution of the lag. Milliseconds. */
const LOOK_EVERY_MS = 10;

export type Way = 'recorder' | 'single' | 'by hand';

/** Customers `first` … `first + count - 1` withdraw, by 200 callers at once. */
export async function withdrawals(world: PermissionWorld, way: Way, first: number, count: number): Promise<Latency> {
  const { call, close } = caller(world, way);
  try {
    await closedLoop(call, first, Math.min(WARM_UP, count));
    return await closedLoop(call, first + WARM_UP, count);
  } finally {
    await close();
  }
}

export const peopleFor = (count: number): number => count + WARM_UP;

function caller(
  { project, url }: PermissionWorld,
  way: Way,
): { readonly call: (customer: number) => Promise<unknown>; readonly close: () => Promise<void> } {
  const entry = (customer: number) =>
    ({ subject: 'customer', key: [customer], purpose: PURPOSE, decision: 'withdrawn', touchpoint: 'preference_centre' }) as const;
  if (way === 'recorder') {
    const recorder = consentRecorder(project, { actor: 'bench' });
    return { call: (customer) => recorder.record(entry(customer)), close: recorder.close };
  }
  if (way === 'single')
    return { call: (customer) => recordConsents(project, [entry(customer)], { actor: 'bench' }), close: () => Promise.resolve() };
  const pool = new pg.Pool({ connectionString: url, max: DEFAULT_POOL_SIZE });
  const text = `with said as (update by_hand.consent_flag set granted = false, changed_at = now() where customer_id = $1 and purpose = $2 returning customer_id, purpose)
    insert into by_hand.consent_log (customer_id, purpose, granted, touchpoint) select customer_id, purpose, false, 'preference_centre' from said`;
  return { call: (customer) => pool.query({ name: 'withdraw', text, values: [customer, PURPOSE] }), close: () => pool.end() };
}

async function closedLoop(call: (customer: number) => Promise<unknown>, first: number, count: number): Promise<Latency> {
  const took: number[] = [];
  let next = first;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let mine = next++; mine < first + count; mine = next++) {
        const from = performance.now();
        await call(mine);
        took.push(performance.now() - from);
      }
    }),
  );
  return summary(took, (count * 1000) / (performance.now() - began));
}

function summary(took: readonly number[], rate = Number.NaN): Latency {
  return { count: took.length, p50: percentile(took, 0.5), p99: percentile(took, 0.99), max: largest(took), rate };
}

const HAND_WRITTEN = `select exists (select from customer c join by_hand.consent_flag f on f.customer_id = c.customer_id
  where c.customer_id = $1 and f.purpose = $2 and f.granted) as allowed`;
const HAND_WRITTEN_MANY = `select c.customer_id, f.granted from customer c join by_hand.consent_flag f on f.customer_id = c.customer_id and f.purpose = $2
  where c.customer_id = any ($1)`;

export type Question = 'permission' | 'permissions of 1,000' | 'join' | 'join of 1,000';

/** Prepared statements of one session, one after the other, with the way to the server and back. */
export async function answers({ client }: PermissionWorld, question: Question, people: number): Promise<Latency> {
  const many = question.endsWith('1,000');
  const text = {
    permission: `select probity.permission('customer', $1, $2, 'email') as allowed`,
    'permissions of 1,000': `select key, allowed from probity.permissions('customer', $1, $2, 'email')`,
    join: HAND_WRITTEN,
    'join of 1,000': HAND_WRITTEN_MANY,
  }[question];
  const key = (n: number): string => String(1 + ((n * 7919) % people));
  const ask = async (n: number): Promise<number> => {
    const values = [many ? Array.from({ length: BATCH }, (_, index) => key(n * BATCH + index)) : key(n), PURPOSE];
    const began = performance.now();
    await client.query({ name: question, text, values });
    return performance.now() - began;
  };
  const runs = many ? BATCHES : SINGLES;
  for (let n = 0; n < runs / 10; n++) await ask(n);
  const took: number[] = [];
  for (let n = 0; n < runs; n++) took.push(await ask(n));
  return summary(took);
}

/** From the acknowledgement of a withdrawal until the other store's replica no longer allows it. */
export async function replicaLag(world: PermissionWorld, first: number, seconds: number): Promise<Latency> {
  const { project, env } = world;
  const other = new pg.Client({ connectionString: env['OTHER_URL'] });
  await other.connect();
  const loops = startProbityLoops({
    manifest: project.manifest,
    env,
    taskQueue: 'bench',
    client: () => Promise.reject(new Error('no Temporal runs')),
  });
  const recorder = consentRecorder(project, { actor: 'bench' });
  const waiting = new Map<string, number>();
  const took: number[] = [];
  try {
    while (!(await other.query<{ open: boolean }>('select probity.serving_open() as open')).rows[0]!.open) await sleep(LOOK_EVERY_MS);
    let sent = false;
    const watch = (async () => {
      while (!sent || waiting.size > 0) {
        const { rows } = await other.query<{ key: string }>(
          `select k.key from unnest($1::text[]) k (key) where not exists (select from probity.permission_span s where s.purpose = $2 and s.subject = 'customer'
             and s.key = k.key and s.allows and s.open)`,
          [[...waiting.keys()], PURPOSE],
        );
        for (const { key } of rows) {
          took.push(performance.now() - waiting.get(key)!);
          waiting.delete(key);
        }
        await sleep(LOOK_EVERY_MS);
      }
    })();
    const began = performance.now();
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < LAG_RATE * seconds; n++) {
      await sleep(Math.max(0, began + (n * 1000) / LAG_RATE - performance.now()));
      const customer = first + n;
      calls.push(
        recorder
          .record({ subject: 'customer', key: [customer], purpose: PURPOSE, decision: 'withdrawn' })
          .then(() => waiting.set(String(customer), performance.now())),
      );
    }
    await Promise.all(calls);
    sent = true;
    await watch;
    return summary(took);
  } finally {
    await recorder.close();
    await loops.stop();
    await other.end();
  }
}
