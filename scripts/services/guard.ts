import { spawn } from 'node:child_process';

/**
 * Waits for the end of its input, then stops the process and removes the folders. Its input is a pipe that only we hold, so it ends when we
 * do, however we die: a service outlives neither kill -9 nor a closed terminal. An exit hook could not promise that.
 */
const SCRIPT = `
cat > /dev/null
pid=$1; signal=$2; shift 2
kill -s "$signal" "$pid" 2> /dev/null
tries=0
alive() { kill -0 "$pid" 2> /dev/null && ! grep -q ') Z ' "/proc/$pid/stat" 2> /dev/null; }
while alive && [ "$tries" -lt 300 ]; do tries=$((tries + 1)); sleep 0.1; done
kill -s KILL "$pid" 2> /dev/null
for folder in "$@"; do rm -rf "$folder"; done
`;

export interface Guard {
  /** Call before the service is stopped on purpose: later its process id may belong to somebody else. */
  dismiss(): void;
}

/** Sees to it that `pid` is stopped with `signal` (INT, TERM …) when this process ends without having stopped it. */
export const guard = (pid: number, signal: 'INT' | 'TERM', removeFolders: readonly string[] = []): Guard => {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'guard', String(pid), signal, ...removeFolders], {
    cwd: '/',
    // A session of its own: Ctrl-C reaches everything in the terminal's foreground, and the guard must survive that.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  const pipe = child.stdin as unknown as { unref?: () => void };
  pipe.unref?.();
  return { dismiss: () => void child.kill('SIGKILL') };
};
