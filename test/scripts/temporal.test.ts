import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterEach, expect, test, vi } from 'vitest';
import { isAlive } from '../../scripts/services/processes.ts';
import { startTemporal } from '../../scripts/services/temporal.ts';
import { findTemporal } from '../../scripts/services/temporal-binary.ts';
import { temporaryFolder } from '../support/folders.ts';

afterEach(() => vi.unstubAllEnvs());

const SYSTEM_PATH = '/usr/bin:/bin';

const program = (folder: string, name: string, script: string): string => {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
};

/** Stands for Go: puts a program where GOBIN says, slowly enough that two would meet, and keeps a count. */
const fakeGo = (folder: string): string =>
  program(
    folder,
    'go',
    `echo once >> ${folder}/builds; sleep 1; printf '#!/bin/sh\\nexit 0\\n' > "$GOBIN/temporal"; chmod 755 "$GOBIN/temporal"`,
  );

test('a command on the PATH comes first, then the cache', async () => {
  const bin = join(temporaryFolder(), 'bin');
  const cache = temporaryFolder();
  vi.stubEnv('XDG_CACHE_HOME', cache);
  vi.stubEnv('PATH', `${bin}:${SYSTEM_PATH}`);
  const cached = program(join(cache, 'probity', 'temporal-1.5.1'), 'temporal', 'exit 0');
  expect(await findTemporal({ ways: [] })).toBe(cached);
  const installed = program(bin, 'temporal', 'exit 0');
  expect(await findTemporal({ ways: [] })).toBe(installed);
  // Something else of that name, or one too old to have a development server.
  program(bin, 'temporal', 'exit 1');
  expect(await findTemporal({ ways: [] })).toBe(cached);
});

test('two that need it at once build it once, and nothing half done is left', async () => {
  const bin = temporaryFolder();
  const cache = temporaryFolder();
  vi.stubEnv('XDG_CACHE_HOME', cache);
  vi.stubEnv('PATH', `${bin}:${SYSTEM_PATH}`);
  fakeGo(bin);
  const [one, two] = await Promise.all([findTemporal({ ways: ['build'] }), findTemporal({ ways: ['build'] })]);
  expect(one).toBe(two);
  expect(readFileSync(join(bin, 'builds'), 'utf8')).toBe('once\n');
  expect(readdirSync(join(cache, 'probity', 'temporal-1.5.1'))).toEqual(['temporal']);
});

test('a lock whose holder died is taken over', async () => {
  const bin = temporaryFolder();
  const cache = temporaryFolder();
  vi.stubEnv('XDG_CACHE_HOME', cache);
  vi.stubEnv('PATH', `${bin}:${SYSTEM_PATH}`);
  fakeGo(bin);
  const lock = join(cache, 'probity', 'temporal-1.5.1', 'lock');
  mkdirSync(lock, { recursive: true });
  // Beyond the highest process id that Linux gives out.
  writeFileSync(join(lock, 'pid'), '4194999');
  expect(existsSync(await findTemporal({ ways: ['build'] }))).toBe(true);
});

test('where none can be had, the error lists every way to provide one', async () => {
  vi.stubEnv('XDG_CACHE_HOME', temporaryFolder());
  vi.stubEnv('PATH', SYSTEM_PATH);
  const said: string[] = [];
  const failed = findTemporal({ ways: ['build'], log: (line) => said.push(line) });
  await expect(failed).rejects.toThrow(/TEMPORAL_ADDRESS[^]*PATH[^]*temporal\.download[^]*go install[^]*copy/);
  expect(said.join('\n')).toContain('no go on the PATH');
});

test('a server keeps its address and its namespaces over a stop and a kill', async () => {
  const service = await startTemporal({ dir: temporaryFolder('temporal'), namespace: 'shop' });
  const pid = service.pid();
  try {
    const register = async (): Promise<void> => {
      const connection = await Connection.connect({ address: service.address });
      await connection.workflowService.registerNamespace({
        namespace: 'made-later',
        workflowExecutionRetentionPeriod: msToTs('1 day'),
      });
      await connection.close();
    };
    await register();
    await service.stop();
    await service.restart();
    await service.kill9();
    await service.restart();
    // Taken: so the first registration was kept.
    await expect(register()).rejects.toThrow(/already exists/i);
  } finally {
    await service.stop();
  }
  expect(pid === undefined || isAlive(pid)).toBe(false);
});
