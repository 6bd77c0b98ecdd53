import { once } from 'node:events';
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { checkFile, liftTombstone, tombstones } from '../../client/tombstones.ts';
import type { Context } from '../context.ts';
import { tellDurability } from '../durability.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { IDENTITY_HELP, readWho, withIdentity, type IdentityOptions } from '../identity.ts';
import { count } from '../numbers.ts';
import { textTable } from '../table.ts';

interface CheckFlags {
  readonly subject?: string;
  readonly by: string;
  readonly column?: string;
  readonly at?: string;
  readonly purpose?: readonly string[];
  readonly from: string;
  readonly format?: string;
  readonly kept?: string;
}

/** Only its owner may read it: it is as personal as the file that was checked. */
const OWNER_ONLY = 0o600;

export function tombstonesCommand(context: Context): Command {
  const { io, colours } = context;
  const group = new Command('tombstones').description(
    'Keep whoever was erased from coming back by an import: keyed hashes of their keys and addresses.',
  );

  group
    .command('status')
    .description('Count them, by store.')
    .addHelpText('after', examples('probity tombstones status', 'probity tombstones status --json'))
    .action(async (_options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const found = await tombstones(project);
        if (json) return io.out(JSON.stringify(found, null, 2));
        const columns = [
          { title: 'store' },
          ...['in force', 'lifted', 'ended', 'to be erased again'].map((title) => ({ title, align: 'right' as const })),
        ];
        const cells = found.map((it) => [
          it.store,
          ...[it.inForce, it.lifted, it.ended, it.owed].map((number) => (number === 0 ? '–' : count(number))),
        ]);
        io.out(textTable(columns, cells, io.width));
      });
    });

  group
    .command('check')
    .description('Say which lines of a file must not be imported, one number a line. Exit code 1 when there are some.')
    .option('--subject <name>', 'what kind of person (default: the only subject)')
    .requiredOption('--by <identity>', 'key, or an identity of the subject, such as email')
    .option('--column <name>', 'the column that holds it, where it has another name')
    .option('--at <column>', 'the column that says when a row was captured; without it every row counts as old')
    .option('--purpose <name...>', 'what the rows are to serve: somebody for whom one of them goes on may come in')
    .option('--from <file>', 'the file, CSV with a header or JSON lines; - reads standard input', '-')
    .option('--format <format>', 'csv (the default) or jsonl')
    .option('--kept <file>', 'write the lines that may come in there')
    .addHelpText(
      'after',
      examples(
        'probity tombstones check --subject customer --by email --at created_at < customers.csv',
        'probity tombstones check --by email --from customers.csv --kept clean.csv',
      ),
    )
    .action(async (flags: CheckFlags, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const kept = flags.kept === undefined ? null : await newFile(flags.kept);
        const leftOut: { readonly line: number; readonly why: string }[] = [];
        const summary = await checkFile(project, {
          input: await inputOf(flags.from, context),
          format: formatOf(flags.from, flags.format),
          subject: subjectOf(Object.keys(project.manifest.subjects), flags.subject),
          identity: flags.by,
          column: flags.column ?? flags.by,
          at: flags.at ?? null,
          purposes: flags.purpose ?? [],
          onLeftOut: (told) => {
            if (json) leftOut.push(told);
            else io.out(String(told.line));
          },
          onKept: ({ raw, header }) => {
            if (kept === null) return;
            if (kept.bytesWritten === 0 && kept.writableLength === 0 && header !== null) kept.write(`${header.map(csvField).join(',')}\n`);
            kept.write(`${raw}\n`);
          },
        }).finally(async () => {
          kept?.end();
          if (kept !== null) await once(kept, 'close');
        });
        if (json) io.out(JSON.stringify({ ...summary, leftOut }, null, 2));
        else
          io.err(
            `${count(summary.erased)} of ${count(summary.lines)} lines are older than the erasure of whom they are about` +
              (summary.unreadable === 0 ? '' : `; ${count(summary.unreadable)} cannot be read`),
          );
        if (summary.erased + summary.unreadable > 0) context.exit(EXIT.findings);
      });
    });

  withIdentity(group.command('lift').description('Let older rows of a person come in again. A consent that they grant does so by itself.'))
    .requiredOption('--reason <text>', 'why, for the record; no personal data')
    .addHelpText(
      'after',
      IDENTITY_HELP + examples('probity tombstones lift --by email --reason "customer again, contract 4711" < address.txt'),
    )
    .action(async (options: IdentityOptions & { readonly reason: string }, command: Command) => {
      await context.withProject(command, async (project, { actor, json }) => {
        const { lifted, durability } = await liftTombstone(project, await readWho(project, options, io), actor, options.reason);
        if (lifted > 0) tellDurability(durability, context);
        if (json) return io.out(JSON.stringify({ lifted, durability }, null, 2));
        if (lifted === 0) throw new Refused('No tombstone in force has this identity');
        io.out(`${colours.green('✓')} lifted: rows from before the erasure may come in again`);
      });
    });
  return group;
}

function subjectOf(known: readonly string[], given: string | undefined): string {
  if (given !== undefined) return given;
  const [only, ...others] = known;
  if (only === undefined || others.length > 0) throw new Refused(`Say with --subject what kind of person: ${known.join(', ')}`);
  return only;
}

function formatOf(file: string, given: string | undefined): 'csv' | 'jsonl' {
  const ending = given ?? /\.(csv|jsonl|ndjson)$/i.exec(file)?.[1]?.toLowerCase() ?? 'csv';
  if (ending === 'csv') return 'csv';
  if (ending === 'jsonl' || ending === 'ndjson') return 'jsonl';
  throw new Refused('A format is csv or jsonl');
}

async function inputOf(file: string, { io }: Context): Promise<Readable> {
  if (file === '-') {
    if (io.bytes === undefined) throw new Refused('Nothing stands at standard input');
    return io.bytes();
  }
  const input = createReadStream(file);
  await once(input, 'open').catch(() => {
    throw new Refused(`${file} cannot be read`);
  });
  return input;
}

async function newFile(file: string): Promise<WriteStream> {
  const stream = createWriteStream(file, { flags: 'wx', mode: OWNER_ONLY });
  await once(stream, 'open').catch(() => {
    throw new Refused(`${file} is there already, or cannot be written`);
  });
  return stream;
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
