import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isStateFolderOurs, stateFolder } from './paths.ts';
import { removePostgres } from './services/postgres.ts';
import { removeTemporal } from './services/temporal.ts';

/** `npm run reset`: back to a fresh clone. Asks nothing, since all of it can be made again. */
const state = stateFolder();
if (!existsSync(state)) {
  console.log(`nothing to remove: ${state} does not exist`);
} else if (!isStateFolderOurs()) {
  console.error(`${state} was not made by this project: remove it yourself`);
  process.exitCode = 2;
} else {
  for (const { name } of readdirSync(state, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    const folder = join(state, name);
    // By what is in the folder and not by its name, which is whatever the quick start chose.
    const has = (file: string): boolean => existsSync(join(folder, file));
    const gone =
      has('password') || has('elsewhere') ? await removePostgres(folder) : has('temporal.log') ? await removeTemporal(folder) : [];
    for (const each of gone) console.log(`removed ${each}`);
  }
  rmSync(state, { recursive: true, force: true });
  console.log(`removed ${state}`);
}
