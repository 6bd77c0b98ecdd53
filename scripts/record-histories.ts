import { spawn } from 'node:child_process';
import { join } from 'node:path';

/**
 * Records the workflow histories that the tests replay, of scenarios that have none yet. It is a test run of its own kind, since it needs the
 * tests' services.
 */
const root = join(import.meta.dirname, '..');
const child = spawn(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'replay.test.ts'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PROBITY_RECORD_HISTORIES: '1' },
});
child.on('exit', (code) => (process.exitCode = code ?? 1));
