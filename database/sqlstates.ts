/**
 * The catalogue of what a database can answer: named sets of SQLSTATEs, whether trying again helps, and a sentence for the operator.
 * Source of the codes: appendix A of the PostgreSQL manual.
 */

export type ErrorKind =
  /** Somebody else holds what we need, or we were told to stop: back off and try again. */
  | 'busy'
  /** A row breaks a declared constraint. */
  | 'constraint'
  /** Code that belongs to the rows failed on one of them: a trigger, a function, a cast, a generated column. */
  | 'raised'
  /** The server is out of reach or went away. */
  | 'connection'
  /** Our role may not, or row-level security would hide rows from it. */
  | 'permission'
  /** Our lease was taken over: only we say so, never Postgres. */
  | 'fenced'
  /** The store forgot what a run had committed, or is another one: only we say so. */
  | 'restored'
  /** A trigger of the table made a change vanish: only we say so. */
  | 'swallowed'
  /** A table or column is not what the plan saw. */
  | 'schema'
  | 'other';

export const LOCK_NOT_AVAILABLE = '55P03';
export const DEADLOCK_DETECTED = '40P01';
export const SERIALIZATION_FAILURE = '40001';
export const QUERY_CANCELED = '57014';
export const INSUFFICIENT_PRIVILEGE = '42501';
export const UNDEFINED_TABLE = '42P01';
export const UNDEFINED_COLUMN = '42703';

/** Waiting may help: locks, deadlocks, timeouts, and objects in use. */
export const BUSY: ReadonlySet<string> = new Set([
  LOCK_NOT_AVAILABLE,
  DEADLOCK_DETECTED,
  SERIALIZATION_FAILURE,
  QUERY_CANCELED,
  '40003', // statement_completion_unknown
  '25P04', // transaction_timeout
  '55006', // object_in_use
]);

/** The server ends, restarts, or has failed over; trying again may meet a working one. */
export const SERVER_AWAY: ReadonlySet<string> = new Set([
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25006', // read_only_sql_transaction: the primary has become a standby
]);

/** Nothing to try again: the database is gone, or was never there. */
const NO_SUCH_DATABASE: ReadonlySet<string> = new Set(['57P04', '3D000']);

export const SCHEMA_CHANGED: ReadonlySet<string> = new Set([
  UNDEFINED_TABLE,
  UNDEFINED_COLUMN,
  '3F000', // invalid_schema_name
  '42704', // undefined_object
  '42809', // wrong_object_type
  '42804', // datatype_mismatch
  '42883', // undefined_function: an operator that a changed type does not have
]);

/** Classes that only code run for a row can raise, given that our own statements cast nothing from rows. */
const RAISED_CLASSES: ReadonlySet<string> = new Set([
  '09', // triggered action exception
  '21', // cardinality violation
  '22', // data exception
  '27', // triggered data change violation
  '2F', // SQL routine exception
  '38', // external routine exception
  '39', // external routine invocation exception
  'P0', // PL/pgSQL error
]);

/** Classes of the appendix that say nothing about a row. A class in none of these sets is somebody's own code in RAISE. */
const SERVER_CLASSES: ReadonlySet<string> = new Set(
  '00 01 02 03 08 0A 0B 0F 0L 0P 0Z 20 23 24 25 26 28 2B 2D 34 3B 3D 3F 40 42 44 53 54 55 57 58 72 F0 HV XX'.split(' '),
);

export function classify(code: string): {
  readonly kind: ErrorKind;
  readonly retryable: boolean;
} {
  const group = code.slice(0, 2);
  if (BUSY.has(code)) return { kind: 'busy', retryable: true };
  if (SERVER_AWAY.has(code) || group === '08') return { kind: 'connection', retryable: true };
  if (NO_SUCH_DATABASE.has(code)) return { kind: 'connection', retryable: false };
  if (code === INSUFFICIENT_PRIVILEGE || group === '28') return { kind: 'permission', retryable: false };
  if (SCHEMA_CHANGED.has(code)) return { kind: 'schema', retryable: false };
  if (group === '23' || group === '44') return { kind: 'constraint', retryable: false };
  // Memory, disk and connection slots are given back by others sooner or later.
  if (group === '53') return { kind: 'busy', retryable: true };
  if (RAISED_CLASSES.has(group) || !SERVER_CLASSES.has(group)) return { kind: 'raised', retryable: false };
  return { kind: 'other', retryable: false };
}

export const SENTENCES: Readonly<Record<ErrorKind, string>> = {
  busy: 'the database was busy: a lock, a conflicting transaction, a timeout or a limit was in the way',
  constraint: 'a row would break a constraint',
  raised: 'a trigger, function or conversion failed on a row',
  connection: 'the database is out of reach or closed the connection',
  permission: 'our role may not do this, or row-level security would hide rows from it',
  swallowed: 'a trigger of the table swallows changes',
  restored: 'the store is not what it was when the run began',
  fenced: 'another run has taken over the lease on this table',
  schema: 'the table is not what the plan saw; check the manifest and plan again',
  other: 'the database refused the statement',
};
