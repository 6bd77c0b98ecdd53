import { createReadStream, createWriteStream, statSync, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { Command } from 'commander';
import { importConsents, zoneOf, type ImportSummary } from '../../client/consent/import.ts';
import { Refused } from '../../client/refused.ts';
import { durability } from '../../client/serving.ts';
import { tellAnalysed } from '../analysed.ts';
import type { Context } from '../context.ts';
import { tellDurability } from '../durability.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { importBar } from '../import-progress.ts';
import { count, seconds } from '../numbers.ts';

interface ImportFlags {
  readonly subject?: string;
  readonly map?: readonly string[];
  readonly set?: readonly string[];
  readonly format?: string;
  readonly zone?: string;
  readonly rejects?: string;
  readonly dryRun?: boolean;
}

/** Only its owner may read what was rejected: it is as personal as the file. */
const OWNER_ONLY = 0o600;
/** More would scroll what matters away; the file of `--rejects` has them all. */
const MOST_SHOWN = 20;

export function importCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('import')
    .description(
      'Record the decisions of a file: CSV (UTF-8, RFC 4180, with a header) or JSON lines. Lines that cannot be taken are named with the reason, the others are kept. Importing a file again changes nothing.',
    )
    .argument('<file>', 'a file that ends in .csv or .jsonl; - reads standard input')
    .option('--subject <name>', 'whom it is about: a subject of the manifest, device or email (default: the only subject)')
    .option('--map <field=column...>', 'columns that are named differently: purpose=topic captured_at="signed up"')
    .option('--set <field=value...>', 'what lines say that do not say it themselves: touchpoint=onboarding')
    .option('--format <format>', 'csv or jsonl, where the name does not say it')
    .option('--zone <zone>', "of times that name none, such as Europe/Berlin (default: the manifest's timezone)")
    .option('--rejects <file>', 'write the rejected lines there, to be mended and imported')
    .option('--dry-run', 'judge every line and look up identities; record nothing')
    .addHelpText(
      'after',
      `
Fields: key (or the columns of the subject's key) or email; purpose, channel, decision, captured_at; touchpoint, notice, language, given_by, proof, id.
An address that nobody of the manifest has is kept as its SHA-256. A time without a zone is one of --zone.
${examples(
  'probity consent import consents.csv --map purpose=topic captured_at=signed_up --set touchpoint=onboarding',
  'probity consent import - --format jsonl --dry-run < export.jsonl',
  'probity consent import consents.csv --rejects rejected.csv',
)}`,
    )
    .action(async (file: string, options: ImportFlags, command: Command) => {
      await context.withProject(command, async (project, { actor, json }) => {
        const format = formatOf(file, options.format);
        const zone = zoneOf(project.manifest, options.zone ?? null);
        const [map, constants] = [pairs('--map', options.map), pairs('--set', options.set)];
        const rejects = options.rejects === undefined ? null : await newFile(options.rejects);
        const source = await open(file, context);
        const bar = importBar(io, source.share);
        let [shown, told] = [0, 0];
        try {
          const summary = await importConsents(project, {
            input: source.input,
            format,
            subject: options.subject ?? null,
            map,
            constants,
            zone,
            actor,
            dryRun: options.dryRun ?? false,
            onProgress: ({ lines, rejected }) => bar.show(lines, rejected),
            onReject: ({ line, raw, reason, header }) => {
              if (rejects !== null && rejects.bytesWritten === 0 && rejects.writableLength === 0 && header !== null)
                rejects.write(`${header.map(csvField).join(',')}\n`);
              rejects?.write(`${raw}\n`);
              if (shown++ < MOST_SHOWN) io.err(`line ${count(line)}: ${reason}`);
            },
            onReused: ({ line, reason }) => {
              if (told++ < MOST_SHOWN) io.err(`line ${count(line)}: ${reason}; it refuses something, and was recorded without the id`);
            },
          });
          bar.stop();
          if (summary.rejected > MOST_SHOWN) io.err(`… and ${count(summary.rejected - MOST_SHOWN)} more`);
          if (json) io.out(JSON.stringify(summary, null, 2));
          else io.out(summaryText(summary, options, context));
          tellAnalysed(summary.analysed, context);
          if (summary.rejected > 0) context.exit(EXIT.findings);
          if (summary.recorded > 0) tellDurability(await durability(project), context);
        } finally {
          bar.stop();
          await closed(rejects);
        }
      });
    });

  function summaryText(
    { lines, recorded, known, rejected, reused, reasons, requests, seconds: took }: ImportSummary,
    options: ImportFlags,
    { colours: c }: Context,
  ): string {
    const rate = took > 0 ? ` · ${count(lines / took)} lines/s` : '';
    const head =
      options.dryRun === true
        ? `${c.yellow('dry run')}: ${count(lines - rejected)} of ${count(lines)} lines can be taken; nothing was recorded`
        : `${c.green('✓')} ${count(recorded)} recorded, ${count(known)} were there already`;
    const why = Object.entries(reasons)
      .sort(([, one], [, other]) => other - one)
      .map(([reason, times]) => `  ${count(times).padStart(7)}  ${reason}`);
    return [
      `${head} · ${count(lines)} lines in ${seconds(took)}${rate}`,
      ...(requests > 0 ? [`${count(requests)} requests follow from withdrawals, objections and restrictions`] : []),
      ...(reused > 0
        ? [
            `${colours.yellow('!')} ${count(reused)} that ${reused === 1 ? 'refuses' : 'refuse'} something stood under an id of another decision: recorded without it`,
          ]
        : []),
      ...(rejected > 0
        ? [`${colours.red(`${count(rejected)} rejected`)}${options.rejects === undefined ? '' : `, written to ${options.rejects}`}`, ...why]
        : []),
    ].join('\n');
  }
}

function formatOf(file: string, given: string | undefined): 'csv' | 'jsonl' {
  const ending = given ?? /\.(csv|jsonl|ndjson)$/i.exec(file)?.[1]?.toLowerCase();
  if (ending === 'csv') return 'csv';
  if (ending === 'jsonl' || ending === 'ndjson') return 'jsonl';
  throw new Refused(given === undefined ? 'Say what the file is: --format csv or --format jsonl' : 'A format is csv or jsonl');
}

function pairs(option: string, given: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1 || at === pair.length - 1) throw new Refused(`${option} takes FIELD=${option === '--map' ? 'COLUMN' : 'VALUE'}`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

async function open(file: string, { io }: Context) {
  if (file === '-') {
    if (io.bytes === undefined) throw new Refused('Nothing stands at standard input');
    return { input: io.bytes(), share: () => ({ read: 0, of: null }) };
  }
  const input = createReadStream(file, { highWaterMark: 256 * 1024 });
  try {
    await once(input, 'open');
  } catch {
    throw new Refused(`${file} cannot be read`);
  }
  const of = statSync(file).size;
  return { input, share: () => ({ read: input.bytesRead, of }) };
}

async function newFile(file: string): Promise<WriteStream> {
  const stream = createWriteStream(file, { flags: 'wx', mode: OWNER_ONLY });
  try {
    await once(stream, 'open');
  } catch {
    throw new Refused(`${file} is there already, or cannot be written`);
  }
  return stream;
}

async function closed(stream: WriteStream | null): Promise<void> {
  if (stream === null) return;
  stream.end();
  await once(stream, 'close');
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
