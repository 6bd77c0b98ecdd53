import { Kysely, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { StoreDialect } from './dialect.ts';
import { isOutOfReach, StoreError, translating } from './errors.ts';

/** Long enough for a server across an ocean or one that is just waking; longer, and a wrong address looks like a hang. Milliseconds. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Enough for two lanes, their recheck and a query for progress; a server's 100 default slots serve its owner first. */
export const DEFAULT_POOL_SIZE = 6;
/** Idle connections go back soon, but survive the pause between two batches. Milliseconds. */
const IDLE_TIMEOUT_MS = 30_000;
const APPLICATION_NAME = 'probity';

export interface StoreOptions {
  /** The manifest's name of the store. */
  readonly name: string;
  /** A resolved `postgres://` URL; it may hold a password and is never shown. */
  readonly url: string;
  readonly applicationName?: string;
  /** Most connections at the same time. A caller that waits longer than `CONNECT_TIMEOUT_MS` for a free one fails. */
  readonly max?: number;
}

/** One database that the manifest names, with a pool of connections. No session state anywhere: it works behind pgbouncer. */
export interface Store {
  readonly name: string;
  /**
   * Types it returns: int8 as number (it throws beyond ±2^53: read keys as `::text`), numeric, date and timestamp without zone as text,
   * timestamptz as Date (milliseconds; ±Infinity for infinite ones).
   */
  readonly db: Kysely<unknown>;
  readonly pool: pg.Pool;
  /** Waits for checked-out connections. May be called more than once. */
  close(): Promise<void>;
}

/** Makes the pool; connects to nothing yet. Throws a `StoreError` when the URL is not one. */
export function openStore(options: StoreOptions): Store {
  const { name, url, applicationName = APPLICATION_NAME, max = DEFAULT_POOL_SIZE } = options;
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) {
    // The parser's own error would carry the URL, and with it the password.
    throw new StoreError({
      store: name,
      code: '08001',
      kind: 'connection',
      retryable: false,
      sentence: 'its url is not a postgres:// URL',
    });
  }
  const pool = new pg.Pool({
    connectionString: url,
    application_name: applicationName,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser },
  });
  // Without listeners a terminated backend would end our process. The query that used the connection fails on its own.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db = new Kysely<unknown>({ dialect: new StoreDialect({ pool }) });
  let closing: Promise<void> | null = null;
  return { name, db, pool, close: () => (closing ??= pool.end()) };
}

/**
 * Asks for one round trip. Throws a `StoreError` whose kind is `connection` when the store is out of reach.
 * Asks twice, since a pooled connection that has just died says nothing about the server.
 */
export async function ping(store: Store): Promise<void> {
  const ask = () => translating(store, () => sql`select 1`.execute(store.db));
  await ask().catch((error: unknown) => (isOutOfReach(error) ? ask() : Promise.reject(error as Error)));
}

export interface TransactionOptions {
  readonly readOnly?: boolean;
  readonly isolation?: 'read committed' | 'repeatable read';
  /** Milliseconds; 0 is no limit. */
  readonly lockTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
  /** Further settings for this transaction only. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Runs `fn` in one transaction in which row-level security raises an error instead of silently hiding rows from us.
 * Settings are local to the transaction, since behind pgbouncer a session is shared with strangers. Errors leave as `StoreError`.
 */
export async function inTransaction<T>(
  store: Store,
  options: TransactionOptions,
  fn: (trx: Transaction<unknown>) => Promise<T>,
): Promise<T> {
  const settings: Record<string, string> = {
    row_security: 'off',
    ...options.settings,
  };
  if (options.lockTimeoutMs !== undefined) settings['lock_timeout'] = String(options.lockTimeoutMs);
  if (options.statementTimeoutMs !== undefined) settings['statement_timeout'] = String(options.statementTimeoutMs);
  const begin = store.db
    .transaction()
    .setIsolationLevel(options.isolation ?? 'read committed')
    .setAccessMode(options.readOnly === true ? 'read only' : 'read write');
  return translating(store, () =>
    begin.execute(async (trx) => {
      const calls = Object.entries(settings).map(([key, value]) => sql`pg_catalog.set_config(${key}, ${value}, true)`);
      await sql`select ${sql.join(calls)}`.execute(trx);
      return fn(trx);
    }),
  );
}

const INT8: number = pg.types.builtins.INT8;
/** `pg` would read these two in the zone of our process. */
const LOCAL_TIMES: ReadonlySet<number> = new Set([pg.types.builtins.DATE, pg.types.builtins.TIMESTAMP]);

const getTypeParser = ((oid: number, format?: 'text' | 'binary'): unknown => {
  if (format !== 'binary' && oid === INT8) return safeInteger;
  if (format !== 'binary' && LOCAL_TIMES.has(oid)) return (text: string) => text;
  return pg.types.getTypeParser(oid, format);
}) as typeof pg.types.getTypeParser;

function safeInteger(text: string): number {
  const value = Number(text);
  // No value in the message: it may be somebody's key.
  if (!Number.isSafeInteger(value)) throw new RangeError('an int8 value is beyond 2^53: select it as text');
  return value;
}
