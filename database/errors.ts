import { classify, SENTENCES, type ErrorKind } from './sqlstates.ts';

export type { ErrorKind } from './sqlstates.ts';

/** What was going on: names of objects only. */
export interface Where {
  readonly store: string;
  /** The table that we worked on, as `store.schema.table` or `schema.table`. */
  readonly table?: string | undefined;
}

export interface StoreErrorFields extends Where {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly retryable: boolean;
  /** The relation that Postgres named, such as the child table of a violated foreign key; `schema.table`. */
  readonly relation?: string | undefined;
  readonly constraint?: string | undefined;
  /** Our own sentence, when it should say more than the one of its kind. It must not quote a value. */
  readonly sentence?: string | undefined;
}

/**
 * The only error that leaves `database/` for something a database said. It carries an SQLSTATE, names of objects and a sentence
 * of ours; never Postgres's message, detail, hint, context or query, all of which quote values of rows, and never a `cause`.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: string;
  readonly kind: ErrorKind;
  readonly retryable: boolean;
  readonly store: string;
  readonly table: string | undefined;
  readonly relation: string | undefined;
  readonly constraint: string | undefined;

  constructor(fields: StoreErrorFields) {
    super(message(fields));
    this.code = fields.code;
    this.kind = fields.kind;
    this.retryable = fields.retryable;
    this.store = fields.store;
    this.table = fields.table;
    this.relation = fields.relation;
    this.constraint = fields.constraint;
  }
}

/** Runs `fn`; what a database raises leaves as a `StoreError`, everything else (a bug, a cancellation) as it was. */
export async function translating<T>(store: string | { readonly name: string }, fn: () => Promise<T>, table?: string): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    throw describe(error, {
      store: typeof store === 'string' ? store : store.name,
      table,
    });
  }
}

/** Turns what `pg` or the network threw into a `StoreError`. An error that is neither comes back unchanged: it is ours to fix. */
export function describe(error: unknown, where: Where): unknown {
  if (error instanceof StoreError) return error;
  if (!(error instanceof Error)) return error;
  const reported = error as Partial<Record<'code' | 'schema' | 'table' | 'constraint' | 'severity', unknown>>;
  const code = typeof reported.code === 'string' ? reported.code : null;
  // A DatabaseError has a severity; a five-letter code alone could be a system error such as EPERM.
  if (code !== null && /^[0-9A-Z]{5}$/.test(code) && typeof reported.severity === 'string') {
    return new StoreError({
      ...where,
      code,
      ...classify(code),
      relation: relationName(reported.schema, reported.table),
      constraint: typeof reported.constraint === 'string' ? reported.constraint : undefined,
    });
  }
  const lost = connectionFailure(code, error);
  return lost === null ? error : new StoreError({ ...where, ...lost, kind: 'connection' });
}

/** True when nobody answered: the command ends with exit code 4. */
export function isOutOfReach(error: unknown): boolean {
  return error instanceof StoreError && error.kind === 'connection';
}

/** Somebody held what was wanted for longer than it was waited for. */
export function isBusy(error: unknown): boolean {
  return error instanceof StoreError && error.kind === 'busy';
}

function message(fields: StoreErrorFields): string {
  const sentence = fields.sentence ?? SENTENCES[fields.kind];
  const named = [
    fields.relation !== undefined && !fields.table?.endsWith(fields.relation) ? `relation ${fields.relation}` : null,
    fields.constraint !== undefined ? `constraint ${fields.constraint}` : null,
    `SQLSTATE ${fields.code}`,
  ];
  return `${fields.table ?? `store ${fields.store}`}: ${sentence} (${named.filter((part) => part !== null).join(', ')})`;
}

function relationName(schema: unknown, table: unknown): string | undefined {
  if (typeof table !== 'string') return undefined;
  return typeof schema === 'string' ? `${schema}.${table}` : table;
}

/** SQLSTATEs of our own choosing where the server had no chance to send one. */
const UNABLE_TO_CONNECT = '08001';
const CONNECTION_FAILURE = '08006';

const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT', 'EACCES']);
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);
/** TLS and protocol failures that another attempt will not mend. */
const MISCONFIGURED = /^(ERR_INVALID_URL|ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;
/** `pg` says these without a code. */
const PG_BROKEN =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout|Cannot use a pool after)/;
const PG_MISCONFIGURED = /^(The server does not support SSL|SASL|There was an error establishing an SSL|Invalid URL)/;

function connectionFailure(code: string | null, error: Error): { code: string; retryable: boolean; sentence?: string } | null {
  const systemCall = (error as { syscall?: unknown }).syscall;
  if (code !== null && BROKEN.has(code)) return { code: CONNECTION_FAILURE, retryable: true };
  if (code !== null && UNREACHABLE.has(code) && (error instanceof AggregateError || typeof systemCall === 'string')) {
    // ENOENT and EACCES also come from the file system, which is not a connection.
    if ((code === 'ENOENT' || code === 'EACCES') && systemCall !== 'connect') return null;
    return { code: UNABLE_TO_CONNECT, retryable: true };
  }
  const misconfigured = (code !== null && MISCONFIGURED.test(code)) || PG_MISCONFIGURED.test(error.message);
  if (misconfigured)
    return {
      code: UNABLE_TO_CONNECT,
      retryable: false,
      sentence: 'the address, TLS or login settings do not lead to a server',
    };
  if (PG_BROKEN.test(error.message)) return { code: CONNECTION_FAILURE, retryable: true };
  return null;
}
