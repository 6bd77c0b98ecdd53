import { CompiledQuery, Kysely, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { addressOf, describeConnecting, type Address } from './connecting.ts';
import { StoreDialect } from './dialect.ts';
import { describe, isOutOfReach, StoreError, translating } from './errors.ts';
import { refuseIntruders, type Asked } from './path.ts';

/** Long enough for a server across an ocean or one that is just waking; longer, and a wrong address looks like a hang. Milliseconds. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Enough for two lanes, their recheck and a query for progress; a server's 100 default slots serve its owner first. */
export const DEFAULT_POOL_SIZE = 6;
/** Idle connections go back soon, but survive the pause between two batches. Milliseconds. */
const IDLE_TIMEOUT_MS = 30_000;
const APPLICATION_NAME = 'probity';
/** Statements outside of transactions of ours rely on a look at the path that is this old at most. Milliseconds. */
const PATH_TRUSTED_MS = 1_000;

export interface StoreOptions {
  /** The manifest's name of the store. */
  readonly name: string;
  /** A resolved `postgres://` URL; it may hold a password and is never shown. */
  readonly url: string;
  readonly applicationName?: string;
  /** Most connections at the same time. A caller that waits longer than `CONNECT_TIMEOUT_MS` for a free one fails. */
  readonly max?: number;
  /** Tables that the manifest declares, as `schema.table`: whoever owns one can run code as our role anyway, and is trusted. */
  readonly declared?: readonly string[];
  /** False: for those alone who look whether the path is safe, and read with a path of their own. */
  readonly guarded?: boolean;
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
  /** Grows with the manifests that this process works with. */
  readonly declared: Set<string>;
  readonly guarded: boolean;
  /** Waits for checked-out connections. May be called more than once. */
  close(): Promise<void>;
}

/** Makes the pool; connects to nothing yet. Throws a `StoreError` when the URL is not one. */
export function openStore(options: StoreOptions): Store {
  const { name, url, applicationName = APPLICATION_NAME, max = DEFAULT_POOL_SIZE, guarded = true } = options;
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
  const declared = new Set(options.declared);
  const connect = connecting(pool, { name, declared }, addressOf(url), guarded);
  const db = new Kysely<unknown>({ dialect: new StoreDialect({ pool: { connect, end: () => pool.end(), options: pool.options } }) });
  let closing: Promise<void> | null = null;
  return { name, db, pool, declared, guarded, close: () => (closing ??= pool.end()) };
}

/** Connections over which no stranger's operator is run, as far as we looked a moment ago. Who fails to get one is told why. */
function connecting(pool: pg.Pool, store: Asked, address: Address, guarded: boolean): () => Promise<pg.PoolClient> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const client = await pool.connect().catch((error: unknown) => {
      throw describeConnecting(error, store.name, address);
    });
    if (!guarded || performance.now() - lookedAt < PATH_TRUSTED_MS) return client;
    try {
      await refuseIntruders(store, (text, values) => client.query(text, [...values]));
    } catch (error) {
      client.release(isOutOfReach(describe(error, { store: store.name })));
      throw error;
    }
    lookedAt = performance.now();
    return client;
  };
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
 * Runs `fn` in one transaction in which row-level security raises an error instead of silently hiding rows from us, and in whose path no
 * stranger's object stands: triggers of the company may rely on the path, so it stays theirs.
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
      // Behind pgbouncer the session, and its path, may be another's than the one that was looked at. Where the path is given there is none to fear.
      if (store.guarded && settings['search_path'] === undefined)
        await refuseIntruders(store, (text, values) => trx.executeQuery(CompiledQuery.raw(text, [...values])));
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
