import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { translating } from '../../database/errors.ts';
import { countRecords, findRecord, lostSeal, orphanContent, readEvidence, type ConsentItem } from '../../database/permission/evidence.ts';
import { sealConsents } from '../../database/permission/seal.ts';
import { readChain, type ConsentFault, type ConsentTally } from '../../domain/evidence/consent-chain.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

export interface VerifiedConsents extends ConsentTally {
  /** The first; null when all fits. */
  readonly fault: ConsentFault | null;
  /** The last seal of an earlier export that the database still has as it was; null when none was compared. */
  readonly agreesTo: number | null;
}

type OnProgress = (done: number, of: number) => void;
/** Between two words about progress. Records. */
const TELL_EVERY = 10_000;
const FORMAT = 'probity consent export';
const VERSION = 1;

/**
 * Recomputes everything that proves what was recorded: the commitments of contents that are there, the Merkle roots, the chain of seals.
 * Seals what is not sealed yet first. `against` is an earlier export: without one, nobody can tell that the newest seals were cut off.
 */
export async function verifyConsents(
  project: Project,
  { against = null, onProgress = () => undefined }: { readonly against?: string | null; readonly onProgress?: OnProgress } = {},
): Promise<VerifiedConsents> {
  await requireHome(project);
  const { home } = project;
  const earlier = against === null ? null : await headsOf(against);
  await sealConsents(home);
  const of = await translating(home, () => countRecords(home));
  const chain = readChain();
  const found: { fault: ConsentFault | null; agreesTo: number | null } = { fault: null, agreesTo: earlier === null ? null : 0 };
  let done = 0;
  await readEvidence(home, (item) => {
    found.fault = item.kind === 'seal' ? chain.seal(item.seal) : chain.record(item.record);
    if (found.fault === null && item.kind === 'seal' && earlier?.has(item.seal.sealId) === true) {
      if (earlier.get(item.seal.sealId) === item.seal.head) found.agreesTo = item.seal.sealId;
      else found.fault = { fault: 'altered', of: 'seal', number: item.seal.sealId, sealId: item.seal.sealId };
    }
    if (item.kind === 'record' && ++done % TELL_EVERY === 0) onProgress(done, of);
    return found.fault === null;
  });
  found.fault ??= chain.end();
  onProgress(done, of);
  const tally = chain.tally();
  return { ...tally, agreesTo: found.agreesTo, fault: await translating(home, () => settled(project, found.fault, earlier, tally.seals)) };
}

/** What the chain alone cannot tell: that a missing record stands elsewhere, and what nothing in the chain speaks of any more. */
async function settled(
  { home }: Project,
  fault: ConsentFault | null,
  earlier: ReadonlyMap<number, string> | null,
  seals: number,
): Promise<ConsentFault | null> {
  if (fault !== null) {
    if (fault.fault !== 'missing' || fault.of !== 'record') return fault;
    return (await findRecord(home, fault.number)) === null ? fault : { ...fault, fault: 'reordered' };
  }
  const seal = (await lostSeal(home)) ?? [...(earlier?.keys() ?? [])].find((it) => it > seals) ?? null;
  if (seal !== null) return { fault: 'missing', of: 'seal', number: seal, sealId: seal };
  const orphan = await orphanContent(home);
  return orphan === null ? null : { fault: 'missing', of: 'record', number: orphan, sealId: null };
}

/** Checks an export without any service. Throws `Refused` when the file is none. */
export async function verifyConsentFile(path: string): Promise<VerifiedConsents> {
  const chain = readChain();
  const found: { fault: ConsentFault | null } = { fault: null };
  let complete = false;
  for await (const item of exported(path)) {
    const { fault } = found;
    if (item.kind === 'end') {
      complete = true;
      found.fault ??= chain.end() ?? cutShort(chain.tally(), item);
    } else if (fault === null) {
      found.fault = item.kind === 'seal' ? chain.seal(item.seal) : chain.record(item.record);
    } else if (fault.fault === 'missing' && fault.of === item.kind) {
      // It is not missing, it stands further down.
      const number = item.kind === 'seal' ? item.seal.sealId : item.record.recordId;
      if (number === fault.number) found.fault = { ...fault, fault: 'reordered' };
    }
  }
  if (!complete) found.fault ??= chain.end() ?? cutShort(chain.tally(), null);
  return { ...chain.tally(), fault: found.fault, agreesTo: null };
}

/** The file's last line says how much it held. */
function cutShort(tally: ConsentTally, end: { readonly records: number; readonly head: string } | null): ConsentFault | null {
  if (end !== null && end.records === tally.records && end.head === tally.head) return null;
  return { fault: 'missing', of: 'seal', number: tally.seals + 1, sealId: null };
}

export interface ExportedConsents extends ConsentTally {
  readonly keys: boolean;
}

/**
 * Writes everything that proves what was recorded as JSON lines, to a new file that only its owner may read. `keys`: also whom each record is
 * about. What the file says can be checked without us; it is personal data, above all with keys.
 */
export async function exportConsents(
  project: Project,
  path: string,
  { keys, onProgress = () => undefined }: { readonly keys: boolean; readonly onProgress?: OnProgress },
): Promise<ExportedConsents> {
  await requireHome(project);
  const { home, manifest } = project;
  await sealConsents(home);
  const of = await translating(home, () => countRecords(home));
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    const exists = (error as { code?: unknown }).code === 'EEXIST';
    throw new Refused(exists ? `${path} is there already and is not overwritten` : `${path} cannot be written`);
  });
  const chain = readChain();
  let lines: string[] = [JSON.stringify({ kind: FORMAT, v: VERSION, organisation: manifest.organisation })];
  let done = 0;
  try {
    const write = async (): Promise<void> => {
      await file.appendFile(`${lines.join('\n')}\n`);
      lines = [];
    };
    await readEvidence(home, async (item) => {
      // Counts only: an export shows what is there, also when it does not fit.
      if (item.kind === 'seal') chain.seal(item.seal);
      else chain.record(item.record);
      lines.push(JSON.stringify(keys || item.kind === 'seal' ? item : { kind: item.kind, record: item.record }));
      if (item.kind === 'record' && ++done % TELL_EVERY === 0) onProgress(done, of);
      if (lines.length >= TELL_EVERY) await write();
      return true;
    });
    onProgress(done, of);
    const { head } = chain.tally();
    lines.push(JSON.stringify({ kind: 'end', records: done, head }));
    await write();
  } finally {
    await file.close();
  }
  return { ...chain.tally(), records: done, keys };
}

/** Seals what was just recorded if nobody else is at it. What it cannot do now is done by the next. */
export async function sealLater(project: Project): Promise<void> {
  await sealConsents(project.home, { wait: false }).catch(() => undefined);
}

type FileItem = ConsentItem | { readonly kind: 'end'; readonly records: number; readonly head: string };

async function headsOf(path: string): Promise<Map<number, string>> {
  const heads = new Map<number, string>();
  for await (const item of exported(path)) if (item.kind === 'seal') heads.set(item.seal.sealId, item.seal.head);
  return heads;
}

async function* exported(path: string): AsyncGenerator<FileItem> {
  const refused = (why: string): Refused => new Refused(`The file ${path} ${why}`);
  const stream = createReadStream(path, 'utf8');
  let n = 0;
  try {
    for await (const line of linesOf(stream)) {
      n++;
      let item: { kind?: unknown; v?: unknown };
      try {
        item = JSON.parse(line) as typeof item;
      } catch {
        throw refused(n === 1 ? 'is not an export of consents' : `is damaged at line ${n}`);
      }
      if (n === 1) {
        if (item?.kind !== FORMAT || item.v !== VERSION) throw refused('is not an export of consents');
        continue;
      }
      if (!looksRight(item)) throw refused(`is damaged at line ${n}`);
      yield item;
    }
    if (n === 0) throw refused('is not an export of consents');
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw refused('cannot be read');
  } finally {
    stream.destroy();
  }
}

/** Node's own reader of lines also ends them at U+2028, which JSON allows inside a string. */
async function* linesOf(stream: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function looksRight(item: unknown): item is FileItem {
  const { kind, seal, record, records } = (item ?? {}) as Record<string, unknown>;
  if (kind === 'end') return typeof records === 'number';
  const part = kind === 'seal' ? seal : kind === 'record' ? record : null;
  if (typeof part !== 'object' || part === null) return false;
  return kind === 'seal'
    ? typeof (part as { index?: unknown }).index === 'string'
    : typeof (part as { recordId?: unknown }).recordId === 'number';
}
