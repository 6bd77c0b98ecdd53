import { readFile, writeFile } from 'node:fs/promises';
import { GENERATOR } from '../domain/html.ts';
import { Refused } from './refused.ts';

/** Writes a page. One of ours is replaced by a newer one; any other file is left alone. Throws `Refused` when it cannot be written. */
export async function writeReport(file: string, page: string): Promise<void> {
  let there: string | null = null;
  try {
    there = await readFile(file, 'utf8');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw new Refused(`${file} is there, and cannot be read`);
  }
  if (there !== null && there !== '' && !there.includes(GENERATOR))
    throw new Refused(`${file} is there already, is no page of ours, and is not overwritten`);
  try {
    await writeFile(file, page);
  } catch {
    throw new Refused(`${file} cannot be written`);
  }
}
