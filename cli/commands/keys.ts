import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { createSigningKey } from '../../client/signing.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';

export function keysCommand({ io, colours }: Context): Command {
  const group = new Command('keys').description('Keys that sign certificates.');
  group
    .command('create')
    .description('Make an Ed25519 key and write it to a file that only its owner can read; never overwritten.')
    .argument('<file>', 'where to write it')
    .addHelpText('after', examples('probity keys create /etc/probity/signing-key.pem'))
    .action((file: string) => {
      if (existsSync(file)) throw new Refused(`${file} is there already: a key is never overwritten`);
      createSigningKey(file);
      io.out(`${colours.green('✓')} ${file}; give it to workers: PROBITY_SIGNING_KEY_FILE=${file}`);
    });
  return group;
}
