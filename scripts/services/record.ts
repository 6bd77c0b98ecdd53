import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine, isAlive, stopPid } from './processes.ts';
import type { StopStep } from './processes.ts';

/** In the folder of a service: its process id and that of the process that started it. */
const FILE = 'process';

export const writeRecord = (dir: string, pid: number): void => writeFileSync(join(dir, FILE), `${pid} ${process.pid}\n`);

export interface Running {
  readonly pid: number;
  /** The process that started it, if it still lives. */
  readonly owner: number | undefined;
}

/**
 * The service that still runs from `dir`. `mark` is a path that its command line must contain: after a restart of the machine its process
 * id may belong to anybody.
 */
export const runningFrom = (dir: string, mark: string): Running | undefined => {
  const file = join(dir, FILE);
  if (!existsSync(file)) return undefined;
  const [pid = 0, owner = 0] = readFileSync(file, 'utf8').trim().split(' ').map(Number);
  if (pid <= 0 || !isAlive(pid) || !commandLine(pid).includes(mark)) {
    rmSync(file, { force: true });
    return undefined;
  }
  return { pid, owner: owner !== process.pid && isAlive(owner) && commandLine(owner).includes('node') ? owner : undefined };
};

/** Makes way for a new start: stops a service whose owner died without its guard; an error if the owner lives. */
export const makeWay = async (
  what: string,
  dir: string,
  mark: string,
  steps: readonly StopStep[],
  log: (line: string) => void,
): Promise<void> => {
  const left = runningFrom(dir, mark);
  if (left === undefined) return;
  if (left.owner !== undefined) throw new Error(`${what} already runs from ${dir}: process ${left.pid}, started by ${left.owner}`);
  log(`stopping a ${what} that was left running from ${dir}`);
  await stopPid(left.pid, steps);
};
