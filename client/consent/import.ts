import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { readCatalog } from '../../database/catalog.ts';
import { StoreError } from '../../database/errors.ts';
import { analyseLedger, type Analysed } from '../../database/permission/analyse.ts';
import { findByIdentity } from '../../database/permission/identities.ts';
import { importEntries } from '../../database/permission/import.ts';
import { UNKNOWN_PURPOSE, type RecordEntry } from '../../database/permission/record.ts';
import type { Store } from '../../database/store.ts';
import { addressForm } from '../../domain/address.ts';
import { createJudge, DECIDED_FIELDS, unfit, type DecidedField, type Said } from '../../domain/consent/decided.ts';
import { keyKind, canonicalKey, type KeyKind } from '../../domain/subject-key.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, Subject } from '../../manifest/model.ts';
import { nearest } from '../../manifest/nearest.ts';
import { readLines, type Line, type LineFormat } from './lines.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

export type { Analysed } from '../../database/permission/analyse.ts';

export interface ImportOptions {
  readonly input: Readable;
  readonly format: LineFormat;
  /** A subject of the manifest, `device` or `email`; null: the manifest's only one. */
  readonly subject: string | null;
  /** Field of ours → column of the file, where they are named differently. */
  readonly map: Readonly<Record<string, string>>;
  /** Field of ours → what a line says that does not say it itself. */
  readonly constants: Readonly<Record<string, string>>;
  /** Of times without one. */
  readonly zone: string;
  readonly actor: string;
  /** Judges every line and looks up identities; records nothing. */
  readonly dryRun: boolean;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** A line that was not taken: its number, the line as it stood, and why. Awaited. */
  readonly onReject?: (rejected: {
    readonly line: number;
    readonly raw: string;
    readonly reason: string;
    readonly header: readonly string[] | null;
  }) => void;
  /** A refusal whose id stands for another decision: it was recorded all the same, without the id. */
  readonly onReused?: (reused: { readonly line: number; readonly reason: string }) => void;
}

export interface ImportProgress {
  readonly lines: number;
  readonly rejected: number;
}

export interface ImportSummary {
  readonly lines: number;
  readonly recorded: number;
  /** The ledger had them already. */
  readonly known: number;
  readonly rejected: number;
  /** Of those recorded: refusals whose id stands for another decision, recorded without it. */
  readonly reused: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly requests: number;
  readonly seconds: number;
  /** Whether the database's planner has been told of what is new. */
  readonly analysed: Analysed;
}

/** A withdrawal of somebody whose lines are being recorded waits for one batch: some tenths of a second. */
const BATCH = 2_000;
/** Batches on their way at a time. Lines about one person go the same way, in their order. More than two compete with the owner's application. */
const LANES = 2;
const DOOR = 'import';
const EMAIL = 'email';
const STRANGERS: readonly string[] = ['device', EMAIL];

interface Waiting {
  readonly line: Line;
  readonly entry: Omit<RecordEntry, 'subject' | 'key'>;
  /** One of the two; an address is looked up when the batch is full. */
  readonly key: string | null;
  readonly email: string | null;
}

/**
 * Records the decisions of a file. Each batch is one transaction: what was interrupted is simply repeated, and changes nothing where it had been
 * recorded. Throws `Refused` when the file, the mapping or the subject do not fit the manifest.
 */
export async function importConsents(project: Project, options: ImportOptions): Promise<ImportSummary> {
  await requireHome(project);
  const started = performance.now();
  const who = await identify(project, options);
  const { header, lines } = await readLines(options.input, options.format);
  const columnsOf = mapping(options, who, header);
  const judge = createJudge(project.manifest, options.zone);
  const tally = { lines: 0, recorded: 0, known: 0, rejected: 0, reused: 0, requests: 0 };
  const reasons = new Map<string, number>();
  const reject = (line: Line, reason: string): void => {
    tally.rejected++;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    options.onReject?.({ line: line.line, raw: line.raw, reason, header });
  };
  const lanes = Array.from({ length: LANES }, () => ({ waiting: [] as Waiting[], running: Promise.resolve() }));
  let failure: { readonly error: unknown } | null = null;

  const send = async (batch: readonly Waiting[]): Promise<void> => {
    const known = await resolved(who, batch, reject);
    if (!options.dryRun) {
      const entries = known.map(({ entry }) => entry);
      const imported = await importEntries(project.home, entries).catch((error: unknown) => {
        if (error instanceof StoreError && error.code === UNKNOWN_PURPOSE)
          throw new Refused('The manifest in force does not know a purpose or a channel of this file: run `probity apply`');
        throw error;
      });
      tally.recorded += imported.recorded;
      tally.known += imported.known;
      tally.requests += imported.requests;
      for (const { n, differs, recorded } of imported.reused) {
        const { line } = known[n]!;
        const reason = `id stands for another decision of this person already (another ${differs})`;
        if (!recorded) reject(line, reason);
        else {
          tally.reused++;
          options.onReused?.({ line: line.line, reason });
        }
      }
    }
    options.onProgress?.({ lines: tally.lines, rejected: tally.rejected });
  };
  /** Returns when the lane can take more. */
  const flush = async (lane: (typeof lanes)[number]): Promise<void> => {
    await lane.running;
    if (failure !== null) throw failure.error;
    const batch = lane.waiting;
    lane.waiting = [];
    lane.running = send(batch).catch((error: unknown) => void (failure ??= { error }));
  };

  try {
    for await (const line of lines) {
      tally.lines++;
      const taken =
        'reason' in line
          ? line.reason
          : waiting(
              line,
              (field) =>
                columnsOf(field).reduce<string | null>((found, name) => found ?? line.fields[name] ?? null, null) ??
                options.constants[field] ??
                null,
              who,
              judge,
              options.actor,
            );
      if (typeof taken === 'string') {
        reject(line, taken);
        continue;
      }
      const lane = lanes[laneOf(taken.key ?? taken.email ?? '', lanes.length)]!;
      lane.waiting.push(taken);
      if (lane.waiting.length >= BATCH) await flush(lane);
    }
    for (const lane of lanes) await flush(lane);
  } finally {
    // Also after an error: nothing goes on behind the caller's back.
    await Promise.all(lanes.map((lane) => lane.running));
    options.input.destroy();
  }
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
  const analysed = options.dryRun ? 'not needed' : await analyseLedger(project.home, tally);
  return { ...tally, reasons: Object.fromEntries([...reasons].sort()), seconds: (performance.now() - started) / 1_000, analysed };
}

/** How the file says who decided. */
interface Who {
  readonly name: string;
  /** Null: somebody who is not known yet. */
  readonly subject: Subject | null;
  readonly store: Store | null;
  /** Fields that make the key. */
  readonly key: readonly string[];
  readonly kinds: readonly KeyKind[];
  /** The subject's column with addresses; null where the manifest names none. */
  readonly email: string | null;
}

async function identify(project: Project, { subject: given }: ImportOptions): Promise<Who> {
  const { manifest } = project;
  const names = Object.keys(manifest.subjects);
  const name = given ?? (names.length === 1 ? names[0]! : null);
  if (name === null) throw new Refused(`Name the subject that the file is about: --subject ${names.join(' | ')} | device | email`);
  const subject = manifest.subjects[name];
  if (subject === undefined) {
    if (!STRANGERS.includes(name))
      throw new Refused(`The manifest knows no subject ${name}; it knows ${[...names, ...STRANGERS].join(', ')}`);
    return { name, subject: null, store: null, key: name === EMAIL ? [] : ['key'], kinds: [], email: name === EMAIL ? '' : null };
  }
  const store = project.stores.get(storeOf(subject.table))!;
  const columns = (await readCatalog(store)).tables[inStore(subject.table)]?.columns ?? [];
  const kinds = subject.key.map((key) => keyKind(columns.find((column) => column.name === key)?.baseType ?? ''));
  return { name, subject, store, key: subject.key.length === 1 ? ['key'] : subject.key, kinds, email: subject.identities[EMAIL] ?? null };
}

/** Which columns may hold a field: as `--map` says, or of the field's own name; a key also under the name of its column. */
function mapping(options: ImportOptions, who: Who, header: readonly string[] | null): (field: string) => readonly string[] {
  const fields: readonly string[] = [...DECIDED_FIELDS, ...who.key, EMAIL];
  for (const name of [...Object.keys(options.map), ...Object.keys(options.constants)]) {
    const near = nearest(name, fields);
    if (!fields.includes(name))
      throw new Refused(`No field ${name}; there are ${fields.join(', ')}${near === null ? '' : `; did you mean ${near}?`}`);
  }
  const only = who.subject?.key.length === 1 ? who.subject.key[0]! : null;
  const column = (field: string): string => {
    const mapped = options.map[field];
    if (mapped !== undefined) return mapped;
    return field === 'key' && only !== null && header?.includes('key') === false ? only : field;
  };
  const columns = new Map(
    fields.map((field) => [field, field === 'key' && only !== null && header === null ? [column(field), only] : [column(field)]]),
  );
  if (header !== null) {
    for (const [field, name] of Object.entries(options.map)) {
      if (!header.includes(name)) throw new Refused(`The header has no column that --map ${field}= names`);
    }
    const has = (field: string): boolean => header.includes(column(field)) || field in options.constants;
    const known = who.key.length > 0 && who.key.every((field) => header.includes(column(field)));
    if (!known && !(who.email !== null && header.includes(column(EMAIL))))
      throw new Refused(
        `The header says nobody: it needs ${[who.key.map(column).join(' and '), ...(who.email === null ? [] : [column(EMAIL)])].filter((it) => it !== '').join(', or ')}; name it with --map`,
      );
    for (const field of ['purpose', 'decision', 'captured_at']) {
      if (!has(field))
        throw new Refused(
          `The header has no column ${column(field)}; name it with --map ${field}=COLUMN${field === 'captured_at' ? '' : `, or say it with --set ${field}=VALUE`}`,
        );
    }
  }
  return (field) => columns.get(field) ?? [];
}

function waiting(
  line: Extract<Line, { fields: unknown }>,
  value: (field: string) => string | null,
  who: Who,
  judge: ReturnType<typeof createJudge>,
  actor: string,
): Waiting | string {
  const said = Object.fromEntries(DECIDED_FIELDS.map((field: DecidedField) => [field, value(field)])) as Said;
  const judged = judge(said, Date.now());
  if ('reason' in judged) return judged.reason;
  const entry = { ...judged.decided, actor, door: DOOR };
  const parts = who.key.map((field) => value(field)).filter((part) => part !== null);
  if (parts.length > 0 && parts.length === who.key.length) {
    const key = canonicalKey(parts, who.kinds);
    return 'reason' in key ? key.reason : { line, entry, key: key.key, email: null };
  }
  if (who.email === null) return 'key is missing';
  const address = addressForm(value(EMAIL) ?? '');
  if (address === '') return who.key.length === 0 ? 'email is missing' : 'key and email are missing';
  const bad = unfit(address) ?? (address.includes('@') ? null : 'is not an address');
  return bad === null ? { line, entry, key: null, email: address } : `email ${bad}`;
}

/** Gives addresses the key of whose they are; the hash of one that nobody has. */
async function resolved(
  who: Who,
  batch: readonly Waiting[],
  reject: (line: Line, reason: string) => void,
): Promise<{ readonly line: Line; readonly entry: RecordEntry }[]> {
  const asked = [...new Set(batch.flatMap(({ email }) => (email === null ? [] : [email])))];
  const found = new Map<string, Set<string>>();
  if (asked.length > 0 && who.store !== null && who.subject !== null && who.email !== null) {
    for (const { n, key } of await findByIdentity(who.store, who.subject, who.email, asked, true)) {
      const address = asked[n]!;
      found.set(address, (found.get(address) ?? new Set()).add(key));
    }
  }
  return batch.flatMap(({ line, entry, key, email }) => {
    if (email === null) return [{ line, entry: { ...entry, subject: who.name, key: key ?? '' } }];
    const keys = [...(found.get(email) ?? [])];
    if (keys.length > 1) {
      reject(line, `email belongs to several of ${who.name}`);
      return [];
    }
    const whose = keys[0] === undefined ? { subject: EMAIL, key: hashed(email) } : { subject: who.name, key: keys[0] };
    return [{ line, entry: { ...entry, ...whose } }];
  });
}

/** As the ledger knows an address that nobody is known by: SHA-256 of it, trimmed and in lower case. */
function hashed(address: string): string {
  return createHash('sha256').update(address).digest('hex');
}

/** FNV-1a: even, and quick for short texts. */
function laneOf(text: string, lanes: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % lanes;
}

/** The manifest's zone unless another is given; throws `Refused` for one that is not. */
export function zoneOf(manifest: Manifest, given: string | null): string {
  const zone = given ?? manifest.timezone;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    throw new Refused(`There is no time zone ${zone}: write one such as Europe/Berlin`);
  }
}
