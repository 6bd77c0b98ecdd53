import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { draft } from '../../client/init.ts';
import { Refused } from '../../client/refused.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';

interface Options {
  readonly out: string;
  readonly organisation?: string;
  readonly timezone?: string;
}

export function initCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('init')
    .description('Draft a manifest from live databases, which are only read. Every guess is marked with its reason.')
    .argument('[database...]', 'a postgres:// URL or the environment variable that holds one, optionally as store=…', ['DATABASE_URL'])
    .option('--out <file>', 'where to write it; never overwritten; - prints it', 'probity.yaml')
    .option('--organisation <name>', 'the organisation that the manifest is for')
    .option('--timezone <zone>', 'in which days and years are counted', 'UTC')
    .addHelpText(
      'after',
      examples('probity init DATABASE_URL', 'probity init shop=DATABASE_URL support=SUPPORT_DATABASE_URL --timezone Europe/Berlin'),
    )
    .action(async (stores: readonly string[], { out, organisation, timezone }: Options) => {
      if (out !== '-' && existsSync(out)) throw new Refused(`${out} is there already and is not overwritten: name another file with --out`);
      const { yaml, guesses, notes, expected } = await draft({
        stores,
        env: io.env,
        ...(organisation && { organisation }),
        ...(timezone && { timezone }),
      });
      if (out === '-') return io.out(yaml.trimEnd());
      await mkdir(dirname(out), { recursive: true });
      await writeFile(out, yaml, { flag: 'wx' });
      for (const note of notes) io.err(`not included: ${note}`);
      io.out(`${colours.green('✓')} ${out}: ${guesses.length} guesses to review, each marked "# guess" with its reason`);
      const missing = expected.filter(({ value }) => value !== null);
      if (missing.length > 0) io.out('the file holds no password; before the next step set, with yours in place of PASSWORD:');
      for (const { variable, value } of missing) io.out(`  export ${variable}='${value!.replaceAll("'", "'\\''")}'`);
      const set = expected.filter(({ value }) => value === null).map(({ variable }) => variable);
      if (set.length > 0) io.out(`the file expects ${set.join(' and ')} in the environment, as here`);
      io.out(`next: probity check --manifest ${out}, then probity retention plan --manifest ${out}`);
    });
}
