import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the checkout. */
export const projectRoot: string = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Others may pass through the folder but not list it: when root starts PostgreSQL it runs as another user and has to reach its data below.
 * Whatever is secret in there is a file that only its owner can read.
 */
const PASS_THROUGH = 0o711;

/** Where everything that `npm start` makes lives: `.probity/` in the checkout, or where `PROBITY_STATE` says. It may not exist yet. */
export const stateFolder = (): string => resolve(process.env['PROBITY_STATE'] ?? join(projectRoot, '.probity'));

/** The state folder, or a folder in it, made if it is missing. */
export const makeStateFolder = (...below: readonly string[]): string => {
  const folder = join(stateFolder(), ...below);
  mkdirSync(folder, { recursive: true, mode: PASS_THROUGH });
  return folder;
};

/** Downloads and builds that all clones of one user share. `npm run reset` leaves it alone. */
export const cacheFolder = (): string => join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'probity');
