import { once } from 'node:events';
import type { PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { StoreError, translating } from '../errors.ts';
import type { Store } from '../store.ts';
import { ENTRY_COLUMNS, ENTRY_FIELDS, entryOf, type RecordEntry } from './record.ts';

export interface Imported {
  /** Entries that were new. */
  readonly recorded: number;
  /** Entries that the ledger had already. */
  readonly known: number;
  /** Of requests that the entries made, or repeated. */
  readonly requests: number;
}

// `on commit drop`: nothing outlives the transaction, so that it works behind pgbouncer.
const STAGE = `create temporary table probity_stage (n integer, ${ENTRY_COLUMNS}) on commit drop`;
const COPY = `copy pg_temp.probity_stage (n, ${ENTRY_FIELDS.join(', ')}) from stdin`;
const RECORD = `select count(it.record_id) as recorded, count(*) - count(it.record_id) as known, count(distinct it.request_id) as requests
  from probity.record_consents((select array_agg(${entryOf('s')} order by s.n)
    from pg_temp.probity_stage s)) it`;

/** Two imports, or an import and a withdrawal, that met in another order: the entries have not changed, so they are tried again. */
const ATTEMPTS = 5;

/**
 * Records entries in one transaction, through COPY and `probity.record_consents`. Doing it again changes nothing, so what was lost in the
 * middle is simply repeated. Throws a `StoreError`.
 */
export async function importEntries(home: Store, entries: readonly RecordEntry[]): Promise<Imported> {
  if (entries.length === 0) return { recorded: 0, known: 0, requests: 0 };
  for (let attempt = 1; ; attempt++) {
    try {
      return await translating(home, () => inOneTransaction(home, entries));
    } catch (error) {
      const again = error instanceof StoreError && error.retryable && error.kind !== 'connection';
      if (!again || attempt === ATTEMPTS) throw error;
    }
  }
}

async function inOneTransaction(home: Store, entries: readonly RecordEntry[]): Promise<Imported> {
  const client = await home.pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    await client.query('set local synchronous_commit = on');
    await client.query(STAGE);
    await copy(client, entries);
    const { rows } = await client.query<Imported>(RECORD);
    await client.query('commit');
    return rows[0]!;
  } catch (error) {
    broken = error as Error;
    // A connection that cannot even do this is not used again.
    await client.query('rollback').then(
      () => (broken = undefined),
      () => undefined,
    );
    throw error;
  } finally {
    client.release(broken);
  }
}

async function copy(client: PoolClient, entries: readonly RecordEntry[]): Promise<void> {
  const stream = client.query(copyFrom(COPY));
  const ended = once(stream, 'finish');
  stream.end(entries.map((entry, n) => copyLine(entry, n)).join(''));
  await ended;
}

function copyLine(entry: RecordEntry, n: number): string {
  let line = String(n);
  for (const field of ENTRY_FIELDS) line += `\t${copyText(entry[field])}`;
  return `${line}\n`;
}

const SPECIAL = /[\\\t\n\r]/;
const ALL_SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function copyText(value: string | null): string {
  if (value === null) return '\\N';
  return SPECIAL.test(value) ? value.replace(ALL_SPECIAL, (special) => ESCAPES[special]!) : value;
}
