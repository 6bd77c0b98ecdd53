import {
  isGrpcServiceError,
  QueryNotRegisteredError,
  ServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { describe, StoreError } from '../database/errors.ts';
import { SinkRefused, SinkUnreadable, SinkUnwritable } from '../database/serving/lines.ts';
import { VaultRefused } from '../domain/requests/vault.ts';
import { MasterKeyMissing } from './master-key.ts';
import { NotMigrated, Refused } from './refused.ts';
import { ManifestRefused } from './manifest.ts';
import { MissingSecret } from '../manifest/secrets.ts';
import { SigningKeyMissing } from './signing.ts';
import { TemporalOutOfReach } from './temporal.ts';

/** What went wrong, for whoever talks to a person: `refused` is theirs to mend, `unreachable` is a service's. */
export interface Failure {
  readonly kind: 'refused' | 'unreachable' | 'failed';
  /** One sentence that says what to do where there is something to do. Never a value of a row. */
  readonly message: string;
}

// gRPC status codes that mean that nobody answered: deadline exceeded, unavailable.
const NOBODY_ANSWERED: ReadonlySet<number> = new Set([4, 14]);

/** Sorts any error that a function of this room throws. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Refused || error instanceof ManifestRefused || error instanceof SigningKeyMissing || error instanceof NotMigrated) {
    return { kind: 'refused', message: error.message };
  }
  if (error instanceof VaultRefused || error instanceof MasterKeyMissing) return { kind: 'refused', message: error.message };
  if (error instanceof SinkRefused) return { kind: 'refused', message: error.message };
  if (error instanceof SinkUnreadable || error instanceof SinkUnwritable) return { kind: 'failed', message: error.message };
  if (error instanceof MissingSecret) return { kind: 'refused', message: `T${error.message.slice(1)}` };
  if (error instanceof TemporalOutOfReach) return { kind: 'unreachable', message: error.message };
  const temporal = temporalFailure(error);
  if (temporal !== null) return temporal;
  const told = describe(error, { store: 'home' });
  if (told instanceof StoreError) return { kind: isShut(told) ? 'unreachable' : 'failed', message: told.message };
  const name = error instanceof Error ? error.constructor.name : typeof error;
  return { kind: 'failed', message: `An unexpected ${name}: ${error instanceof Error ? error.message : String(error)}` };
}

/** No connection came about: nobody answered, our role was not let in, or there was no room. */
function isShut({ kind, code }: StoreError): boolean {
  return kind === 'connection' || code.startsWith('28') || code === '53300';
}

function temporalFailure(error: unknown): Failure | null {
  if (error instanceof WorkflowNotFoundError) return { kind: 'refused', message: 'Temporal knows no such run, or it has ended' };
  if (error instanceof WorkflowUpdateFailedError) return { kind: 'refused', message: error.cause?.message ?? 'The run refused' };
  if (error instanceof QueryNotRegisteredError) return { kind: 'failed', message: 'The run does not answer this question' };
  const grpc = error instanceof ServiceError ? error.cause : error;
  if (isGrpcServiceError(grpc)) {
    if (NOBODY_ANSWERED.has(grpc.code))
      return { kind: 'unreachable', message: 'Temporal does not answer: is the server up, and TEMPORAL_ADDRESS right?' };
    return { kind: 'failed', message: `Temporal refused: ${grpc.details}` };
  }
  return error instanceof ServiceError ? { kind: 'failed', message: error.message } : null;
}
