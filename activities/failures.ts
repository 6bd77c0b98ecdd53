import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { describe, StoreError } from '../database/errors.ts';

/** Failure types that workflows decide on; a `StoreError`'s kind is one too. */
export const UNEXPECTED = 'unexpected';
// A fault of ours does not mend itself; a few attempts, in case that it was the surroundings'.
const UNEXPECTED_ATTEMPTS = 5;
/** How often an activity shows Temporal that its worker lives: well within the heartbeat time-outs of the workflows. Milliseconds. */
const BEAT_MS = 1_000;

/**
 * Keeps Temporal informed that the worker lives, by the clock, whatever a single statement takes.
 * What leaves an activity goes into Temporal's history. A `StoreError` and our own failures carry names and codes only; any other
 * message may quote a value, so only the error's class leaves.
 */
export async function guarded<T>(activity: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const beats = setInterval(() => context.heartbeat(), BEAT_MS);
  try {
    return await activity();
  } catch (thrown) {
    // Not every small statement says where it went; a server that is away is no fault of ours wherever it was noticed.
    const error = describe(thrown, { store: 'of this job' });
    if (error instanceof ApplicationFailure || error instanceof CancelledFailure) throw error;
    if (error instanceof StoreError) {
      throw ApplicationFailure.create({ message: error.message, type: error.kind, nonRetryable: !error.retryable });
    }
    const name = error instanceof Error ? error.constructor.name : typeof error;
    const nonRetryable = context.info.attempt >= UNEXPECTED_ATTEMPTS;
    throw ApplicationFailure.create({ message: `An unexpected ${name}${thrownAt(error)}`, type: UNEXPECTED, nonRetryable });
  } finally {
    clearInterval(beats);
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
