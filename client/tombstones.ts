import type { Readable } from 'node:stream';
import {
  countTombstones,
  erasedAmong,
  liftTombstones,
  spreadTombstones,
  type AskedRow,
  type TombstoneCounts,
} from '../database/requests/tombstones.ts';
import type { Store } from '../database/store.ts';
import { KEY_IDENTITY } from '../domain/requests/graph.ts';
import type { Manifest } from '../manifest/model.ts';
import { checkPurpose, type ConsentIdentity } from './consent/entries.ts';
import { readLines, type Line, type LineFormat } from './consent/lines.ts';
import { durability, type Durability } from './durability.ts';
import { isMigrated, requireHome } from './migrate.ts';
import type { Project } from './project.ts';
import { Refused } from './refused.ts';
import { parseTime } from './times.ts';

export type { TombstoneCounts } from '../database/requests/tombstones.ts';

/** A row that is to come in, by whom it is about. */
export interface ImportedRow {
  readonly subject: string;
  /** `key`, or an identity such as `email`; a key of several columns is a JSON array of texts. */
  readonly identity: string;
  readonly value: string;
  /** When the row was captured, not when it is imported. Null or none: nobody knows, so it counts as older than any erasure. */
  readonly recordedAt?: Date | null;
  /** What the row is to serve: where one of them goes on for a person, it may come in. */
  readonly purposes?: readonly string[];
}

/** What one statement asks for. */
const ROWS_AT_ONCE = 5_000;

/**
 * For each row, in order, whether it must be left out: it is about somebody who was erased after it was captured. Throws `Refused` for a subject, an
 * identity or a purpose that the manifest does not know, and a `StoreError` with code `PB015` while a restored store is not replayed.
 */
export async function erasedBefore(project: Project, rows: readonly ImportedRow[]): Promise<boolean[]> {
  await requireHome(project);
  const kinds = Map.groupBy(
    rows.map((row, index) => ({ row, index })),
    ({ row }) => JSON.stringify([row.subject, row.identity, row.purposes ?? []]),
  );
  const answers = rows.map(() => false);
  for (const some of kinds.values()) {
    const { subject, identity, purposes = [] } = some[0]!.row;
    checkKind(project.manifest, subject, identity, purposes);
    for (let from = 0; from < some.length; from += ROWS_AT_ONCE) {
      const part = some.slice(from, from + ROWS_AT_ONCE);
      const asked = part.map(({ row }): AskedRow => ({ value: row.value, recordedAt: row.recordedAt ?? null }));
      const erased = await erasedAmong(project.home, { subject, identity, purposes }, asked);
      for (const [at, { index }] of part.entries()) answers[index] = erased[at] ?? false;
    }
  }
  return answers;
}

function checkKind({ subjects, ...manifest }: Manifest, subject: string, identity: string, purposes: readonly string[]): void {
  const declared = subjects[subject];
  if (declared === undefined) throw new Refused(`The manifest knows no subject ${subject}; it knows ${Object.keys(subjects).join(', ')}`);
  if (identity !== KEY_IDENTITY && !(identity in declared.identities))
    throw new Refused(`${subject} has no identity ${identity}; it has ${[KEY_IDENTITY, ...Object.keys(declared.identities)].join(', ')}`);
  for (const purpose of purposes) checkPurpose({ ...manifest, subjects }, purpose);
}

export interface CheckOptions {
  readonly input: Readable;
  readonly format: LineFormat;
  readonly subject: string;
  readonly identity: string;
  /** The columns that hold the identity and the time of capture; null: no column says when. */
  readonly column: string;
  readonly at: string | null;
  readonly purposes: readonly string[];
  /** A line that must be left out: its number, and why. Never what stands in it. */
  readonly onLeftOut: (told: { readonly line: number; readonly why: 'erased' | 'unreadable' }) => void;
  /** A line that may come in, as it stood. Personal data. */
  readonly onKept?: (kept: { readonly raw: string; readonly header: readonly string[] | null }) => void;
}

export interface Checked {
  readonly lines: number;
  readonly erased: number;
  readonly unreadable: number;
}

/** Looks through a file that is to be imported. What cannot be read is left out, too: nobody knows whom it is about. */
export async function checkFile(project: Project, options: CheckOptions): Promise<Checked> {
  const { subject, identity, column, at, purposes } = options;
  checkKind(project.manifest, subject, identity, purposes);
  const { header, lines } = await readLines(options.input, options.format);
  for (const name of [column, ...(at === null ? [] : [at])])
    if (header !== null && !header.includes(name)) throw new Refused(`The header names no column ${name}; there are ${header.join(', ')}`);
  const tally = { lines: 0, erased: 0, unreadable: 0 };
  const waiting: { readonly line: Line; readonly row: ImportedRow | null }[] = [];
  const flush = async (): Promise<void> => {
    const batch = waiting.splice(0);
    const answers = await erasedBefore(project, batch.flatMap(({ row }) => row ?? [])); // prettier-ignore
    let next = 0;
    for (const { line, row } of batch) {
      const why = row === null ? 'unreadable' : answers[next++] === true ? 'erased' : null;
      if (why === null) options.onKept?.({ raw: line.raw, header });
      else {
        tally[why]++;
        options.onLeftOut({ line: line.line, why });
      }
    }
  };
  for await (const line of lines) {
    tally.lines++;
    waiting.push({ line, row: rowOf(line) });
    if (waiting.length >= ROWS_AT_ONCE) await flush();
  }
  await flush();
  return tally;

  function rowOf(line: Line): ImportedRow | null {
    if ('reason' in line) return null;
    const value = line.fields[column] ?? '';
    const time = at === null ? null : (line.fields[at] ?? '').trim();
    try {
      const recordedAt = time === null || time === '' ? null : parseTime(time.replace(' ', 'T'), project.manifest.timezone);
      return { subject, identity, value, recordedAt, purposes };
    } catch {
      return null;
    }
  }
}

export interface Lifted {
  /** Tombstones; several where somebody was erased more than once. */
  readonly lifted: number;
  readonly durability: Durability;
}

/** Lets older rows of a person come in again, since they are a customer again or were buried in error. A consent that they grant does it by itself. */
export async function liftTombstone(project: Project, who: ConsentIdentity, by: string, reason: string): Promise<Lifted> {
  await requireHome(project);
  if (reason.trim() === '') throw new Refused('Say why, without personal data');
  const named =
    'key' in who
      ? {
          identity: KEY_IDENTITY,
          value: who.key.length === 1 ? String(who.key[0]) : JSON.stringify(who.key.map(String)).replaceAll('","', '", "'),
        }
      : { identity: who.identity, value: who.value };
  checkKind(project.manifest, who.subject, named.identity, []);
  const lifted = await liftTombstones(project.home, { subject: who.subject, ...named }, by, reason.trim());
  for (const store of await migrated(project)) if (store !== project.home) await spreadTombstones(project.home, store);
  return { lifted, durability: await durability(project) };
}

/** By store. */
export async function tombstones(project: Project): Promise<TombstoneCounts[]> {
  await requireHome(project);
  return Promise.all((await migrated(project)).map(countTombstones));
}

async function migrated({ stores, home }: Project): Promise<Store[]> {
  const found: Store[] = [];
  for (const store of stores.values()) if (await isMigrated(store, store === home)) found.push(store);
  return found;
}
