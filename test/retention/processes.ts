import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { temporalAddress, temporalNamespace } from '../support/temporal.ts';
import { until, type Shop } from './support.ts';

const MAIN = fileURLToPath(new URL('../../worker/main.ts', import.meta.url));

/** A worker in a process of its own, as a user would run it. */
export interface WorkerProcess {
  readonly child: ChildProcess;
  /** Everything that it has written so far. */
  readonly output: () => string;
  /** Settles with the signal that ended it, or null for an exit. */
  readonly ended: Promise<NodeJS.Signals | null>;
  /** Asks it to stop and waits. */
  readonly stop: () => Promise<void>;
}

export interface WorkerSettings {
  readonly taskQueue: string;
  /** Such as `after commit:3`. */
  readonly fault?: string;
  readonly address?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a worker process and waits until it polls. */
export async function startWorker(shop: Pick<Shop, 'env' | 'file'>, settings: WorkerSettings): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...shop.env,
      PROBITY_MANIFEST: shop.file,
      PROBITY_TASK_QUEUE: settings.taskQueue,
      PROBITY_FAULT: settings.fault ?? '',
      TEMPORAL_ADDRESS: settings.address ?? temporalAddress(),
      TEMPORAL_NAMESPACE: temporalNamespace(),
      ...settings.env,
    },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close').then(() => child.signalCode);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  await until('the worker is ready', () => hasEnded() || output.includes('worker ready'));
  if (child.exitCode !== null) throw new Error(`the worker did not start:\n${output}`);
  const stop = async (): Promise<void> => {
    if (!hasEnded()) child.kill('SIGTERM');
    await ended;
  };
  return { child, output: () => output, ended, stop };
}
