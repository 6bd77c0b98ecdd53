import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { guard } from './guard.ts';
import type { Guard } from './guard.ts';
import { freePort, LOOPBACK } from './ports.ts';
import { hasEnded, stopChild, stopPid } from './processes.ts';
import { makeWay, runningFrom, writeRecord } from './record.ts';
import { findTemporal } from './temporal-binary.ts';

/** The development server is up in about a second; a database of weeks of runs takes longer to open. */
const READY_LIMIT_MS = 60_000;
const READY_POLL_MS = 50;
const PROBE_MS = 1_000;
const PORT_ATTEMPTS = 5;
const STOP = [
  { signal: 'SIGINT', waitMs: 10_000 },
  { signal: 'SIGTERM', waitMs: 5_000 },
] as const;

/**
 * The server's queues read at most 20 times a second unless told otherwise, which makes a step of a workflow wait 100 ms for nothing: 50
 * activities in sequence took 5.0 s, with these settings 1.3 s. A production cluster is tuned alike, and handing an activity over with the
 * completed workflow task (eagerly) is what Temporal Cloud does.
 */
const DYNAMIC_SETTINGS: Readonly<Record<string, string>> = {
  'history.transferProcessorMaxPollRPS': '1000',
  'history.timerProcessorMaxPollRPS': '1000',
  'history.visibilityProcessorMaxPollRPS': '1000',
  'system.enableActivityEagerExecution': 'true',
};

export interface TemporalOptions {
  /** For the server's log and, unless `dbFile` says otherwise, its database. */
  readonly dir: string;
  readonly dbFile?: string;
  /** A must: an error if it is taken. Without it any free one. */
  readonly port?: number;
  /** Serves the web console on this port; without it there is none. */
  readonly uiPort?: number;
  /** Made at the start, beside `default`. */
  readonly namespace?: string;
  /** Histories survive a crash of the machine; otherwise of the server only, which is enough for a server that goes with the run. */
  readonly durable?: boolean;
  /** As found by `findTemporal`, which is asked if this is missing. */
  readonly binary?: string;
  readonly log?: (line: string) => void;
  /** Removed if this process dies without stopping the server: for temporary servers. */
  readonly removeIfOrphaned?: string;
}

export interface TemporalService {
  /** host:port */
  readonly address: string;
  readonly namespace: string;
  readonly uiPort: number | undefined;
  /** SQLite; histories are in it. */
  readonly dbFile: string;
  readonly logFile: string;
  pid(): number | undefined;
  /** Stopping twice is fine. */
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again with the same address and database, after stopping it if it runs. */
  restart(): Promise<void>;
}

/** Whether the server answers and knows the namespace. */
const answers = async (address: string, namespace: string): Promise<boolean> => {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address, connectTimeout: PROBE_MS });
    const { workflowService } = connection;
    await connection.withDeadline(Date.now() + PROBE_MS, () => workflowService.describeNamespace({ namespace }));
    return true;
  } catch {
    return false;
  } finally {
    await connection?.close();
  }
};

/** Starts Temporal's development server on this machine only and waits until it answers. It stops when this process ends, whatever the way. */
export const startTemporal = async (options: TemporalOptions): Promise<TemporalService> => {
  const { dir, namespace = 'default', log = () => undefined } = options;
  const binary = options.binary ?? (await findTemporal({ log }));
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  const dbFile = options.dbFile ?? join(dir, 'temporal.db');
  mkdirSync(dirname(dbFile), { recursive: true });
  const logFile = join(dir, 'temporal.log');

  await makeWay('Temporal', dir, dbFile, STOP, log);

  let child: ChildProcess | undefined;
  let watch: Guard | undefined;
  let port = 0;

  const attempt = async (): Promise<string | undefined> => {
    const flags = ['--ip', LOOPBACK, '--port', String(port), '--db-filename', dbFile, '--namespace', namespace, '--log-level', 'warn'];
    const dynamic = Object.entries(DYNAMIC_SETTINGS).flatMap(([name, value]) => ['--dynamic-config-value', `${name}=${value}`]);
    const pragmas = ['--sqlite-pragma', `synchronous=${options.durable === false ? 'off' : 'normal'}`];
    const ui = options.uiPort === undefined ? ['--headless'] : ['--ui-port', String(options.uiPort)];
    const out = openSync(logFile, 'a', 0o600);
    const from = statSync(logFile).size;
    // Detached: Ctrl-C in the terminal must reach the server through us, after the worker has stopped.
    const started = spawn(binary, ['server', 'start-dev', ...flags, ...dynamic, ...pragmas, ...ui], {
      cwd: dir,
      detached: true,
      stdio: ['ignore', out, out],
    });
    closeSync(out);
    const failed = new Promise<string>((done) => started.once('error', (error) => done(error.message)));
    if (started.pid === undefined) return await failed;
    child = started;
    watch = guard(started.pid, 'INT', options.removeIfOrphaned === undefined ? [] : [options.removeIfOrphaned]);
    started.unref();
    const words = (): string => readFileSync(logFile).subarray(from).toString('utf8').trim().split('\n').slice(-8).join('\n');

    const began = Date.now();
    while (Date.now() - began < READY_LIMIT_MS) {
      if (hasEnded(started)) {
        watch.dismiss();
        child = undefined;
        return words();
      }
      if (await answers(`${LOOPBACK}:${port}`, namespace)) return undefined;
      await sleep(READY_POLL_MS);
    }
    await stop(STOP);
    return `not ready after ${READY_LIMIT_MS / 1000} s\n${words()}`;
  };

  const start = async (wanted: number | undefined): Promise<void> => {
    for (let taken = 0; ;) {
      if (port === 0) port = wanted ?? (await freePort());
      const words = await attempt();
      if (words === undefined) {
        if (child?.pid !== undefined) writeRecord(dir, child.pid);
        return;
      }
      const another = wanted === undefined && /address already in use|can't set frontend port/i.test(words) && ++taken < PORT_ATTEMPTS;
      if (!another) throw new Error(`The Temporal development server did not start (${binary}):\n${words}`);
      port = 0;
    }
  };

  const stop = async (steps: typeof STOP | readonly []): Promise<void> => {
    if (child === undefined) return;
    const stopping = child;
    child = undefined;
    watch?.dismiss();
    await stopChild(stopping, steps);
  };

  await start(options.port);
  return {
    address: `${LOOPBACK}:${port}`,
    namespace,
    uiPort: options.uiPort,
    dbFile,
    logFile,
    pid: () => child?.pid,
    stop: () => stop(STOP),
    kill9: () => stop([]),
    restart: async () => {
      await stop(STOP);
      await start(port);
    },
  };
};

/** Stops what runs from `dir` and removes it. Returns the folders that are gone. */
export const removeTemporal = async (dir: string): Promise<readonly string[]> => {
  if (!existsSync(dir)) return [];
  const left = runningFrom(dir, dir);
  if (left !== undefined) await stopPid(left.pid, STOP);
  rmSync(dir, { recursive: true, force: true });
  return [dir];
};
