import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { CUT_OFF, TABLE } from './dataset.ts';
import { FOREIGN, type FromForeign, type Operation, type ToForeign } from './foreign-messages.ts';
import { clock } from './worker-messages.ts';

/**
 * The application that owns the table. Operations start at fixed times whatever became of the ones before (an open loop), and latency counts
 * from the time at which an operation was meant to start: a server that stalls is not excused the requests that it kept waiting.
 */
// Reads and updates by key take turns.
const SAMPLED_KEYS = 100_000;
// Of the updates, those that touch any row at all: an application does so rarely with rows that are about to expire, but it does.
const ANY_ROW_SHARE = 0.05;
// More than are ever busy at this rate, unless everything waits.
const CONNECTIONS = 32;
const NOTE = 'n'.repeat(64);

const operations: Operation[] = [];
let running = true;
let errors = 0;

/** Resolves when the message has left: thousands of operations take their time. */
const say = (message: FromForeign): Promise<void> => new Promise((resolve) => process.send?.(message, () => resolve()));

async function sampleKeys(pool: pg.Pool, rows: number): Promise<readonly string[]> {
  const percent = Math.min(100, (SAMPLED_KEYS / rows) * 100);
  const { rows: found } = await pool.query<{ key: string }>(
    `select visit_id::text as key from ${TABLE} tablesample bernoulli (${percent}) repeatable (1) where at >= '${CUT_OFF}' order by visit_id`,
  );
  return found.map((row) => row.key);
}

async function load(url: string, rate: number, rows: number): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, application_name: FOREIGN, max: CONNECTIONS, min: CONNECTIONS });
  pool.on('error', () => undefined);
  const live = await sampleKeys(pool, rows);
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.connect()));
  for (const client of clients) client.release();
  const anyLive = (): string => live[Math.floor(Math.random() * live.length)] ?? '1';
  const anyRow = (): string => String(1 + Math.floor(Math.random() * rows));
  const operate = async (intended: number, isRead: boolean): Promise<void> => {
    try {
      if (isRead)
        await pool.query({ name: 'read', text: `select at, customer_id, note from ${TABLE} where visit_id = $1`, values: [anyLive()] });
      else {
        const key = Math.random() < ANY_ROW_SHARE ? anyRow() : anyLive();
        await pool.query({ name: 'update', text: `update ${TABLE} set note = $2 where visit_id = $1`, values: [key, NOTE] });
      }
      operations.push({ intended, ms: clock() - intended });
    } catch {
      errors += 1;
    }
  };

  await say({ kind: 'started' });
  const pending = new Set<Promise<void>>();
  const first = clock();
  for (let index = 0; running; index++) {
    const intended = first + (index * 1000) / rate;
    while (clock() < intended) await sleep(Math.max(1, Math.floor(intended - clock())));
    const operation = operate(intended, index % 2 === 0).finally(() => pending.delete(operation));
    pending.add(operation);
  }
  await Promise.all(pending);
  await pool.end();
  await say({ kind: 'operations', operations, errors });
}

process.on('disconnect', () => process.exit(running ? 1 : 0));
process.on('SIGINT', () => undefined);
process.on('message', (message: ToForeign) => {
  if (message.kind === 'stop') running = false;
  else {
    load(message.url, message.rate, message.rows).then(
      () => process.disconnect(),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  }
});
