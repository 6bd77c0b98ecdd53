import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';
import { manifestText } from './shop.ts';
import { probity } from './support.ts';

/** A port on which nothing listens. */
const NOWHERE = '127.0.0.1:1';

test('help tells what each command does, with examples, and ends with 0', async () => {
  for (const command of ['', 'retention run', 'hold add', 'worker']) {
    const { code, stdout } = await probity([...command.split(' ').filter((word) => word !== ''), '--help']);
    expect([command, code]).toEqual([command, 0]);
    expect(stdout).toContain('Usage: probity');
    if (command !== '') expect(stdout).toMatch(/Examples:\n {2}\$ .*probity/);
  }
});

test('wrong usage ends with 2 and says what would be right', async () => {
  for (const [args, said] of [
    [['nothing'], "unknown command 'nothing'"],
    [['retention', 'plan', '--tabel', 'x'], '--table'],
    [['hold', 'add', '--table', 'x'], '--reason'],
    [['retention', 'list', '--limit', 'many'], 'whole number'],
    [['check'], 'probity.yaml'],
    [['retention', 'plan'], 'probity.yaml'],
  ] as const) {
    const { code, stdout, stderr } = await probity(args, { cwd: temporaryFolder() });
    expect([args, code]).toEqual([args, 2]);
    expect(stdout + stderr).toContain(said);
  }
});

test('a variable that is not set, a store and a Temporal out of reach', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'probity.yaml'), manifestText('Nobody'));
  const unset = await probity(['retention', 'plan'], { cwd: folder });
  expect([unset.code, unset.stderr]).toEqual([2, expect.stringContaining('SHOP_URL')]);
  const env = { SHOP_URL: `postgres://nobody:hidden-word@${NOWHERE}/nothing`, TEMPORAL_ADDRESS: NOWHERE };
  for (const args of [['retention', 'plan'], ['migrate'], ['check'], ['schedules', 'diff'], ['retention', 'pause', 'some-run']]) {
    const { code, stdout, stderr } = await probity(args, { cwd: folder, env });
    expect([args, code]).toEqual([args, 4]);
    expect(stdout + stderr).not.toContain('hidden-word');
    expect(stdout + stderr).not.toContain('    at ');
  }
});

test('an error shows where it came from only when asked', async () => {
  const { stderr } = await probity(['retention', 'plan'], { cwd: temporaryFolder(), env: { PROBITY_DEBUG: '1' } });
  expect(stderr).toContain('    at ');
});

test('a signing key is made for its owner alone and never overwritten', async () => {
  const file = join(temporaryFolder(), 'key.pem');
  expect((await probity(['keys', 'create', file])).code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const before = readFileSync(file, 'utf8');
  expect((await probity(['keys', 'create', file])).code).toBe(2);
  expect(readFileSync(file, 'utf8')).toBe(before);
});

test('the schema for editors is printed', async () => {
  const { stdout } = await probity(['manifest', 'schema']);
  expect(JSON.parse(stdout)).toMatchObject({ title: 'Probity manifest' });
});
