import type { Controller, Manifest } from '../../manifest/model.ts';
import { keepingWords, floorWords, basisWords } from '../processing/sentences.ts';
import type { ProcessingRecord } from '../processing/record.ts';
import type { Law } from './clock.ts';
import type { CopyColumn, CopyKind } from './copy.ts';
import { receivedBy } from './notices.ts';
import { spaced } from '../processing/words.ts';
import { tableTitle } from './titles.ts';
import { CALIFORNIA_REMEDIES, REMEDIES } from './reply.ts';

/*
 * What a copy tells beside the rows (Art. 15(1) and (2)): purposes, categories, recipients, how long, rights, where the data comes from. It is
 * written piece by piece: the head, the tables with their rows, the rest. Its shape is stable: a later version only adds.
 */

export interface CopyHead {
  readonly format: 'probity/copy/1';
  readonly request: string;
  readonly kind: CopyKind;
  readonly provision: string;
  readonly organisation: string;
  readonly controller: Controller | null;
  /** The manifest in force. */
  readonly manifest: string;
  /** ISO 8601. */
  readonly madeAt: string;
  /** Who it is about, as each kind of subject that the person is. */
  readonly person: readonly {
    readonly subject: string;
    /** Several where they are known by several rows; each by its columns. */
    readonly keys: readonly (readonly string[])[];
    readonly identities: Readonly<Record<string, readonly string[]>>;
  }[];
  /** Stands where a value was. */
  readonly redacted: string;
}

export interface CopyTableHead {
  /** `your orders` */
  readonly title: string;
  readonly as: string;
  readonly purposes: readonly { readonly purpose: string; readonly description: string | null; readonly bases: readonly string[] }[];
  /** Since when and until when its rows were captured; null: nothing says so. */
  readonly captured: { readonly from: string; readonly to: string } | null;
  /** How long rows stay, in words; null: nothing is declared. */
  readonly kept: string | null;
  /** When the last of these rows goes. */
  readonly endsAt: string | null;
  /** The law by which they go no sooner, and the day of the last of them. */
  readonly floor: string | null;
  readonly floorUntil: string | null;
  readonly recipients: readonly string[];
  readonly columns: readonly Omit<CopyColumn, 'leftOut' | 'inCommon'>[];
  readonly leftOut: readonly { readonly column: string; readonly because: string }[];
}

export interface CopyTableTail {
  /** Rows of the person, and rows of nobody or of others whose documents name the person. */
  readonly count: number;
  readonly naming: number;
  /** By column: in how many places something was withheld that is, or may be, another person's. */
  readonly withheld: Readonly<Record<string, number>>;
}

/** What follows the tables. Absent in a copy for portability, but for `searched`. */
export interface CopyRest {
  /** When each store was read: one moment each. */
  readonly searched: readonly { readonly store: string; readonly at: string }[];
  readonly consent: {
    readonly permissions: readonly {
      readonly purpose: string;
      readonly channel: string | null;
      readonly basis: string;
      readonly allowed: boolean;
      readonly reason: string;
    }[];
    readonly history: readonly CopiedConsent[];
  } | null;
  readonly requests:
    readonly { readonly request: string; readonly kind: string; readonly received: string; readonly state: string }[] | null;
  readonly recipients: readonly CopiedRecipient[] | null;
  readonly rights: readonly string[] | null;
}

export interface CopiedConsent {
  readonly purpose: string;
  readonly channel: string | null;
  readonly decision: string;
  readonly captured: string;
  readonly expires: string | null;
  readonly touchpoint: string;
  readonly notice: string | null;
  readonly language: string | null;
  readonly givenBy: string | null;
}

export interface CopiedRecipient {
  readonly name: string;
  readonly role: string;
  readonly country: string | null;
  readonly description: string | null;
  readonly purposes: readonly string[];
  readonly receives: readonly string[];
  /** Art. 15(2): whether it is outside the EEA, and what makes that lawful. */
  readonly outside: boolean | null;
  readonly safeguard: string | null;
}

export const PROVISIONS: Readonly<Record<CopyKind, string>> = { access: 'Art. 15 GDPR', portability: 'Art. 20 GDPR' };

export interface AboutTable {
  /** `store.schema.table` */
  readonly id: string;
  readonly subject: string;
  readonly columns: readonly CopyColumn[];
  readonly captured: CopyTableHead['captured'];
  readonly endsAt: string | null;
  readonly floorUntil: string | null;
}

export function copyTableHead(about: AboutTable, record: ProcessingRecord, manifest: Manifest): CopyTableHead {
  const { id, subject, captured, endsAt, floorUntil } = about;
  const columns = about.columns.filter(({ leftOut }) => leftOut === null);
  const purposes = new Set([...manifest.tables[id]!.purposes, ...columns.flatMap((it) => it.purposes)]);
  const keeping = record.keeping.find(({ table }) => table === id);
  return {
    title: tableTitle(id, manifest),
    as: subject,
    purposes: record.activities
      .filter(({ purpose }) => purposes.has(purpose))
      .map(({ purpose, description, bases }) => ({ purpose, description, bases: bases.map(basisWords) })),
    captured,
    kept: keeping === undefined ? null : keepingWords(keeping, (table) => tableTitle(table, manifest)),
    endsAt,
    floor: keeping?.floor ? floorWords(keeping.floor) : null,
    floorUntil,
    recipients: recipientsOf(id, subject, columns, manifest),
    columns: columns.map(({ name, type, category, special, origin, purposes: serves }) => ({
      name,
      type,
      category,
      special,
      origin,
      purposes: serves,
    })),
    leftOut: about.columns.flatMap(({ name, leftOut }) => (leftOut === null ? [] : [{ column: name, because: leftOut }])),
  };
}

/** Who receives columns of a table; who receives all of a kind of person receives it, too. */
function recipientsOf(id: string, subject: string, columns: readonly CopyColumn[], manifest: Manifest): string[] {
  return Object.entries(manifest.recipients).flatMap(([name, recipient]) => {
    const received = receivedBy(manifest, recipient);
    return received.whole.has(subject) || columns.some((it) => received.columns.has(`${id}.${it.name}`)) ? [name] : [];
  });
}

/** Those that receive anything of what the copy holds. */
export function copiedRecipients(names: ReadonlySet<string>, record: ProcessingRecord, manifest: Manifest): CopiedRecipient[] {
  return record.recipients
    .filter(({ name }) => names.has(name))
    .map(({ name, role, country, description, purposes, receives, transfer, safeguard }) => ({
      name,
      role,
      country,
      description,
      purposes,
      receives: receives.map((it) => receivedWords(it, manifest)),
      outside: transfer,
      safeguard,
    }));
}

/** `customer.email` as it is, and a column of a table by what the table is called. */
function receivedWords(id: string, manifest: Manifest): string {
  const end = id.lastIndexOf('.');
  return id.split('.').length === 4 ? `${tableTitle(id.slice(0, end), manifest)}: ${spaced(id.slice(end + 1))}` : id;
}

/** Art. 15(1)(e) and (f). */
export function copyRights(law: Law, controller: Controller | null): string[] {
  const contact = controller?.dpo ?? controller?.contact ?? null;
  const where = contact === null ? 'us' : contact;
  if (law === 'california')
    return [
      `You may ask ${where} to correct what is wrong, to delete what we hold, and not to sell or share it (Cal. Civ. Code §§ 1798.105, 1798.106, 1798.120).`,
      CALIFORNIA_REMEDIES.join(' '),
    ];
  return [
    `You may ask ${where} to put right what is wrong (Art. 16 GDPR), to erase it (Art. 17) or to restrict its use (Art. 18), and you may receive in a machine-readable format what you provided (Art. 20).`,
    'You may object at any time to what stands on legitimate interests or a public task, for reasons of your situation, and to direct marketing without any reason (Art. 21).',
    'You may withdraw a consent at any time; what was done until then stays lawful (Art. 7(3)).',
    ...remedies(),
  ];
}

/** One sentence each, as a list of its own needs them. */
function remedies(): string[] {
  return REMEDIES.join('\n')
    .replaceAll('\n  ', ' ')
    .split('\n')
    .map((it) => `You may ${it.replace(/^- /, '').replace(/[;.]$/, '')}.`);
}
