import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, constants, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { postgresBinaries } from './postgres-binaries.ts';
import type { PostgresMajor } from './postgres-binaries.ts';

/** Whom PostgreSQL runs as. It refuses root, and root may become anybody. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** In this order: the account made for it where one exists; otherwise the one that owns nothing and is everywhere. We add no account. */
const ACCOUNTS = ['postgres', 'nobody'] as const;

const idOf = (flag: '-u' | '-g', name: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));

/** Undefined for a normal user: then PostgreSQL runs as that user. */
export const serverUser = (): ServerUser | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ACCOUNTS) {
    try {
      return { name, uid: idOf('-u', name), gid: idOf('-g', name) };
    } catch {
      // Not on this machine.
    }
  }
  throw new Error(
    `PostgreSQL does not run as root, and neither ${ACCOUNTS.join(' nor ')} exists here: run as a normal user, or set DATABASE_URL`,
  );
};

/** Asked of the system and not computed from modes: access lists and mounts have a say too. */
const canEnter = (user: ServerUser, folder: string): boolean =>
  spawnSync('/bin/sh', ['-c', 'test -x "$1" && test -r "$1"', 'sh', folder], { cwd: '/', uid: user.uid, gid: user.gid, stdio: 'ignore' })
    .status === 0;

/** Names the folder outside that holds what could not stay inside; `removePostgres` follows it. */
const POINTER = 'elsewhere';

/** Survives restarts of the machine and is not swept by age, unlike a temporary folder; that is the last resort. */
const elsewhereParents = (): readonly string[] => ['/var/lib', '/var/tmp', tmpdir()];

/** The folder outside that belongs to `dir`, recorded before anything is put into it. Its name keeps two clones apart. */
const makeElsewhere = (dir: string, user: ServerUser): string => {
  const pointer = join(dir, POINTER);
  if (existsSync(pointer)) {
    const known = readFileSync(pointer, 'utf8').trim();
    mkdirSync(known, { recursive: true, mode: 0o711 });
    return known;
  }
  const name = `probity-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`;
  for (const parent of elsewhereParents()) {
    if (!canEnter(user, parent)) continue;
    const folder = join(parent, name);
    try {
      writeFileSync(pointer, `${folder}\n`);
      mkdirSync(folder, { recursive: true, mode: 0o711 });
      return folder;
    } catch {
      rmSync(pointer, { force: true });
    }
  }
  throw new Error(
    `The user ${user.name} can enter no folder for PostgreSQL's data (tried ${elsewhereParents().join(', ')}); set PROBITY_STATE to one that it can`,
  );
};

export interface Place {
  /** With bin/, lib/ and share/ in it. */
  readonly binaries: string;
  readonly data: string;
  /** Undefined for a normal user. */
  readonly user: ServerUser | undefined;
  /** Set when something had to go outside `dir`. */
  readonly elsewhere: string | undefined;
}

/**
 * Where this server's programs and data are. Both stay where they are if the server's user can reach them; a checkout in a folder that only
 * root may enter is copied past (programs) and kept out of (data). The same `dir` gives the same place every time.
 */
export const postgresPlace = (dir: string, major: PostgresMajor): Place => {
  const { folder, version } = postgresBinaries(major);
  const user = serverUser();
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  if (user === undefined) return { binaries: folder, data: join(dir, 'data'), user, elsewhere: undefined };

  chmodSync(dir, 0o711);
  let elsewhere = existsSync(join(dir, POINTER)) ? makeElsewhere(dir, user) : undefined;

  let binaries = folder;
  if (!canEnter(user, join(folder, 'bin', 'postgres'))) {
    elsewhere ??= makeElsewhere(dir, user);
    binaries = join(elsewhere, `programs-${version}`);
    if (!existsSync(binaries)) {
      const half = `${binaries}.half`;
      rmSync(half, { recursive: true, force: true });
      // A clone on file systems that share blocks; the links between libraries stay links.
      cpSync(folder, half, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
      execFileSync('mv', [half, binaries]);
    }
  }

  const inside = join(dir, 'data');
  const outside = elsewhere === undefined ? undefined : join(elsewhere, 'data');
  // `dir` lets others pass since the chmod above, so what decides are the folders over it.
  const reachable =
    spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', dir], { cwd: '/', uid: user.uid, gid: user.gid, stdio: 'ignore' }).status === 0;
  let data = inside;
  if (!reachable) data = outside ?? join((elsewhere = makeElsewhere(dir, user)), 'data');
  if (!existsSync(data)) mkdirSync(data, { mode: 0o700 });
  chownSync(data, user.uid, user.gid);
  return { binaries, data, user, elsewhere };
};

/** What `dir` holds outside itself, if anything. */
export const elsewhereOf = (dir: string): string | undefined => {
  const pointer = join(dir, POINTER);
  const folder = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : '';
  // A pointer that was tampered with or cut short must not make us remove anything else.
  return /^probity-[0-9a-f]{12}$/.test(basename(folder)) ? folder : undefined;
};

/** What any server's folder below `root` holds outside itself: for a cleaner who does not know which servers there were. */
export const allElsewhere = (root: string): readonly string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => basename(path) === POINTER)
    .map((path) => elsewhereOf(join(root, dirname(path))))
    .filter((folder) => folder !== undefined);
