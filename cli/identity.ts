import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { resolveIdentity, type Resolved } from '../client/consent/identity.ts';
import { checkSubject, type ConsentIdentity } from '../client/consent/entries.ts';
import type { Project } from '../client/project.ts';
import { Refused } from '../client/refused.ts';
import type { Context } from './context.ts';

export interface IdentityOptions {
  readonly subject?: string;
  readonly by?: string;
  readonly from?: string;
}

const KEPT =
  'Shells keep their history, and `ps` shows arguments to everybody: give the identity on standard input, with --from FILE, or when asked';

const SUBJECT = 'what kind of person: a subject of the manifest, or device, or email (default: the only subject)';

/** Adds the options by which a command learns whom it is about, and refuses those by which people would give it away. `takes`: its own arguments. */
export function withIdentity(command: Command, takes = 0, subject = SUBJECT): Command {
  command
    .option('--subject <name>', subject)
    .option('--by <identity>', 'read this identity, such as email, instead of the key')
    .option('--from <file>', 'read it from a file instead of standard input');
  for (const name of ['key', 'email', 'phone', 'identity', 'value', 'device']) {
    const option = new Option(`--${name} [value...]`).hideHelp().argParser(() => {
      throw new Refused(`--${name} is not taken as an argument. ${KEPT}`);
    });
    command.addOption(option);
  }
  return command.allowExcessArguments(true).hook('preAction', (_, { args }) => {
    if (args.length > takes) throw new Refused(`This command takes ${takes === 0 ? 'no argument' : 'no more arguments'}. ${KEPT}`);
  });
}

export const IDENTITY_HELP = `
Whom it is about is read from standard input: the key, one line a column, or with --by email an address.
A person at a terminal is asked. It is never taken as an argument, and never printed.`;

/** Reads whom the command is about and looks it up. */
export async function readIdentity(project: Project, options: IdentityOptions, { io }: Context): Promise<Resolved> {
  return resolveIdentity(project, await readWho(project, options, io));
}

/** The first line apart: a device or an address, and behind it whom it belongs to. */
export async function readPair(
  project: Project,
  options: IdentityOptions,
  { io }: Context,
): Promise<{ readonly stranger: string; readonly who: ConsentIdentity }> {
  const [stranger = '', ...rest] = await readLines(options, io, 'the device or address, then (one line each) the person');
  if (stranger.trim() === '' || rest.length === 0)
    throw new Refused('Two parts are needed: the device or address in the first line, the person behind it');
  return { stranger: stranger.trim(), who: whoOf(project, options, rest) };
}

/** Reads whom the command is about, and looks nobody up. */
export async function readWho(project: Project, options: IdentityOptions, io: Context['io']): Promise<ConsentIdentity> {
  const name = subjectOf(project, options);
  const columns = project.manifest.subjects[name]?.key ?? ['id'];
  return whoOf(project, options, await readLines(options, io, options.by ?? columns.join(', ')));
}

function whoOf(project: Project, options: IdentityOptions, lines: readonly string[]): ConsentIdentity {
  const name = subjectOf(project, options);
  const { by } = options;
  if (by === undefined) return { subject: name, key: lines.map((line) => line.trim()) };
  if (lines.length > 1) throw new Refused(`--by ${by} reads one line; there are ${lines.length}`);
  return { subject: name, identity: by, value: lines[0]! };
}

function subjectOf({ manifest }: Project, { subject }: IdentityOptions): string {
  const [only, ...others] = Object.keys(manifest.subjects);
  if (subject === undefined && (only === undefined || others.length > 0))
    throw new Refused(`Say with --subject what kind of person: ${[...Object.keys(manifest.subjects), 'device', 'email'].join(', ')}`);
  return checkSubject(manifest, subject ?? only!, '--');
}

async function readLines({ from }: IdentityOptions, io: Context['io'], what: string): Promise<string[]> {
  const text = (await given(from, io, what)).replace(/^\uFEFF/, '').trimEnd();
  if (text.trim() === '') throw new Refused('No identity came in: write it to standard input, or name a file with --from');
  return text.split(/\r?\n/);
}

async function given(from: string | undefined, io: Context['io'], what: string): Promise<string> {
  if (from === undefined) return io.prompt === undefined || io.prompt === null ? io.input() : io.prompt(`${what}: `);
  return readFile(from, 'utf8').catch(() => {
    throw new Refused(`The file ${from} cannot be read`);
  });
}
