import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../paths.ts';
import { isAlive } from './processes.ts';

/** The newest release that `go install` can build; later ones carry replace directives. */
const VERSION = '1.5.1';
const MODULE = `github.com/temporalio/cli/cmd/temporal@v${VERSION}`;

/** The SDK's download takes seconds on a slow line; a firewall that swallows packets would make it wait for ever. */
const DOWNLOAD_LIMIT_MS = 3 * 60_000;
/** About three minutes on two cores. */
const BUILD_LIMIT_MS = 20 * 60_000;
const ALIVE_EVERY_MS = 5_000;
const LOCK_POLL_MS = 500;
/** Between making the lock and writing one's process id into it. */
const LOCK_UNSIGNED_MS = 10_000;

type Log = (line: string) => void;

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
};

const onPath = (name: string): string | undefined =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isProgram);

/** Whether it is Temporal's command with a development server in it. */
const works = (file: string): boolean =>
  isProgram(file) && spawnSync(file, ['server', 'start-dev', '--help'], { stdio: 'ignore', timeout: 20_000 }).status === 0;

const seconds = (since: number): string => `${Math.round((Date.now() - since) / 1000)} s`;

/** Runs a program to its end, telling every few seconds that it is still at work. Resolves to what it said if it failed. */
const run = async (
  what: string,
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  limitMs: number,
  log: Log,
): Promise<string | undefined> => {
  const began = Date.now();
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs, killSignal: 'SIGKILL' });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4_000)));
  const alive = setInterval(() => {
    const last = said.trim().split('\n').at(-1)?.slice(0, 100) ?? '';
    log(`${what}: ${seconds(began)}${last === '' ? '' : ` · ${last}`}`);
  }, ALIVE_EVERY_MS);
  try {
    return await new Promise((done) => {
      child.once('error', (error) => done(error.message));
      child.once('close', (code) =>
        done(code === 0 ? undefined : said.trim() || `ended with ${code ?? 'a signal'} after ${seconds(began)}`),
      );
    });
  } finally {
    clearInterval(alive);
  }
};

/** Runs `act` while no other process of this user does. A lock whose holder is dead is taken over. */
const locked = async <T>(lock: string, log: Log, act: () => Promise<T>): Promise<T> => {
  let told = false;
  for (;;) {
    try {
      mkdirSync(lock);
      writeFileSync(join(lock, 'pid'), String(process.pid));
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    try {
      const signed = existsSync(join(lock, 'pid')) ? Number(readFileSync(join(lock, 'pid'), 'utf8')) : 0;
      const abandoned = signed > 0 ? !isAlive(signed) : Date.now() - statSync(lock).mtimeMs > LOCK_UNSIGNED_MS;
      if (abandoned) {
        // Renamed first, so that of two who find it abandoned only one removes it.
        const grave = `${lock}.${process.pid}`;
        renameSync(lock, grave);
        rmSync(grave, { recursive: true, force: true });
        continue;
      }
      if (!told) log(`process ${signed} is already obtaining Temporal; waiting for it`);
      told = true;
    } catch {
      // It was released while we looked.
    }
    await sleep(LOCK_POLL_MS);
  }
  try {
    return await act();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
};

const download = async (staging: string, log: Log): Promise<string | undefined> => {
  log('asking the SDK to download it');
  const script = fileURLToPath(new URL('temporal-download.ts', import.meta.url));
  const problem = await run('downloading Temporal', process.execPath, [script, staging], process.env, DOWNLOAD_LIMIT_MS, log);
  const found = readdirSync(staging)
    .map((name) => join(staging, name))
    .find(works);
  if (found === undefined) log(`no download: ${(problem ?? 'nothing came').split('\n').at(-1)?.slice(0, 160)}`);
  return found;
};

const build = async (staging: string, log: Log): Promise<string | undefined> => {
  const go = onPath('go');
  if (go === undefined) {
    log('no go on the PATH to build it with');
    return undefined;
  }
  log(`building it with go install ${MODULE}; once, a few minutes`);
  const began = Date.now();
  const problem = await run(
    'building Temporal',
    go,
    ['install', '-ldflags=-s -w', MODULE],
    { ...process.env, GOBIN: staging },
    BUILD_LIMIT_MS,
    log,
  );
  const found = join(staging, 'temporal');
  if (problem === undefined && works(found)) {
    log(`built in ${seconds(began)}`);
    return found;
  }
  log(`no build: ${(problem ?? 'the program does not run').split('\n').slice(-3).join(' ').slice(0, 300)}`);
  return undefined;
};

const OBTAIN = { download, build } as const;

/** Every way to have a Temporal server, for whoever has none. */
const WAYS = `No Temporal server can be had here. Any one of these helps:
  - set TEMPORAL_ADDRESS (and what else your cluster or Temporal Cloud needs) to use a server that runs
  - put the command \`temporal\` on the PATH: brew install temporal, or https://temporal.io/setup/install-temporal-cli
  - let this machine reach https://temporal.download, so that the SDK can fetch it
  - install Go (https://go.dev/dl) and let it reach its module proxy, so that it can be built: go install ${MODULE}
  - copy the program from another machine to `;

export interface FindOptions {
  readonly log?: Log;
  /** How it may be obtained if it is neither on the PATH nor in the cache; in this order. */
  readonly ways?: readonly ('download' | 'build')[];
}

/**
 * The path of Temporal's command: on the PATH, in this user's cache, downloaded by the SDK, or built; what is obtained stays in the cache
 * for every clone. TEMPORAL_ADDRESS comes before all of this and is the caller's matter. Fails with a list of every way to provide one.
 */
export const findTemporal = async (options: FindOptions = {}): Promise<string> => {
  const { log = () => undefined, ways = ['download', 'build'] } = options;
  const installed = onPath('temporal');
  if (installed !== undefined && works(installed)) return installed;

  const folder = join(cacheFolder(), `temporal-${VERSION}`);
  const cached = join(folder, 'temporal');
  if (isProgram(cached)) return cached;

  log(`no temporal on the PATH or in ${folder}`);
  mkdirSync(folder, { recursive: true });
  return locked(join(folder, 'lock'), log, async () => {
    if (isProgram(cached)) return cached;
    const staging = join(folder, `staging-${process.pid}`);
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(staging);
    try {
      for (const way of ways) {
        const found = await OBTAIN[way](staging, log);
        if (found === undefined) continue;
        renameSync(found, cached);
        return cached;
      }
      throw new Error(`${WAYS}${cached}`);
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  });
};
