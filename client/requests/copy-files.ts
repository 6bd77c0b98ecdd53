import { createHash, randomBytes } from 'node:crypto';
import { access, chmod, link, mkdir, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Refused } from '../refused.ts';

/** A copy is as personal as the tables that it comes from. */
const OWNER_ONLY = 0o600;
const OWNERS_FOLDER = 0o700;
/** Written at once; a write of each row would cost more than the row. Characters. */
const BUFFER = 65_536;

/** A file that appears under its name only when it is whole. */
export interface CopyFile {
  readonly name: string;
  readonly write: (text: string) => Promise<void>;
  /** SHA-256 of what was written. */
  readonly finish: () => Promise<string>;
}

/** Files of one copy in a folder: all of them appear, or none. */
export class CopyFiles {
  readonly #folder: string;
  readonly #force: boolean;
  readonly #open: { name: string; part: string; handle: FileHandle }[] = [];
  readonly #placed: string[] = [];

  private constructor(folder: string, force: boolean) {
    this.#folder = folder;
    this.#force = force;
  }

  /** Throws `Refused` where the folder cannot be written, or one of the names is taken and is not to be replaced. Never quotes the folder. */
  static async at(folder: string, names: readonly string[], force: boolean): Promise<CopyFiles> {
    await mkdir(folder, { recursive: true, mode: OWNERS_FOLDER }).catch(() => {
      throw new Refused('The folder of --out cannot be made');
    });
    const files = new CopyFiles(folder, force);
    if (!force) for (const name of names) await files.#refuseTaken(name);
    return files;
  }

  async create(name: string): Promise<CopyFile> {
    if (!this.#force) await this.#refuseTaken(name);
    const part = join(this.#folder, `.${name}.${randomBytes(4).toString('hex')}.part`);
    const handle = await open(part, 'wx', OWNER_ONLY).catch(() => {
      throw new Refused('The folder of --out cannot be written');
    });
    this.#open.push({ name, part, handle });
    // A mask of the process may have taken rights away, and never gives any.
    await chmod(part, OWNER_ONLY);
    const hash = createHash('sha256');
    let pending = '';
    const flush = async (): Promise<void> => {
      const text = pending;
      pending = '';
      hash.update(text, 'utf8');
      await handle.write(text);
    };
    return {
      name,
      write: async (text) => {
        pending += text;
        if (pending.length >= BUFFER) await flush();
      },
      finish: async () => {
        await flush();
        await handle.sync();
        return hash.digest('hex');
      },
    };
  }

  /** Gives all files their names. */
  async place(): Promise<void> {
    for (const { name, part, handle } of this.#open) {
      await handle.close();
      const file = join(this.#folder, name);
      if (this.#force) await rename(part, file);
      else {
        // Unlike a rename, a link never replaces a file that came meanwhile.
        await link(part, file).catch(() => {
          throw taken(name);
        });
        await unlink(part);
      }
      this.#placed.push(file);
    }
    this.#open.length = 0;
  }

  /** Removes what was written, also what has its name already. */
  async discard(): Promise<void> {
    for (const { part, handle } of this.#open.splice(0)) {
      await handle.close().catch(() => undefined);
      await unlink(part).catch(() => undefined);
    }
    for (const file of this.#placed.splice(0)) await unlink(file).catch(() => undefined);
  }

  async #refuseTaken(name: string): Promise<void> {
    const there = await access(join(this.#folder, name)).then(
      () => true,
      () => false,
    );
    if (there) throw taken(name);
  }
}

function taken(name: string): Refused {
  return new Refused(`${name} is there already in the folder, and is not overwritten (--force does it)`);
}
