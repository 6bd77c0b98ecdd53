import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { removePostgres, startPostgres } from '../../scripts/services/postgres.ts';
import type { PostgresOptions, PostgresService } from '../../scripts/services/postgres.ts';
import { testSettings } from '../../scripts/services/postgres-settings.ts';
import { isAlive } from '../../scripts/services/processes.ts';
import { temporaryFolder } from '../support/folders.ts';

const running: { service: PostgresService; dir: string }[] = [];

const start = async (dir: string, more: Partial<PostgresOptions> = {}): Promise<PostgresService> => {
  const service = await startPostgres({ dir, settings: testSettings, ...more });
  running.push({ service, dir });
  return service;
};

afterEach(async () => {
  for (const { service, dir } of running.splice(0)) {
    await service.stop();
    await removePostgres(dir);
  }
});

const ask = async (url: string, sql: string): Promise<unknown[][]> => {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
};

const until = async (what: () => boolean, limitMs = 20_000): Promise<void> => {
  const limit = Date.now() + limitMs;
  while (!what()) {
    if (Date.now() > limit) throw new Error(`not within ${limitMs} ms: ${what.toString()}`);
    await sleep(50);
  }
};

test('data, password and port survive a stop, and the second start only resumes', async () => {
  const dir = join(temporaryFolder(), 'server');
  const first = await start(dir);
  await ask(first.adminUrl, 'create table kept as select 1 as n');
  await first.stop();
  await first.stop();
  expect(first.pid()).toBeUndefined();

  const second = await start(dir);
  expect(second.adminUrl).toBe(first.adminUrl);
  expect(await ask(second.adminUrl, 'select n from kept')).toEqual([[1]]);
});

test('what was committed survives kill -9 of the server', async () => {
  const service = await start(join(temporaryFolder(), 'server'));
  await ask(service.adminUrl, 'create table kept as select generate_series(1, 1000) as n');
  await service.kill9();
  await service.restart();
  expect(await ask(service.adminUrl, 'select count(*)::int from kept')).toEqual([[1000]]);
});

test('a pid file that names a living stranger does not keep the server from starting', async () => {
  const dir = join(temporaryFolder(), 'server');
  const first = await start(dir);
  const [[data]] = (await ask(first.adminUrl, 'show data_directory')) as [[string]];
  await first.stop();
  writeFileSync(join(data, 'postmaster.pid'), `${process.pid}\n${data}\n0\n5432\n\n127.0.0.1\n0 0\nready\n`);
  const second = await start(dir);
  expect(await ask(second.adminUrl, 'select 1')).toEqual([[1]]);
});

test('two servers side by side meet nowhere', async () => {
  const [one, two] = await Promise.all([start(join(temporaryFolder(), 'server')), start(join(temporaryFolder(), 'server'))]);
  expect(one.port).not.toBe(two.port);
  await ask(one.adminUrl, 'create database only_here');
  expect(await ask(two.adminUrl, "select 1 from pg_database where datname = 'only_here'")).toEqual([]);
});

test('it listens on this machine alone and lets nobody in without its password', async () => {
  const dir = join(temporaryFolder(), 'server');
  const service = await start(dir);
  expect(await ask(service.adminUrl, 'show listen_addresses')).toEqual([['127.0.0.1']]);
  expect(statSync(join(dir, 'password')).mode & 0o777).toBe(0o600);
  const wrong = new URL(service.adminUrl);
  wrong.password = 'wrong';
  await expect(ask(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/);
  await expect(ask(wrong.href.replace(':wrong', ''), 'select 1')).rejects.toThrow();
});

test('a port that is asked for and taken is an error, not another port', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => holder.once('listening', done));
  const address = holder.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    await expect(start(join(temporaryFolder(), 'server'), { port })).rejects.toThrow(/did not start/);
  } finally {
    holder.close();
  }
});

test('a server ends with the process that started it, even by kill -9, and so does a second attempt while it lives', async () => {
  const parent = temporaryFolder();
  const dir = join(parent, 'server');
  const program = fileURLToPath(new URL('start-postgres.ts', import.meta.url));
  const child = spawn(process.execPath, [program, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = await new Promise<number>((done) => child.stdout.setEncoding('utf8').once('data', (text: string) => done(Number(text))));
  expect(isAlive(pid)).toBe(true);
  await expect(start(dir)).rejects.toThrow(/already runs/);

  child.kill('SIGKILL');
  await until(() => !isAlive(pid));
  await until(() => !existsSync(dir));
});

test.runIf(process.getuid?.() === 0)('data that the server could not reach goes elsewhere, and goes with the rest', async () => {
  const closed = temporaryFolder();
  chmodSync(closed, 0o700);
  const dir = join(closed, 'server');
  mkdirSync(dir);
  const service = await start(dir);
  expect(await ask(service.adminUrl, 'select 1')).toEqual([[1]]);
  const elsewhere = readFileSync(join(dir, 'elsewhere'), 'utf8').trim();
  expect(elsewhere.startsWith(closed)).toBe(false);
  expect(existsSync(join(elsewhere, 'data'))).toBe(true);
  await service.stop();
  expect(await removePostgres(dir)).toEqual([elsewhere, dir]);
  expect(existsSync(elsewhere)).toBe(false);
});

test('the oldest major that we support starts too', async () => {
  const service = await start(join(temporaryFolder(), 'server'), { major: 15 });
  expect(String(await ask(service.adminUrl, 'show server_version'))).toMatch(/^15\./);
});
