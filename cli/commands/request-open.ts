import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { Command } from 'commander';
import type { Project } from '../../client/project.ts';
import { Refused } from '../../client/refused.ts';
import type { RequestAsk } from '../../client/requests/ask.ts';
import { groundName, openFile, type BulkSummary } from '../../client/requests/bulk.ts';
import { openRequests, type OpenedRequest } from '../../client/requests/open.ts';
import { readRequest } from '../../client/requests/read.ts';
import { sealLater } from '../../client/consent/evidence.ts';
import { durability } from '../../client/serving.ts';
import { parseTime } from '../../client/times.ts';
import {
  ERASURE_GROUNDS,
  LEDGER_KINDS,
  REQUEST_KINDS,
  VERIFICATION_METHODS,
  type VerificationMethod,
} from '../../client/requests/words.ts';
import type { ErasureGround, RequestKind } from '../../domain/requests/model.ts';
import type { Context, Globals } from '../context.ts';
import { tellDurability } from '../durability.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { IDENTITY_HELP, readWho, withIdentity, type IdentityOptions } from '../identity.ts';
import { count } from '../numbers.ts';
import { requestJson, statusText } from '../request-text.ts';

interface OpenFlags extends IdentityOptions {
  readonly kind?: string;
  readonly ground?: readonly string[];
  readonly purpose?: string;
  readonly received?: string;
  readonly reference?: string;
  readonly verifiedBy?: string;
  readonly evidence?: string;
  readonly note?: string;
  readonly unknown?: boolean;
  readonly bulk?: string;
  readonly format?: string;
  readonly rejects?: string;
}

/** Only its owner may read what was rejected: it is as personal as the file. */
const OWNER_ONLY = 0o600;
/** More would scroll what matters away; the file of `--rejects` has them all. */
const MOST_SHOWN = 20;

export function openCommand(context: Context): Command {
  return withIdentity(new Command('open'))
    .description(
      'Open a request, or with --bulk those of a file. A withdrawal, an objection or a restriction is in force when this returns.',
    )
    .option('--kind <kind>', REQUEST_KINDS.join(', '))
    .option('--ground <ground...>', `of an erasure, by Art. 17(1)(a) to (f): ${ERASURE_GROUNDS.join(', ')}`)
    .option('--purpose <name>', 'of a withdrawal, an objection, or an erasure that follows from one (there * is every consent)')
    .option('--received <time>', 'when it came, if not now: the clock runs from it')
    .option('--reference <text>', 'your number of it: opened once, however often it is sent; kept as a keyed hash')
    .option('--verified-by <method>', `how the requester showed who they are: ${VERIFICATION_METHODS.join(', ')}`)
    .option('--evidence <reference>', 'where that can be looked up; no personal data')
    .option('--note <text>', 'in free text; kept in a row that can be deleted')
    .option('--unknown', 'also for a key or an address that nobody has: other stores may hold data under it')
    .option('--bulk <file>', 'open the requests of a file, CSV with a header or JSON lines; - reads standard input')
    .option('--format <format>', 'of the file: csv or jsonl, where the name does not say it')
    .option('--rejects <file>', 'write the lines that were not taken there, to be mended and opened')
    .addHelpText('after', IDENTITY_HELP)
    .addHelpText(
      'after',
      `
Fields of a file: kind, ground (several with a blank between), purpose, received, reference, subject, the key or an identity such as email, method and
evidence (of a verification), note. Lines that cannot be taken are named with the reason, the others are kept; with references, opening a file
again opens nothing twice.
${examples(
  'probity request open --kind erasure --ground no_longer_necessary --by email --from address.txt --reference TICKET-12',
  'probity request open --kind access --verified-by login --evidence SESSION-88 < key.txt',
  'probity request open --kind withdrawal --purpose newsletter --received 2026-11-03 < key.txt',
  'probity request open --bulk requests.csv --kind erasure --ground consent_withdrawn --purpose newsletter --rejects rejected.csv',
)}`,
    )
    .action(async (flags: OpenFlags, command: Command) => {
      if (flags.bulk === undefined && flags.kind === undefined) throw new Refused(`Say what is asked: --kind ${REQUEST_KINDS.join(' | ')}`);
      await context.withProject(command, (project, globals) =>
        flags.bulk === undefined ? openOne(project, flags, globals, context) : openMany(project, flags, flags.bulk, globals, context),
      );
    });
}

async function openOne(project: Project, flags: OpenFlags, { actor, json }: Globals, context: Context): Promise<void> {
  const { io, colours } = context;
  if ((flags.verifiedBy === undefined) !== (flags.evidence === undefined))
    throw new Refused('--verified-by and --evidence go together: by which method, and where that can be looked up');
  const ask = {
    ...(await readWho(project, flags, io)),
    // Words are checked there, and refused with the nearest one.
    kind: flags.kind as RequestKind,
    grounds: (flags.ground ?? []).map((it) => groundName(it) as ErasureGround),
    purpose: flags.purpose ?? null,
    receivedAt: flags.received === undefined ? null : parseTime(flags.received, project.manifest.timezone),
    reference: flags.reference ?? null,
    verified: flags.verifiedBy === undefined ? null : { method: flags.verifiedBy as VerificationMethod, evidence: flags.evidence ?? '' },
    note: flags.note ?? null,
  } satisfies RequestAsk;
  const [opened] = await openRequests(project, [ask], { actor, door: 'command', unknown: flags.unknown ?? false });
  await toldLedger(project, [opened!], context);
  if ('problem' in opened!) {
    if (json) io.out(JSON.stringify({ request: null, problem: opened.problem }, null, 2));
    io.err(`${colours.yellow('!')} no request was opened: ${opened.problem}`);
    return context.exit(opened.why === 'person' ? EXIT.person : EXIT.usage);
  }
  const { requestId, outcome, also, sealed } = opened!;
  if (!sealed) tellUnsealed(context);
  const shown = requestId === null ? null : await readRequest(project, requestId);
  if (json) return io.out(JSON.stringify({ outcome, also, request: shown === null ? null : requestJson(shown) }, null, 2));
  if (shown === null)
    return io.out(`${colours.yellow('!')} recorded, and nothing is to be done: the same was granted again after this was received`);
  if (outcome !== 'opened')
    io.out(
      outcome === 'known'
        ? `${colours.yellow('!')} this reference is known: nothing changed`
        : `${colours.yellow('!')} the same is open already: this joined it`,
    );
  io.out(
    statusText(shown, { home: project.home.name, zone: project.manifest.timezone, colours, now: new Date() }) +
      (also.length === 0 ? '' : `\nIn force    ${also.join(', ')}`),
  );
}

async function openMany(project: Project, flags: OpenFlags, file: string, { actor, json }: Globals, context: Context): Promise<void> {
  const { io, colours } = context;
  for (const [name, value] of Object.entries({ by: flags.by, from: flags.from, reference: flags.reference }))
    if (value !== undefined) throw new Refused(`--${name} is of a single request; in a file it is a column`);
  const constants = Object.fromEntries(
    Object.entries({
      kind: flags.kind,
      ground: flags.ground?.join(' '),
      purpose: flags.purpose,
      received: flags.received,
      subject: flags.subject,
      method: flags.verifiedBy,
      evidence: flags.evidence,
      note: flags.note,
    }).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const rejects = flags.rejects === undefined ? null : await newFile(flags.rejects);
  const told: unknown[] = [];
  let shown = 0;
  let summary: BulkSummary;
  try {
    summary = await openFile(project, {
      actor,
      door: 'command',
      unknown: flags.unknown ?? false,
      input: await inputOf(file, io),
      format: formatOf(file, flags.format),
      constants,
      onLine: (line) => {
        if (json) told.push(line);
        if (line.reason !== null && shown++ < MOST_SHOWN) io.err(`line ${count(line.line)}: ${line.reason}`);
      },
      onReject: ({ raw, header }) => {
        if (rejects === null) return;
        if (rejects.bytesWritten === 0 && rejects.writableLength === 0 && header !== null)
          rejects.write(`${header.map(csvField).join(',')}\n`);
        rejects.write(`${raw}\n`);
      },
    });
  } finally {
    rejects?.end();
    if (rejects !== null) await once(rejects, 'close');
  }
  if (shown > MOST_SHOWN) io.err(`… and ${count(shown - MOST_SHOWN)} more`);
  if (summary.unsealed > 0) tellUnsealed(context);
  await sealLater(project);
  if (json) io.out(JSON.stringify({ ...summary, requests: told }, null, 2));
  else
    io.out(
      [
        `${colours.green('✓')} ${count(summary.opened)} opened, ${count(summary.joined)} joined one that is open, ${count(summary.known)} known · ${count(summary.lines)} lines`,
        ...(summary.rejected === 0
          ? []
          : [
              `${colours.red(`${count(summary.rejected)} not taken`)}${flags.rejects === undefined ? '' : `, written to ${flags.rejects}`}`,
            ]),
      ].join('\n'),
    );
  if (summary.opened > 0) tellDurability(await durability(project), context);
  if (summary.rejected > 0) context.exit(EXIT.findings);
}

function tellUnsealed({ io, colours }: Context): void {
  io.err(`${colours.yellow('!')} there is no master key, so only the subject's key is kept of who asked (docs/requests-keys.md)`);
}

/** What the ledger was told is sealed, and written to the sink, as after any record. */
async function toldLedger(project: Project, opened: readonly OpenedRequest[], context: Context): Promise<void> {
  const said = opened.some((it) => !('problem' in it) && it.outcome !== 'known' && (it.also.length > 0 || LEDGER_KINDS.includes(it.kind)));
  if (!said) return;
  await sealLater(project);
  tellDurability(await durability(project), context);
}

function formatOf(file: string, given: string | undefined): 'csv' | 'jsonl' {
  const ending = given ?? /\.(csv|jsonl|ndjson)$/i.exec(file)?.[1]?.toLowerCase();
  if (ending === 'csv') return 'csv';
  if (ending === 'jsonl' || ending === 'ndjson') return 'jsonl';
  throw new Refused(given === undefined ? 'Say what the file is: --format csv or --format jsonl' : 'A format is csv or jsonl');
}

async function inputOf(file: string, io: Context['io']) {
  if (file === '-') {
    if (io.bytes === undefined) throw new Refused('Nothing stands at standard input');
    return io.bytes();
  }
  const input = createReadStream(file);
  try {
    await once(input, 'open');
  } catch {
    throw new Refused(`${file} cannot be read`);
  }
  return input;
}

async function newFile(file: string) {
  const stream = createWriteStream(file, { flags: 'wx', mode: OWNER_ONLY });
  try {
    await once(stream, 'open');
  } catch {
    throw new Refused(`${file} is there already, or cannot be written`);
  }
  return stream;
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
