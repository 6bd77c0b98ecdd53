import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { createMasterKey } from '../../client/master-key.ts';
import { Refused } from '../../client/refused.ts';
import { createSigningKey, createSinkKey } from '../../client/signing.ts';
import { rewrapVault } from '../../client/vault.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';

interface CreateOptions {
  readonly sink?: boolean;
  readonly master?: boolean;
}

export function keysCommand(context: Context): Command {
  const { io, colours } = context;
  const group = new Command('keys').description('Keys that sign certificates, encrypt the sink, and encrypt whom requests are about.');
  group
    .command('create')
    .description(
      'Make a key and write it to a file that only its owner can read; never overwritten. Without an option an Ed25519 key that signs.',
    )
    .argument('<file>', 'where to write it')
    .option('--sink', 'a key that encrypts the sink: keep a copy where the database is not')
    .option('--master', 'a key that encrypts whom requests are about: keep a copy where the database is not')
    .addHelpText(
      'after',
      examples(
        'probity keys create /etc/probity/signing-key.pem',
        'probity keys create --sink /etc/probity/sink.key',
        'probity keys create --master /etc/probity/master.key',
      ),
    )
    .action((file: string, { sink, master }: CreateOptions) => {
      if (sink === true && master === true) throw new Refused('A key is for the sink or is the master key, never both');
      if (existsSync(file)) throw new Refused(`${file} is there already: a key is never overwritten`);
      if (sink === true) {
        createSinkKey(file);
        return io.out(`${colours.green('✓')} ${file}; give it to whoever records consent: PROBITY_SINK_KEY=$(cat ${file})`);
      }
      if (master === true) {
        createMasterKey(file);
        return io.out(`${colours.green('✓')} ${file}; give it to workers and whoever takes in requests: PROBITY_MASTER_KEY_FILE=${file}`);
      }
      createSigningKey(file);
      io.out(`${colours.green('✓')} ${file}; give it to workers: PROBITY_SIGNING_KEY_FILE=${file}`);
    });
  group
    .command('rewrap')
    .description('After a new master key: wrap everything by it, so that the old one can go. Nothing is decrypted but keys.')
    .addHelpText('after', examples('cat new.key old.key > master.key && probity keys rewrap'))
    .action(async (_options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const done = await rewrapVault(project);
        const left = Object.entries(done.left);
        if (left.length > 0) context.exit(EXIT.findings);
        if (json) return io.out(JSON.stringify(done, null, 2));
        io.out(`${colours.green('✓')} ${count(done.rewrapped)} requests wrapped by ${done.keyId} now`);
        for (const [keyId, requests] of left)
          io.out(
            `${colours.yellow('!')} ${count(requests)} stay under ${keyId}: give its key too, behind the new one, and do not throw it away`,
          );
        if (left.length === 0) io.out('Nothing is under another key: older master keys can go');
      });
    });
  return group;
}
