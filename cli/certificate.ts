import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { CertificateFile } from '../client/evidence.ts';
import { Refused } from '../client/refused.ts';
import type { Context } from './context.ts';

/** Hands a certificate over: to standard output (`-`), or into a file that is not there yet. */
export async function handOver({ io, colours }: Context, file: CertificateFile, out: string): Promise<void> {
  const text = JSON.stringify(file, null, 2);
  if (out === '-') return io.out(text);
  if (existsSync(out)) throw new Refused(`${out} is there already and is not overwritten`);
  await writeFile(out, `${text}\n`, { flag: 'wx' });
  io.out(`${colours.green('✓')} written to ${out}; check it: probity evidence verify ${out}`);
}
