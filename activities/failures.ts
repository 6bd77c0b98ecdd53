import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { StoreError } from '../database/errors.ts';

/** Failure types that workflows decide on; a `StoreError`'s kind is one too. */
export const UNEXPECTED = 'unexpected';
// A fault of ours does not mend itself; a few attempts, in case that it was the surroundings'.
const UNEXPECTED_ATTEMPTS = 5;

/**
 * What leaves an activity goes into Temporal's history. A `StoreError` and our own failures carry names and codes only; any other
 * message may quote a value, so only the error's class leaves.
 */
export async function guarded<T>(activity: () => Promise<T>): Promise<T> {
  try {
    return await activity();
  } catch (error) {
    if (error instanceof ApplicationFailure || error instanceof CancelledFailure) throw error;
    if (error instanceof StoreError) {
      throw ApplicationFailure.create({ message: error.message, type: error.kind, nonRetryable: !error.retryable });
    }
    const name = error instanceof Error ? error.constructor.name : typeof error;
    const nonRetryable = Context.current().info.attempt >= UNEXPECTED_ATTEMPTS;
    throw ApplicationFailure.create({ message: `An unexpected ${name}${thrownAt(error)}`, type: UNEXPECTED, nonRetryable });
  }
}

/** Refuses for a reason that another attempt will not change. */
export function refusal(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ message, type, nonRetryable: true });
}

/** The first frame of the stack: a place in our code, never a value. */
function thrownAt(error: unknown): string {
  const frame = error instanceof Error ? /\n\s+at (?:.*\()?.*?([\w-]+\.[jt]s:\d+)/.exec(error.stack ?? '')?.[1] : undefined;
  return frame === undefined ? '' : ` at ${frame}`;
}
