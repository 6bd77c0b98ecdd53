import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandLine, isAlive, signal } from '../../scripts/services/processes.ts';

/** The environment variable that every process started by a test inherits. */
export const RUN_MARKER = 'PROBITY_TEST_RUN';

/** A process told to stop by the last test may still be about it. */
const GRACE_MS = 20_000;
const POLL_MS = 100;

const numeric = (name: string): boolean => /^\d+$/.test(name);

const environmentOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    // It has ended, or is somebody else's.
    return '';
  }
};

const parentOf = (pid: string): number => {
  try {
    // The name in parentheses may hold spaces and parentheses itself.
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ')[1],
    );
  } catch {
    return 0;
  }
};

/** vitest's own workers carry the marker too and may end after us; what they are is known by their parent. */
const marked = (marker: string): readonly number[] =>
  readdirSync('/proc')
    .filter(numeric)
    .filter((pid) => Number(pid) !== process.pid && parentOf(pid) !== process.pid)
    .filter((pid) => environmentOf(pid).includes(`${RUN_MARKER}=${marker}`))
    .map(Number);

/** Waits a little for what tests started to end, kills what has not, and returns its command lines. Only where /proc exists. */
export const leakedProcesses = async (marker: string, graceMs = GRACE_MS): Promise<readonly string[]> => {
  if (process.platform !== 'linux') return [];
  const limit = Date.now() + graceMs;
  let left = marked(marker);
  while (left.length > 0 && Date.now() < limit) {
    await sleep(POLL_MS);
    left = marked(marker);
  }
  const described = left.map((pid) => `  ${pid} ${commandLine(pid)}`);
  for (const pid of left) if (isAlive(pid)) signal(pid, 'SIGKILL');
  return described;
};
