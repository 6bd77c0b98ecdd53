import type { Readable } from 'node:stream';
import { clockOf as storeClock } from '../../database/clock.ts';
import { ERASURE_GROUNDS } from '../../domain/requests/kinds.ts';
import type { ErasureGround } from '../../domain/requests/model.ts';
import type { Manifest } from '../../manifest/model.ts';
import { STRANGERS } from '../consent/entries.ts';
import { readLines, type Line, type LineFormat } from '../consent/lines.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { parseTime } from '../times.ts';
import { checkAsk, type CheckedAsk } from './ask.ts';
import { openChecked, type OpenOptions } from './open.ts';

export interface BulkOptions extends OpenOptions {
  readonly input: Readable;
  readonly format: LineFormat;
  /** What lines say that do not say it themselves, by field. */
  readonly constants: Readonly<Record<string, string>>;
  /** A line that was opened or not: its number, and why not. Never what stands in it. */
  readonly onLine?: (told: { readonly line: number; readonly requestId: string | null; readonly reason: string | null }) => void;
  /** The line as it stood, for a file of rejected ones. Personal data. */
  readonly onReject?: (rejected: { readonly raw: string; readonly header: readonly string[] | null }) => void;
}

export interface BulkSummary {
  readonly lines: number;
  readonly opened: number;
  /** The same was open already. */
  readonly joined: number;
  /** Their reference was known: nothing changed. */
  readonly known: number;
  readonly rejected: number;
  /** Opened without a master key: see `OpenedRequest.sealed`. */
  readonly unsealed: number;
  readonly reasons: Readonly<Record<string, number>>;
}

/** People of one transaction: a withdrawal of one of them waits for it, some tenths of a second. */
const BATCH = 500;
const FIELDS = ['kind', 'ground', 'purpose', 'received', 'reference', 'subject', 'key', 'method', 'evidence', 'note'] as const;

/**
 * Opens the requests of a file, a line each. Good lines are kept and bad ones told; a file that was interrupted is simply taken again, and
 * opens nothing twice where lines have a `reference`. Throws `Refused` where the file as a whole does not fit.
 */
export async function openFile(project: Project, options: BulkOptions): Promise<BulkSummary> {
  await requireHome(project);
  const now = options.now ?? (await storeClock(project.home));
  const { header, lines } = await readLines(options.input, options.format);
  const { manifest } = project;
  const fields = knownFields(manifest);
  if (header !== null) {
    if (header.some((name) => !fields.has(name)))
      throw new Refused(`The header names a column that is not known; there are ${[...fields].join(', ')}`);
    if (!header.includes('kind') && options.constants['kind'] === undefined)
      throw new Refused('The header has no column kind: name one, or say it with --kind');
  }
  const tally = { lines: 0, opened: 0, joined: 0, known: 0, rejected: 0, unsealed: 0 };
  const reasons = new Map<string, number>();
  const reject = (line: Line, reason: string): void => {
    tally.rejected++;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    options.onLine?.({ line: line.line, requestId: null, reason });
    options.onReject?.({ raw: line.raw, header });
  };
  let waiting: { readonly line: Line; readonly ask: CheckedAsk }[] = [];
  const flush = async (): Promise<void> => {
    const batch = waiting;
    waiting = [];
    const opened = await openChecked(
      project,
      batch.map(({ ask }) => ask),
      options,
      now,
    );
    for (const [index, result] of opened.entries()) {
      const { line } = batch[index]!;
      if ('problem' in result) {
        reject(line, result.problem);
        continue;
      }
      if (result.outcome === 'joined' || result.outcome === 'known') tally[result.outcome]++;
      else if (result.outcome === 'opened') tally.opened++;
      else tally.known++;
      if (!result.sealed) tally.unsealed++;
      options.onLine?.({ line: line.line, requestId: result.requestId, reason: null });
    }
  };
  try {
    for await (const line of lines) {
      tally.lines++;
      const ask = 'reason' in line ? line.reason : asked(manifest, line.fields, options.constants, fields, now);
      if (typeof ask === 'string') reject(line, ask);
      else if (waiting.push({ line, ask }) >= BATCH) await flush();
    }
    await flush();
  } finally {
    options.input.destroy();
  }
  return { ...tally, reasons: Object.fromEntries([...reasons].sort()) };
}

function knownFields({ subjects }: Manifest): ReadonlySet<string> {
  return new Set([...FIELDS, ...Object.values(subjects).flatMap(({ key, identities }) => [...key, ...Object.keys(identities)])]);
}

/** What a line asks, or why it cannot be taken. */
function asked(
  manifest: Manifest,
  line: Readonly<Record<string, string | null>>,
  constants: Readonly<Record<string, string>>,
  fields: ReadonlySet<string>,
  now: Date,
): CheckedAsk | string {
  if (Object.keys(line).some((name) => !fields.has(name))) return 'a field that is not known';
  const value = (field: string): string | null => line[field] ?? constants[field] ?? null;
  try {
    const received = value('received');
    const grounds = (value('ground') ?? '').split(/[\s;,|]+/).filter((it) => it !== '');
    const method = value('method');
    return checkAsk(
      manifest,
      {
        ...identityOf(manifest, line, value('subject')),
        kind: value('kind') ?? '',
        grounds: grounds.map(groundName),
        purpose: value('purpose'),
        receivedAt: received === null ? null : time(received, manifest.timezone),
        reference: value('reference'),
        verified: method === null ? null : { method, evidence: value('evidence') ?? '' },
        note: value('note'),
      },
      '',
      now,
    );
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

/** By its name, or by its letter in Art. 17(1). */
export function groundName(word: string): string {
  const letter = /^(?:17\(1\))?\(?([a-f])\)?$/i.exec(word)?.[1]?.toLowerCase();
  return letter === undefined ? word : (ERASURE_GROUNDS['abcdef'.indexOf(letter)] as ErasureGround);
}

function time(text: string, zone: string): Date {
  try {
    return parseTime(text, zone);
  } catch {
    // Its own message quotes what stands there.
    throw new Refused('received is not a time: write 2026-11-22 or 2026-11-22T01:15');
  }
}

function identityOf({ subjects }: Manifest, line: Readonly<Record<string, string | null>>, given: string | null): object {
  const names = Object.keys(subjects);
  const name = given ?? (names.length === 1 ? names[0]! : null);
  if (name === null) throw new Refused(`subject is missing: ${[...names, ...STRANGERS].join(', ')}`);
  const subject = subjects[name];
  if (subject === undefined && !STRANGERS.some((it) => it === name)) throw new Refused('subject is not one of the manifest');
  const columns = subject?.key ?? ['key'];
  const parts = columns.map((column) => line[column] ?? (columns.length === 1 ? line['key'] : null) ?? null);
  if (parts.every((part) => part !== null)) return { subject: name, key: parts };
  const by = Object.keys(subject?.identities ?? {}).find((it) => (line[it] ?? null) !== null);
  if (by !== undefined) return { subject: name, identity: by, value: line[by] };
  throw new Refused(`it says nobody: ${[columns.join(' and '), ...Object.keys(subject?.identities ?? {})].join(', or ')} is missing`);
}
