import { setImmediate as turn } from 'node:timers/promises';
import { isOutOfReach } from '../../database/errors.ts';
import type { ConsentEntry } from './entries.ts';
import { recordConsents, type RecordedConsent, type RecordOptions } from './record.ts';
import type { Project } from '../project.ts';

export interface ConsentRecorder {
  /** Resolves when the entry is committed and in force. Rejects as `recordConsents` does. */
  readonly record: (entry: ConsentEntry) => Promise<RecordedConsent>;
  /** Resolves when everything that was handed in is recorded; afterwards `record` rejects. */
  readonly close: () => Promise<void>;
}

/** More entries would make those in front wait longer for the commit than it saves those behind. */
const MOST_AT_ONCE = 500;
/** Transactions on their way at a time: while one commits, the next is prepared. More only wait for the same two or four cores. */
const LANES = 2;
/** Fewer are not worth a transaction of their own while others wait. */
const LEAST_SHARE = 50;

interface Waiting {
  readonly entry: ConsentEntry;
  readonly done: (recorded: RecordedConsent) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * For web back ends: while one transaction is on its way, the entries of other callers wait and go together in the next, so that two hundred
 * callers need a few transactions and not two hundred. An entry that is refused does not take others with it. Nothing waits on purpose: an
 * entry that comes alone goes in this turn of the loop.
 */
export function consentRecorder(project: Project, options: RecordOptions): ConsentRecorder {
  let waiting: Waiting[] = [];
  let running = 0;
  let underWay = 0;
  let idle: (() => void) | null = null;
  let closed = false;

  /** A lane's share of all who are waiting or on their way, so that lanes stay alike and whoever was just answered goes in one batch again. */
  const take = (): Waiting[] => {
    const share = Math.max(LEAST_SHARE, Math.ceil((waiting.length + underWay) / LANES));
    const batch = waiting.slice(0, Math.min(MOST_AT_ONCE, share));
    waiting = waiting.slice(batch.length);
    underWay += batch.length;
    return batch;
  };
  const run = async (): Promise<void> => {
    running += 1;
    while (waiting.length > 0) {
      // Whoever was just answered may ask again in this turn of the loop: one of them alone would keep all others waiting for its transaction.
      await turn();
      const batch = take();
      if (batch.length > 0) await recordBatch(project, batch, options);
      underWay -= batch.length;
    }
    // In the same turn as the last look: an entry that comes now starts a lane of its own.
    running -= 1;
    if (running === 0) idle?.();
  };

  return {
    record: (entry) =>
      new Promise<RecordedConsent>((done, failed) => {
        if (closed) return failed(new Error('The recorder is closed'));
        waiting.push({ entry, done, failed });
        if (running < LANES) void run();
      }),
    close: () =>
      new Promise<void>((done) => {
        closed = true;
        if (running === 0) return done();
        idle = done;
      }),
  };
}

async function recordBatch(project: Project, batch: readonly Waiting[], options: RecordOptions): Promise<void> {
  try {
    const recorded = await recordConsents(
      project,
      batch.map(({ entry }) => entry),
      options,
    );
    batch.forEach(({ done }, index) => done(recorded[index]!));
  } catch (error) {
    const alone = batch.length === 1;
    // Whoever is out of reach stays so for each; otherwise nothing was written, and only the entry that is at fault shall hear of it.
    if (alone || isOutOfReach(error)) return batch.forEach(({ failed }) => failed(error));
    const middle = Math.ceil(batch.length / 2);
    await recordBatch(project, batch.slice(0, middle), options);
    await recordBatch(project, batch.slice(middle), options);
  }
}
