import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, openSync, closeSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { guard } from './guard.ts';
import type { Guard } from './guard.ts';
import { freePort, LOOPBACK } from './ports.ts';
import { elsewhereOf, postgresPlace } from './postgres-place.ts';
import type { Place } from './postgres-place.ts';
import type { PostgresMajor } from './postgres-binaries.ts';
import { commonSettings, developmentSettings } from './postgres-settings.ts';
import type { PostgresSettings } from './postgres-settings.ts';
import { commandLine, hasEnded, stopChild, stopPid } from './processes.ts';
import { makeWay, runningFrom, writeRecord } from './record.ts';

const SUPERUSER = 'postgres';

/** Recovery after a kill replays up to max_wal_size; a slow disk needs minutes for that, and giving up would lose nothing but patience. */
const READY_LIMIT_MS = 5 * 60_000;
const READY_POLL_MS = 30;
/** After this long we say that we are waiting. */
const SLOW_START_MS = 2_000;

/** A port may be taken between finding it free and listening; twice in a row is already rare. */
const PORT_ATTEMPTS = 5;
/** After kill -9 the old backends hold the shared memory until they notice, usually within a second. */
const LEFTOVER_ATTEMPTS = 50;
const LEFTOVER_WAIT_MS = 200;

/** SIGINT is a fast shutdown: sessions are ended, a checkpoint is written. SIGQUIT ends without one; the next start recovers. */
const FAST = [
  { signal: 'SIGINT', waitMs: 60_000 },
  { signal: 'SIGQUIT', waitMs: 10_000 },
] as const;
const IMMEDIATE = [{ signal: 'SIGQUIT', waitMs: 10_000 }] as const;

export interface PostgresOptions {
  /** Belongs to this server alone: password, log, remembered port and, where the server's user can reach it, the data. */
  readonly dir: string;
  readonly major?: PostgresMajor;
  /** A must: an error if it is taken. Without it, the port of last time if free, otherwise any free one. */
  readonly port?: number;
  /** Added to, and stronger than, `commonSettings`. */
  readonly settings?: PostgresSettings;
  readonly log?: (line: string) => void;
  /** Removed if this process dies without stopping the server: for temporary servers. */
  readonly removeIfOrphaned?: string;
}

export interface PostgresService {
  /** `postgres://…` of a database on this server, for its superuser. */
  url(database: string): string;
  /** The database `postgres`: for creating others. */
  readonly adminUrl: string;
  readonly port: number;
  /** Of the postmaster; undefined while stopped. */
  pid(): number | undefined;
  /** Fast shutdown. Stopping twice is fine. */
  stop(): Promise<void>;
  /** Without a checkpoint, as a crash would: the next start recovers. */
  stopImmediate(): Promise<void>;
  /** SIGKILL to the postmaster. */
  kill9(): Promise<void>;
  /** Starts it again on the same port, after stopping it if it runs. */
  restart(): Promise<void>;
}

const passwordOf = (dir: string): string => {
  const file = join(dir, 'password');
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
};

const runAs = (place: Place): { cwd: string; uid?: number; gid?: number; env: Record<string, string> } => ({
  cwd: '/',
  ...(place.user === undefined ? {} : { uid: place.user.uid, gid: place.user.gid }),
  // Nothing of our environment: PG* variables and locales must not change the server.
  env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
});

const initialise = async (place: Place, major: PostgresMajor, password: string): Promise<void> => {
  const passwordFile = join(dirname(place.data), 'initial-password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (place.user !== undefined) chownSync(passwordFile, place.user.uid, place.user.gid);
  try {
    // The built-in provider sorts alike on every machine and knows letters beyond ASCII; before 17 only C does the former.
    const locale = major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'] : ['--locale=C'];
    const flags = [
      `--pgdata=${place.data}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
    ];
    const child = spawn(join(place.binaries, 'bin', 'initdb'), [...flags, ...locale], {
      ...runAs(place),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    await new Promise<void>((done, failed) => {
      child.once('error', failed);
      child.once('close', (code) => (code === 0 ? done() : failed(new Error(`initdb failed (${code ?? 'killed'}): ${said.trim()}`))));
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
};

/**
 * PostgreSQL refuses to start while postmaster.pid names a living process, and after a restart of the machine that id may be anybody's.
 * Call it when no server of ours runs from the folder.
 */
const removeStalePid = (data: string): void => {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  if (commandLine(pid).includes(data)) throw new Error(`A PostgreSQL that we did not start runs on ${data}: process ${pid}`);
  rmSync(file, { force: true });
};

const tail = (file: string, from: number): string => {
  const text = readFileSync(file).subarray(from).toString('utf8').trim();
  return text.split('\n').slice(-8).join('\n');
};

/**
 * Starts PostgreSQL from `dir`, making it first if need be. Resuming takes well under a second. Works as root (the server then runs as
 * another user, with programs and data where that user can reach them) and as a normal user; listens on 127.0.0.1 only, with a random
 * password. The server stops when this process ends, whatever the way.
 */
export const startPostgres = async (options: PostgresOptions): Promise<PostgresService> => {
  const { dir, major = 18, log = () => undefined } = options;
  const place = postgresPlace(dir, major);
  const password = passwordOf(dir);
  const settings = { ...commonSettings, ...(options.settings ?? developmentSettings) };
  const logFile = join(dir, 'server.log');
  const portFile = join(dir, 'port');

  await makeWay('PostgreSQL', dir, place.data, FAST, log);
  removeStalePid(place.data);

  const versionFile = join(place.data, 'PG_VERSION');
  if (existsSync(versionFile)) {
    const found = readFileSync(versionFile, 'utf8').trim();
    if (found !== String(major)) throw new Error(`${place.data} holds PostgreSQL ${found}, not ${major}: npm run reset removes it`);
  }
  // initdb writes PG_VERSION early; the control file exists only if it got through.
  if (!existsSync(join(dir, 'initialised'))) {
    rmSync(place.data, { recursive: true, force: true });
    const fresh = postgresPlace(dir, major);
    await initialise(fresh, major, password);
    writeFileSync(join(dir, 'initialised'), `${major}\n`);
  } else if (!existsSync(versionFile)) {
    throw new Error(`${place.data} has lost its files: npm run reset clears what is left`);
  }

  let child: ChildProcess | undefined;
  let watch: Guard | undefined;
  let port = 0;
  const urlOf = (database: string): string => `postgres://${SUPERUSER}:${password}@${LOOPBACK}:${port}/${encodeURIComponent(database)}`;

  const isReady = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: urlOf('postgres'), connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  };

  /** One attempt; the server's last words if it did not come up. */
  const attempt = async (): Promise<string | undefined> => {
    const out = openSync(logFile, 'a', 0o600);
    const from = statSync(logFile).size;
    const flags = Object.entries({ ...settings, listen_addresses: LOOPBACK, port: String(port) }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    const started = spawn(join(place.binaries, 'bin', 'postgres'), ['-D', place.data, ...flags], {
      ...runAs(place),
      // Ctrl-C in the terminal must reach the server through us, after those who use it have stopped.
      detached: true,
      stdio: ['ignore', out, out],
    });
    closeSync(out);
    const failed = new Promise<string>((done) => started.once('error', (error) => done(error.message)));
    if (started.pid === undefined) return await failed;
    child = started;
    const orphans = options.removeIfOrphaned === undefined ? [] : [options.removeIfOrphaned, elsewhereOf(dir)];
    watch = guard(
      started.pid,
      'INT',
      orphans.filter((folder) => folder !== undefined),
    );
    started.unref();

    const began = Date.now();
    let told = false;
    while (Date.now() - began < READY_LIMIT_MS) {
      if (hasEnded(started)) {
        watch.dismiss();
        child = undefined;
        return tail(logFile, from);
      }
      if (await isReady()) return undefined;
      if (!told && Date.now() - began > SLOW_START_MS) {
        told = true;
        log('PostgreSQL is recovering; this can take a while');
      }
      await sleep(READY_POLL_MS);
    }
    await stop(IMMEDIATE);
    return `not ready after ${READY_LIMIT_MS / 1000} s\n${tail(logFile, from)}`;
  };

  const start = async (wanted: number | undefined): Promise<void> => {
    let taken = 0;
    let leftovers = 0;
    for (;;) {
      if (port === 0) port = wanted ?? (await freePort(existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : undefined));
      const words = await attempt();
      if (words === undefined) break;
      if (/could not bind|Address already in use/i.test(words) && wanted === undefined && ++taken < PORT_ATTEMPTS) {
        rmSync(portFile, { force: true });
        port = 0;
      } else if (/shared memory block .* still in use/s.test(words) && ++leftovers < LEFTOVER_ATTEMPTS) {
        await sleep(LEFTOVER_WAIT_MS);
      } else {
        throw new Error(`PostgreSQL ${major} did not start from ${dir}:\n${words}`);
      }
    }
    writeFileSync(portFile, `${port}\n`);
    if (child?.pid !== undefined) writeRecord(dir, child.pid);
  };

  const stop = async (steps: typeof FAST | typeof IMMEDIATE | readonly []): Promise<void> => {
    if (child === undefined) return;
    const stopping = child;
    child = undefined;
    watch?.dismiss();
    await stopChild(stopping, steps);
  };

  await start(options.port);
  return {
    url: urlOf,
    adminUrl: urlOf('postgres'),
    port,
    pid: () => child?.pid,
    stop: () => stop(FAST),
    stopImmediate: () => stop(IMMEDIATE),
    kill9: () => stop([]),
    restart: async () => {
      await stop(FAST);
      await start(port);
    },
  };
};

/** Stops what runs from `dir` and removes it with what it put elsewhere. Returns the folders that are gone. */
export const removePostgres = async (dir: string): Promise<readonly string[]> => {
  const elsewhere = elsewhereOf(dir);
  const folders = [elsewhere, dir].filter((folder) => folder !== undefined && existsSync(folder)) as string[];
  for (const folder of folders) {
    const left = runningFrom(dir, join(folder, 'data'));
    if (left !== undefined) await stopPid(left.pid, FAST);
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  return folders;
};
