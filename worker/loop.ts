import { setTimeout as sleep } from 'node:timers/promises';
import { failureOf } from '../client/failures.ts';

/** Something that is done again and again until it is told to stop. */
export interface Loop {
  readonly name: string;
  readonly everyMs: number;
  /** Returns whether there is more to do at once. */
  readonly turn: () => Promise<boolean>;
  readonly stop?: () => Promise<void>;
}

export interface LoopSettings {
  readonly signal: AbortSignal;
  readonly log: (message: string, attributes: Readonly<Record<string, unknown>>) => void;
}

/** A service that is away is asked again soon enough to be back within a replica's lease, and rarely enough to be left alone. */
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 2_000;

/** Runs until the signal. Never throws: what goes wrong is told once, and tried again. */
export async function runLoop({ name, everyMs, turn, stop }: Loop, { signal, log }: LoopSettings): Promise<void> {
  let failing = false;
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    let rest = everyMs;
    try {
      if (await turn()) rest = 0;
      if (failing) log('a loop goes on', { loop: name });
      [failing, wait] = [false, FIRST_WAIT_MS];
    } catch (error) {
      if (!failing && !signal.aborted) log('a loop cannot go on, and tries again', { loop: name, problem: failureOf(error).message });
      [failing, rest, wait] = [true, wait, Math.min(2 * wait, LONGEST_WAIT_MS)];
    }
    await sleep(rest, undefined, { signal }).catch(() => undefined);
  }
  await stop?.().catch(() => undefined);
}
