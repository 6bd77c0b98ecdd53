import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes, randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createSinkKey } from '../../client/signing.ts';
import { fileLines } from '../../database/serving/sink-file.ts';
import { drainSink, encryptedSink, openSink, parseSinkKey, SinkRefused, SinkUnwritable } from '../../database/serving/sink.ts';
import { openStore, type Store } from '../../database/store.ts';
import { sealLine, type SinkEntry, type SinkLine } from '../../domain/serving/sink-line.ts';
import { temporaryFolder } from '../support/folders.ts';
import { createWorld, probity, SINK_KEY, sinkLines, until, withLoops, type World } from './support.ts';

const KEY = Buffer.from(SINK_KEY, 'base64');
let path = '';
beforeEach(() => {
  path = join(temporaryFolder('sink'), 'sink.jsonl');
});

const entryOf = (n: number): SinkEntry => ({
  entry: randomUUID(),
  at: new Date(n).toISOString(),
  store: 'shop',
  kind: 'consent',
  body: { kind: 'consent', subject: 'customer', key: `secret-${n}` },
});

async function read(key = KEY): Promise<SinkLine[]> {
  const lines: SinkLine[] = [];
  for await (const line of encryptedSink(fileLines(path), key).read()) lines.push(line);
  return lines;
}

const kinds = (lines: readonly SinkLine[]): string[] => lines.map(({ kind }) => kind);

test('what was written is read again, by its key alone, and says nothing without it', async () => {
  const entries = [entryOf(1), entryOf(2)];
  await encryptedSink(fileLines(path), KEY).append(entries);
  expect((await read()).map((line) => (line.kind === 'entry' ? line.entry : line))).toEqual(entries);
  expect(kinds(await read(randomBytes(32)))).toEqual(['other key', 'other key']);
  expect(readFileSync(path, 'latin1')).not.toContain('secret');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a write that was cut off is told from a line that was altered', async () => {
  const sink = encryptedSink(fileLines(path), KEY);
  await sink.append([entryOf(1)]);
  const torn = sealLine(entryOf(2), KEY, randomBytes(12));
  appendFileSync(path, torn.slice(0, torn.length - 20));
  expect(kinds(await read())).toEqual(['entry', 'torn']);
  await sink.append([entryOf(3)]);
  expect(kinds(await read())).toEqual(['entry', 'torn', 'entry']);

  const lines = readFileSync(path, 'utf8').trim().split('\n');
  const swap = (from: RegExp, to: string): void =>
    writeFileSync(path, lines.map((line, index) => (index === 0 ? line.replace(from, to) : line)).join('\n'));
  for (const [from, to] of [
    [/"store":"shop"/, '"store":"other"'],
    [/"kind":"consent"/, '"kind":"hold"'],
    [/"box":"./, '"box":"_'],
    [/"nonce":"../, '"nonce":"AA'],
    [/,"v"/, ',v'],
  ] as const) {
    swap(from, to);
    if (readFileSync(path, 'utf8') !== lines.join('\n')) expect(kinds(await read())[0]).toBe('damaged');
  }
  swap(/"entry":"[^"]+"/, `"entry":"${randomUUID()}"`);
  expect(kinds(await read())[0]).toBe('damaged');
});

test('processes that write at once, one of them killed, lose no line that was acknowledged', async () => {
  const code = `
    import { fileLines } from ${JSON.stringify(new URL('../../database/serving/sink-file.ts', import.meta.url).href)};
    const [, path, name] = process.argv;
    const lines = fileLines(path);
    for (let n = 0; ; n++) {
      await lines.append([name + ' ' + n + ' ' + 'x'.repeat(2000), name + ' again ' + n]);
      process.stdout.write(name + ' ' + n + '\\n');
    }`;
  const children = ['one', 'two', 'three'].map((name) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code, path, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    return { child, acknowledged: () => out.split('\n').slice(0, -1) };
  });
  await until('all write', () => Promise.resolve(children.every(({ acknowledged }) => acknowledged().length > 20)));
  for (const { child } of children) child.kill('SIGKILL');
  await Promise.all(children.map(({ child }) => once(child, 'close')));
  const there = new Set<string>();
  for await (const line of fileLines(path).read()) there.add(line.replace(/ x+$/, ''));
  for (const line of children.flatMap(({ acknowledged }) => acknowledged())) expect(there.has(line)).toBe(true);
});

test('a bucket, a wrong key and a full disk are refused in a sentence', async () => {
  expect(() => openSink({ file: 's3://bucket/sink', key: SINK_KEY }, {})).toThrow(/bucket .* is not there yet/);
  expect(() => openSink({ file: 'gs://bucket/sink', key: SINK_KEY }, {})).toThrow(SinkRefused);
  expect(() => parseSinkKey('short')).toThrow(/32 bytes/);
  expect(parseSinkKey(KEY.toString('hex'))).toEqual(KEY);
  await expect(fileLines('/dev/full').append(['x'])).rejects.toThrow(SinkUnwritable);
  const file = join(temporaryFolder('key'), 'sink.key');
  createSinkKey(file);
  expect(parseSinkKey(readFileSync(file, 'utf8'))).toHaveLength(32);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

let world: World;
let store: Store;
beforeAll(async () => {
  world = await createWorld({ sink: true });
  store = openStore({ name: 'shop', url: world.shop.url });
});
afterAll(async () => {
  await store.close();
  await world.close();
});

test('who drains beside another waits for its rows; a killed drainer repeats an entry under its own id', async () => {
  await world.record(1, 'withdrawn');
  const sink = openSink({ file: path, key: SINK_KEY }, {});
  const [reached, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let done = false;
  const first = drainSink(store, sink, async () => {
    reached.resolve();
    await go.promise;
  });
  await reached.promise;
  const second = drainSink(store, sink).then((rows) => {
    done = true;
    return rows;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const early = done;
  go.resolve();
  expect(early).toBe(false);
  expect(await first).toBe(1);
  expect(await second).toBe(0);

  await world.record(2, 'withdrawn');
  await expect(drainSink(store, sink, () => Promise.reject(new Error('killed')))).rejects.toThrow('killed');
  expect(await drainSink(store, sink)).toBe(1);
  const ids = (await read()).map((line) => (line.kind === 'entry' ? line.entry.entry : ''));
  expect(ids).toHaveLength(3);
  expect(new Set(ids).size).toBe(2);
});

test('a grant needs no sink; a withdrawal, a hold and its end do, and are told to be durable only when they are', async () => {
  await world.record(3, 'granted');
  expect(await world.home('select from probity.sink_queue')).toEqual([]);
  const placed = await probity(world, ['hold', 'add', '--table', 'customer', '--all', '--reason', 'Case 12', '--id', 'H-12']);
  expect([placed.code, placed.err]).toEqual([0, '']);
  expect(sinkLines(world)).toHaveLength(1);
  expect(await world.home('select from probity.sink_queue')).toEqual([]);
  const released = await probity(world, ['hold', 'release', 'H-12', '--reason', 'closed']);
  expect([released.code, released.err]).toEqual([0, '']);
  expect(sinkLines(world)).toHaveLength(2);

  const full = await probity(world, ['hold', 'add', '--table', 'customer', '--all', '--reason', 'Case 13', '--id', 'H-13'], {
    PROBITY_SINK: '/dev/full',
  });
  expect(full.code).toBe(1);
  expect(full.out).toContain('H-13 is in force');
  expect(full.err).toContain('in force, but not durable yet: The sink /dev/full cannot be written (ENOSPC)');
  expect(sinkLines(world)).toHaveLength(2);
  await withLoops(world, async () => {
    await until('a worker writes it', async () => (await world.home('select from probity.sink_queue')).length === 0);
  });
  expect(sinkLines(world)).toHaveLength(3);
  expect(JSON.stringify(sinkLines(world))).not.toContain('Case');
});
