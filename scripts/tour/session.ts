import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeStateFolder, stateFolder } from '../paths.ts';
import { isAlive } from '../services/processes.ts';

/** What a second terminal needs to use the services of a running tour: `set -a; . .probity/session.env`. */
const FILE = 'session.env';
const OWNER = 'PROBITY_TOUR_PROCESS';

export function writeSession(env: Readonly<Record<string, string>>): string {
  const file = join(makeStateFolder(), FILE);
  const lines = Object.entries({ ...env, [OWNER]: String(process.pid) }).map(
    ([name, value]) => `${name}='${value.replaceAll("'", `'\\''`)}'`,
  );
  // Passwords of our own servers are in it.
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  return file;
}

export function removeSession(): void {
  rmSync(join(stateFolder(), FILE), { force: true });
}

/** The settings of a tour that runs now; null when none does. */
export function readSession(): Readonly<Record<string, string>> | null {
  const file = join(stateFolder(), FILE);
  if (!existsSync(file)) return null;
  const found = [...readFileSync(file, 'utf8').matchAll(/^(\w+)='(.*)'$/gm)].map(
    ([, name = '', value = '']) => [name, value.replaceAll(`'\\''`, "'")] as const,
  );
  const { [OWNER]: owner, ...env } = Object.fromEntries(found);
  return isAlive(Number(owner)) ? env : null;
}
