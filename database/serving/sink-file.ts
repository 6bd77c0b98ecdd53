import { constants, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { SinkUnreadable, SinkUnwritable, type Lines } from './lines.ts';

/** Its owner alone may read it: it says who withdrew what. */
const MODE = 0o600;
const BREAK = '\n';

/**
 * Lines in a file that only grows. Each batch is one write of whole lines at the end (`O_APPEND`), which local file systems keep apart from
 * the writes of other processes, and begins with a line break: whatever a crash or a full disk left behind stays a line of its own.
 */
export function fileLines(path: string): Lines {
  return {
    name: path,
    append: async (lines) => {
      if (lines.length > 0) await naming('written', path, SinkUnwritable, () => append(path, `${BREAK}${lines.join(BREAK)}${BREAK}`));
    },
    read: () => readLines(path),
  };
}

async function append(path: string, text: string): Promise<void> {
  const { file, created } = await openForAppending(path);
  try {
    const bytes = Buffer.from(text, 'utf8');
    const { bytesWritten } = await file.write(bytes);
    // The rest must not follow behind what another process wrote meanwhile: the whole batch is written again.
    if (bytesWritten < bytes.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
    await file.datasync();
  } finally {
    await file.close();
  }
  if (created) await syncFolder(dirname(path));
}

async function openForAppending(path: string): Promise<{ readonly file: FileHandle; readonly created: boolean }> {
  const flags = constants.O_WRONLY | constants.O_APPEND;
  try {
    return { file: await open(path, flags), created: false };
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return { file: await open(path, flags | constants.O_CREAT, MODE), created: true };
  }
}

/** A new file outlives a crash when its folder's entry does. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function* readLines(path: string): AsyncIterable<string> {
  const file = await naming('read', path, SinkUnreadable, () => open(path, constants.O_RDONLY));
  try {
    const stats: Stats = await file.stat();
    if (!stats.isFile()) throw new SinkUnreadable(`The sink ${path} is not a file`);
    if (stats.size === 0) return;
    const stream = file.createReadStream({ autoClose: false, encoding: 'utf8', end: stats.size - 1 });
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) if (line !== '') yield line;
  } catch (error) {
    throw error instanceof SinkUnreadable ? error : new SinkUnreadable(sentence('read', path, error));
  } finally {
    await file.close();
  }
}

async function naming<T>(what: string, path: string, kind: new (message: string) => Error, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw new kind(sentence(what, path, error));
  }
}

function sentence(what: string, path: string, error: unknown): string {
  return `The sink ${path} cannot be ${what} (${codeOf(error) ?? 'unknown error'})`;
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}
