import { execFileSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often we look whether a process is gone: short beside a shutdown, long beside the cost of looking. */
const POLL_MS = 25;

/** In a container whose first process reaps nobody, the dead keep their id as zombies. */
const isZombie = (pid: number): boolean => {
  try {
    return /\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};

/** Whether a process of this id exists, ours or not. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return !isZombie(pid);
};

/** The command line of a process, or '' if there is none or it has ended. */
export const commandLine = (pid: number): string => {
  try {
    if (existsSync('/proc/self/cmdline')) return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
};

/** Sends a signal; a process that is gone already is no error. */
export const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

/** Waits until `ended` holds; false if it does not within the time. */
const within = async (limitMs: number, ended: () => boolean): Promise<boolean> => {
  const limit = Date.now() + limitMs;
  while (!ended()) {
    if (Date.now() > limit) return false;
    await sleep(POLL_MS);
  }
  return true;
};

export interface StopStep {
  readonly signal: NodeJS.Signals;
  /** Milliseconds to wait for the end before the next step. */
  readonly waitMs: number;
}

/** How long the system may take to end a process after SIGKILL; it is busy with its memory and files for that long at most. */
const KILLED_MS = 10_000;

/** Stops a process that is not our child by one signal after the other, the last being SIGKILL. */
export const stopPid = async (pid: number, steps: readonly StopStep[]): Promise<void> => {
  for (const step of [...steps, { signal: 'SIGKILL', waitMs: KILLED_MS } as const]) {
    signal(pid, step.signal);
    if (await within(step.waitMs, () => !isAlive(pid))) return;
  }
  throw new Error(`Process ${pid} does not end`);
};

export const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Stops a child of ours by one signal after the other, the last being SIGKILL. */
export const stopChild = async (child: ChildProcess, steps: readonly StopStep[]): Promise<void> => {
  for (const step of [...steps, { signal: 'SIGKILL', waitMs: KILLED_MS } as const]) {
    if (hasEnded(child)) return;
    child.kill(step.signal);
    if (await within(step.waitMs, () => hasEnded(child))) return;
  }
  throw new Error(`Process ${child.pid ?? '?'} does not end`);
};
