import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
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

/** Its presence says that the whole folder is ours to remove. */
const MARK = 'made-by-probity';

/** The state folder, or a folder in it, made if it is missing. */
export const makeStateFolder = (...below: readonly string[]): string => {
  const state = stateFolder();
  if (!existsSync(state)) {
    mkdirSync(state, { recursive: true, mode: PASS_THROUGH });
    writeFileSync(join(state, MARK), 'Everything in this folder can be made again: npm run reset removes it.\n');
  }
  const folder = join(state, ...below);
  mkdirSync(folder, { recursive: true, mode: PASS_THROUGH });
  return folder;
};

/** Whether we made the state folder: PROBITY_STATE may name one that somebody else uses too. */
export const isStateFolderOurs = (): boolean => existsSync(join(stateFolder(), MARK)) || stateFolder() === join(projectRoot, '.probity');

/** Downloads and builds that all clones of one user share. `npm run reset` leaves it alone. */
export const cacheFolder = (): string => join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'probity');
