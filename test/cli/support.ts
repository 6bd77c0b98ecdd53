import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { RUN_MARKER } from '../support/leaks.ts';

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
}

/** Runs a script of the project as its users do: a process of its own, with no more of our environment than it needs. */
export function runScript(script: string, args: readonly string[], { env = {}, cwd, input = '' }: RunOptions = {}): Promise<Ran> {
  const child = spawn(process.execPath, [resolve(script), ...args], { cwd, env: { ...bareEnvironment(), ...env }, stdio: 'pipe' });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  // A command that does not read its input may be gone before we have written it.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => done({ code, ...said }));
  });
}

/** Nothing that would make a command find settings of whoever runs the tests; the mark by which leaked processes are found. */
export function bareEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'XDG_CACHE_HOME', RUN_MARKER];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

export const probity = (args: readonly string[], options?: RunOptions): Promise<Ran> => runScript('cli/main.ts', args, options);

/** What `--json` printed; fails with everything that was said when the command failed. */
export async function probityJson<T>(args: readonly string[], options?: RunOptions, fine: readonly number[] = [0]): Promise<T> {
  const ran = await probity([...args, '--json'], options);
  if (ran.code === null || !fine.includes(ran.code))
    throw new Error(`probity ${args.join(' ')} ended with ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
  return JSON.parse(ran.stdout) as T;
}
