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
  /** Entries that say something else under an id that stands for a decision of the same person. */
  readonly reused: readonly ReusedId[];
}

export interface ReusedId {
  /** Place among the entries. */
  readonly n: number;
  /** In which fields it is another decision. */
  readonly differs: string;
  /** True: it refuses something, so it was recorded all the same, without the id. */
  readonly recorded: boolean;
}

// `on commit drop`: nothing outlives the transaction, so that it works behind pgbouncer.
const STAGE = `create temporary table probity_stage (n integer, ${ENTRY_COLUMNS}) on commit drop`;
const COPY = `copy pg_temp.probity_stage (n, ${ENTRY_FIELDS.join(', ')}) from stdin`;
const RECORD = `select count(it.record_id) as recorded, count(*) filter (where it.record_id is null and it.differs is null) as known,
    count(distinct it.request_id) as requests,
    coalesce(jsonb_agg(jsonb_build_object('n', it.n - 1, 'differs', it.differs, 'recorded', it.record_id is not null) order by it.n)
      filter (where it.differs is not null), '[]') as reused
  from probity.record_consents((select array_agg(${entryOf('s')} order by s.n)
    from pg_temp.probity_stage s), false) it`;

/** Two imports, or an import and a withdrawal, that met in another order: the entries have not changed, so they are tried again. */
const ATTEMPTS = 5;

/**
 * Records entries in one transaction, through COPY and `probity.record_consents`. Doing it again changes nothing, so what was lost in the
 * middle is simply repeated. Throws a `StoreError`.
 */
export async function importEntries(home: Store, entries: readonly RecordEntry[]): Promise<Imported> {
  if (entries.length === 0) return { recorded: 0, known: 0, requests: 0, reused: [] };
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
    // Whatever the database or the role begins with by default.
    await client.query('begin isolation level read committed read write');
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
