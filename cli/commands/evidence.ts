import { Command } from 'commander';
import { certificateOf, publicKeys, verifyFile, type VerifiedFile } from '../../client/evidence.ts';
import { handOver } from '../certificate.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

export function evidenceCommand(context: Context): Command {
  const { io } = context;
  const group = new Command('evidence').description('Certificates: check them offline, hand them over, list the keys that signed.');

  group
    .command('verify')
    .description('Check a certificate file without any service; exit code 1 names the first altered, missing or reordered record.')
    .argument('<file>', 'the certificate')
    .option('--key <file...>', 'public keys in PEM that you trust; without, only that the file agrees with itself is shown')
    .addHelpText('after', examples('probity evidence verify certificate.json', 'probity evidence verify certificate.json --key acme.pem'))
    .action(async (file: string, { key = [] }: { readonly key?: readonly string[] }, command: Command) => {
      const verified = await verifyFile(file, key);
      if (!verified.verification.valid) context.exit(EXIT.findings);
      if (context.globals(command).json) return io.out(JSON.stringify({ file, ...verified.verification }, null, 2));
      io.out(verdict(file, verified, key.length > 0, context));
    });

  group
    .command('export')
    .description('Write the certificate of a run, with the records that its chain heads commit to.')
    .argument('<run>', 'the id of the run')
    .option('--out <file>', 'where to write it; never overwritten', '-')
    .addHelpText('after', examples('probity evidence export retention-1f2e3d4c5b6a --out certificate.json'))
    .action(async (runId: string, { out }: { readonly out: string }, command: Command) => {
      await context.withProject(command, async (project) => {
        await handOver(context, await certificateOf(project, runId), out);
      });
    });

  group
    .command('keys')
    .description('List the public keys that have signed certificates, the oldest first: what an auditor is given.')
    .addHelpText('after', examples('probity evidence keys', 'probity evidence keys --json'))
    .action(async (_options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const keys = await publicKeys(project);
        if (json) return io.out(JSON.stringify(keys, null, 2));
        if (keys.length === 0) return io.out('No certificate has been signed yet');
        io.out(
          textTable(
            [{ title: 'key' }, { title: 'first used' }],
            keys.map((it) => [it.keyId, it.firstUsedAt.toISOString()]),
            io.width,
          ),
        );
        for (const { publicKey } of keys) io.out(publicKey.trimEnd());
      });
    });

  return group;
}

function verdict(file: string, { verification, file: read }: VerifiedFile, trusted: boolean, { colours }: Context): string {
  const bad = colours.red('✗');
  if (verification.valid) {
    const certificate = read?.certificate;
    const about = `certificate no. ${certificate?.serial ?? '?'} of ${certificate?.organisation ?? '?'}, run ${certificate?.run ?? '?'}, ${certificate?.outcome ?? '?'}`;
    const whose = trusted ? 'a key that you trust' : 'the key in the file (compare it with one from the organisation: --key)';
    return `${colours.green('✓')} ${file}: ${about}\n  signed by ${verification.keyId}, ${whose}; ${verification.records} records, none altered, missing or reordered`;
  }
  switch (verification.reason) {
    case 'format':
      return `${bad} ${file}: this is not a certificate of ours`;
    case 'signature':
      return `${bad} ${file}: the signature does not fit: the certificate was altered after it was signed`;
    case 'untrusted key':
      return `${bad} ${file}: signed by ${read?.certificate.keyId ?? 'a key'}, which is none of those that you trust`;
    case 'records': {
      const { fault, store, lane, seq } = verification.fault;
      return `${bad} ${file}: the first record that does not fit is ${fault}: record ${seq} of store ${store}, lane ${lane}`;
    }
  }
}
