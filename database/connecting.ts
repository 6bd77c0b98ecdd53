import { describe, StoreError } from './errors.ts';

/** Where a store is, as far as it may be shown: never with the password. */
export interface Address {
  /** `host:port`, or the folder of a socket. */
  readonly at: string;
  readonly user: string;
  readonly database: string;
}

/** What `pg` will make of a URL. */
export function addressOf(url: string): Address {
  const { hostname, port, username, pathname, searchParams } = new URL(url);
  const host = hostname === '' ? (searchParams.get('host') ?? 'localhost') : hostname;
  const user = username === '' ? (process.env['PGUSER'] ?? process.env['USER'] ?? 'of the system') : decodeURIComponent(username);
  return {
    at: host.startsWith('/') ? host : `${host}:${port === '' ? '5432' : port}`,
    user,
    database: pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : user,
  };
}

/** Says why no connection came about, and what to do. What is not about connecting comes back as `describe` has it. */
export function describeConnecting(error: unknown, store: string, address: Address): unknown {
  const told = describe(error, { store });
  if (!(told instanceof StoreError) || !(error instanceof Error)) return told;
  const sentence = reason(told.code, error, address);
  return sentence === null ? told : new StoreError({ store, code: told.code, kind: told.kind, retryable: told.retryable, sentence });
}

/** Postgres's functions that end a log-in, for one SQLSTATE has several reasons; their names do not depend on a language. */
const ROLE = 'InitializeSessionUserId';
const DATABASE = 'CheckMyDatabase';

function reason(code: string, error: Error, { at, user, database }: Address): string | null {
  const { routine } = error as { routine?: unknown };
  switch (code) {
    case '28P01':
      return `the server at ${at} refuses the password of role ${user}, or does not know the role`;
    case '28000':
      return routine === ROLE
        ? `the server at ${at} does not let role ${user} log in: it does not exist, or has no LOGIN`
        : `the server at ${at} lets role ${user} not into database ${database} from here, or not without TLS: see its pg_hba.conf, and sslmode in the url`;
    case '3D000':
      return `the server at ${at} has no database ${database}`;
    case '42501':
      return routine === DATABASE ? `role ${user} may not connect to database ${database}: grant connect on database` : null;
    case '55000':
      return routine === DATABASE ? `database ${database} accepts no connections` : null;
    case '53300':
      return `the server at ${at} has no connection left for role ${user}: too many are open to it, to the database, or of the role`;
    case '57P03':
      return `the server at ${at} is starting, stopping or recovering`;
    default:
      return unanswered(error, at, user);
  }
}

/** Every address of a host was tried; each has its own error. */
function codesOf(error: Error): string[] {
  const all: unknown[] = error instanceof AggregateError ? [error, ...(error.errors as unknown[])] : [error];
  return all.flatMap((it) => (typeof (it as { code?: unknown }).code === 'string' ? [(it as { code: string }).code] : []));
}

const TLS = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH)/;

function unanswered(error: Error, at: string, user: string): string | null {
  const codes = codesOf(error);
  const has = (...any: readonly string[]): boolean => codes.some((code) => any.includes(code));
  if (has('ECONNREFUSED', 'ENOENT')) return `nobody listens at ${at}`;
  if (has('ENOTFOUND', 'EAI_AGAIN')) return `no host has the name in ${at}`;
  if (has('EHOSTUNREACH', 'ENETUNREACH')) return `no way leads to ${at}`;
  if (has('ETIMEDOUT') || error.message.startsWith('timeout exceeded when trying to connect'))
    return `${at} does not answer, or all connections of this process were busy for too long`;
  if (error.message.startsWith('The server does not support SSL'))
    return `the server at ${at} has no TLS, which sslmode in the url asks for`;
  if (codes.some((code) => TLS.test(code)) || error.message.startsWith('There was an error establishing an SSL'))
    return `TLS with ${at} fails: its certificate does not fit sslmode and sslrootcert in the url`;
  if (error.message.startsWith('SASL')) return `the server at ${at} wants a password for role ${user}, and the url has none`;
  return null;
}
