import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { isAlive } from '../../scripts/services/processes.ts';
import { leakedProcesses, RUN_MARKER } from '../support/leaks.ts';

/** For the shell to end, which is no leak. */
const GRACE_MS = 5_000;
/** For a killed process to go, on a busy machine. */
const ENDED_MS = 20_000;

test.runIf(process.platform === 'linux')('a process that a test leaves behind is found, named and ended', async () => {
  // Another run of this file may be going on beside us.
  const marker = randomUUID();
  // The shell ends at once, so that the sleep belongs to nobody.
  const shell = spawn('/bin/sh', ['-c', 'sleep 600 > /dev/null & echo $!'], { env: { PATH: '/usr/bin:/bin', [RUN_MARKER]: marker } });
  const pid = await new Promise<number>((done) => shell.stdout.setEncoding('utf8').once('data', (text: string) => done(Number(text))));
  expect(await leakedProcesses(marker, GRACE_MS)).toEqual([`  ${pid} sleep 600`]);
  await expect.poll(() => isAlive(pid), { timeout: ENDED_MS }).toBe(false);
  expect(await leakedProcesses(marker)).toEqual([]);
});
