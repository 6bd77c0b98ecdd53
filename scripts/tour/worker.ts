import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../paths.ts';
import { guard } from '../services/guard.ts';
import { hasEnded, stopChild } from '../services/processes.ts';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bundling the workflows takes some seconds on a busy machine. */
const READY_LIMIT_MS = 120_000;
const READY_POLL_MS = 50;
/** A worker lets its batches end first. */
const STOP = [{ signal: 'SIGTERM', waitMs: 20_000 }] as const;
const LAST_WORDS = 600;

/** Runs `probity worker` as a process of its own until `stop`, or until this process ends, however it does. */
export async function startWorker(
  env: NodeJS.ProcessEnv,
  logFile: string,
): Promise<{ readonly stop: () => Promise<void>; readonly pid: number }> {
  const log = openSync(logFile, 'w', 0o600);
  const child = spawn(process.execPath, [join(projectRoot, 'cli', 'main.ts'), 'worker'], {
    cwd: projectRoot,
    // A session of its own: Ctrl-C must reach it through us, before its services stop.
    detached: true,
    stdio: ['ignore', log, log],
    env,
  });
  closeSync(log);
  if (child.pid === undefined) throw new Error('The worker could not be started');
  const watch = guard(child.pid, 'TERM');
  child.unref();
  const stop = async (): Promise<void> => {
    watch.dismiss();
    await stopChild(child, STOP);
  };
  const limit = Date.now() + READY_LIMIT_MS;
  while (!readFileSync(logFile, 'utf8').includes('probity worker ready')) {
    if (hasEnded(child) || Date.now() > limit) {
      await stop();
      throw new Error(`The worker did not start:\n${readFileSync(logFile, 'utf8').slice(-LAST_WORDS)}`);
    }
    await sleep(READY_POLL_MS);
  }
  return { stop, pid: child.pid };
}
