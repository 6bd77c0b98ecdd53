import { setImmediate as turn } from 'node:timers/promises';
import { isOutOfReach } from '../database/errors.ts';
import type { ConsentEntry } from './consent-entries.ts';
import { recordConsents, type RecordedConsent, type RecordOptions } from './consent.ts';
import type { Project } from './project.ts';

export interface ConsentRecorder {
  /** Resolves when the entry is committed and in force. Rejects as `recordConsents` does. */
  readonly record: (entry: ConsentEntry) => Promise<RecordedConsent>;
  /** Resolves when everything that was handed in is recorded; afterwards `record` rejects. */
  readonly close: () => Promise<void>;
}

/** More entries would make those in front wait longer for the commit than it saves those behind. */
const MOST_AT_ONCE = 500;

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
  let running: Promise<void> | null = null;
  let closed = false;

  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      // Whoever was just answered may ask again in this turn of the loop: one of them alone would keep all others waiting for its transaction.
      await turn();
      const batch = waiting.slice(0, MOST_AT_ONCE);
      waiting = waiting.slice(batch.length);
      await recordBatch(project, batch, options);
    }
    running = null;
  };

  return {
    record: (entry) =>
      new Promise<RecordedConsent>((done, failed) => {
        if (closed) return failed(new Error('The recorder is closed'));
        waiting.push({ entry, done, failed });
        running ??= run();
      }),
    close: async () => {
      closed = true;
      await running;
    },
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
