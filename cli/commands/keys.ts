import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { createSigningKey, createSinkKey } from '../../client/signing.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';

export function keysCommand({ io, colours }: Context): Command {
  const group = new Command('keys').description('Keys that sign certificates and encrypt the sink.');
  group
    .command('create')
    .description(
      'Make a key and write it to a file that only its owner can read; never overwritten. Without --sink an Ed25519 key that signs.',
    )
    .argument('<file>', 'where to write it')
    .option('--sink', 'a key that encrypts the sink: keep a copy where the database is not')
    .addHelpText('after', examples('probity keys create /etc/probity/signing-key.pem', 'probity keys create --sink /etc/probity/sink.key'))
    .action((file: string, { sink }: { readonly sink?: boolean }) => {
      if (existsSync(file)) throw new Refused(`${file} is there already: a key is never overwritten`);
      if (sink === true) {
        createSinkKey(file);
        return io.out(`${colours.green('✓')} ${file}; give it to whoever records consent: PROBITY_SINK_KEY=$(cat ${file})`);
      }
      createSigningKey(file);
      io.out(`${colours.green('✓')} ${file}; give it to workers: PROBITY_SIGNING_KEY_FILE=${file}`);
    });
  return group;
}
