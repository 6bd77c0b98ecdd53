import { columnParts } from '../../manifest/ids.ts';
import type { ColumnId, Manifest, Recipient, TableId } from '../../manifest/model.ts';
import { canonicalHash } from '../canonical.ts';
import { KEY_IDENTITY } from './graph.ts';
import type { ErasurePlan } from './plan.ts';

/** What recipients hear of: Art. 19 GDPR. A withdrawal and an objection erase, too. */
export type News = 'erasure' | 'restriction' | 'restriction_lifted' | 'rectification';

/** `webhook`: we send it. `activity`: the company's own code, on its own task queue. `task`: a person does it and says so. */
export type NoticeWay = 'webhook' | 'activity' | 'task';

/**
 * `sent`: it has arrived, and nobody has said that it was acted on. `told`: a person says that the recipient knows. `given_up`: impossible, or out of
 * proportion, as somebody who may decide has signed.
 */
export type NoticeState = 'open' | 'sent' | 'acknowledged' | 'told' | 'given_up';

/** Why nobody is told: Art. 19 GDPR. */
export const GIVE_UP_REASONS = ['unreachable', 'disproportionate'] as const;
export type GiveUpReason = (typeof GIVE_UP_REASONS)[number];

/** One recipient, and what it is told of a plan or a request. Says nothing of the people. */
export interface Notice {
  readonly id: string;
  /** Number of the request, or of the batch. */
  readonly request: string;
  /** Whose keys name the people. */
  readonly run: string;
  readonly recipient: string;
  readonly news: News;
  readonly way: NoticeWay;
  /** Classes of people of the run that it is about. */
  readonly classes: readonly number[];
  /** By which the recipient knows people: `customer.email`, `customer.key`. */
  readonly identities: readonly string[];
  readonly people: number;
  readonly pages: number;
  readonly state: NoticeState;
  readonly attempts: number;
  readonly openedAt: Date;
  /** For so many days it is tried, as the manifest said when it was opened. */
  readonly patienceDays: number;
  /** So many days without an answer are worth a word. */
  readonly silentAfterDays: number;
  readonly firstAttemptAt: Date | null;
  readonly lastAttemptAt: Date | null;
  /** Null: nothing is tried any more. */
  readonly nextAttemptAt: Date | null;
  readonly settledAt: Date | null;
  readonly settledBy: string | null;
  /** A word of ours, such as `timeout` or `http_503`: never what the other side said, nor where it is. */
  readonly problem: string | null;
}

export function isSettled({ state }: Pick<Notice, 'state'>): boolean {
  return state === 'acknowledged' || state === 'told' || state === 'given_up';
}

/** Of what a recipient was to be told, apart from how far that is: what a signed decision about it names. */
export function noticesHash(notices: readonly Notice[]): string {
  const told = notices.map(({ id, request, run, recipient, news, classes, identities, people, openedAt }) => ({
    id, request, run, recipient, news, classes, identities, people, openedAt: openedAt.toISOString(),
  })); // prettier-ignore
  return canonicalHash(told.toSorted((one, other) => (one.id < other.id ? -1 : 1)));
}

/** What becomes of the data of people for whom the same purposes go on. */
export interface ChangedData {
  readonly class: number;
  readonly subject: string;
  /** Purposes that go on; what a recipient receives for no other purpose has ended. */
  readonly remaining: readonly string[];
  /** Purposes that end; null: all that do not go on. */
  readonly ended: readonly string[] | null;
  /** By table: the columns that are erased or masked; null: whole rows go. */
  readonly tables: ReadonlyMap<TableId, readonly string[] | null>;
}

/** What a plan changes, by class of people. */
export function changedData({ classes, stores }: ErasurePlan): ChangedData[] {
  return classes.map(({ subject, scope }, index): ChangedData => {
    const tables = stores.flatMap((store) => {
      if (store.class !== index) return [];
      return store.tables.flatMap((counted) => {
        const planned = store.erasure.tables.find(({ table }) => table === counted.table);
        if (planned === undefined || counted.erased + counted.masked === 0) return [];
        const whole = planned.rows === 'delete' && counted.erased > 0;
        // A row that should go and that others need stays, masked.
        const some = [
          ...planned.masks,
          ...(counted.needed > 0 ? planned.masksWhenPinned : []),
          ...planned.json.map(({ column }) => column),
        ];
        return [[`${store.erasure.store}.${counted.table}`, whole ? null : some] as const];
      });
    });
    const remaining = scope.remaining.map(({ purpose }) => purpose);
    return { class: index, subject, remaining, ended: scope.ended, tables: new Map(tables) };
  });
}

export interface ToTell {
  readonly recipient: string;
  readonly way: NoticeWay;
  readonly classes: readonly number[];
  readonly identities: readonly string[];
}

/**
 * Who is to be told, by name: recipients of a column that is erased or masked, and those that receive data for a purpose that ends. A recipient
 * that knows people by nothing that we know cannot be told by a program: a person must.
 */
export function recipientsToTell(manifest: Manifest, changed: readonly ChangedData[]): ToTell[] {
  return Object.entries(manifest.recipients).flatMap(([name, recipient]): ToTell[] => {
    const received = receivedBy(manifest, recipient);
    const about = changed.filter((it) => concerns(received, recipient, it, manifest));
    if (about.length === 0) return [];
    const subjects = new Set(about.map(({ subject }) => subject));
    const identities = received.identities.filter((it) => subjects.has(it.slice(0, it.indexOf('.'))));
    return [
      {
        recipient: name,
        way: identities.length === 0 ? 'task' : wayOf(recipient),
        classes: [...new Set(about.map((it) => it.class))].sort((one, other) => one - other),
        identities,
      },
    ];
  });
}

/** Who is to hear of a restriction or a rectification of somebody, as each of these kinds of subject: whoever receives anything of it. */
export function recipientsOf(manifest: Manifest, subjects: readonly string[]): ToTell[] {
  return Object.entries(manifest.recipients).flatMap(([name, recipient]): ToTell[] => {
    const received = receivedBy(manifest, recipient);
    const classes = subjects.flatMap((subject, index) => (receivesOf(received, subject, manifest) ? [index] : []));
    if (classes.length === 0) return [];
    const identities = received.identities.filter((it) => classes.some((index) => it.startsWith(`${subjects[index]!}.`)));
    return [{ recipient: name, way: identities.length === 0 ? 'task' : wayOf(recipient), classes, identities }];
  });
}

export function wayOf({ notify }: Pick<Recipient, 'notify'>): NoticeWay {
  if (notify['webhook'] !== undefined) return 'webhook';
  return notify['activity'] === undefined ? 'task' : 'activity';
}

export interface Received {
  /** Subjects of whom it receives everything. */
  readonly whole: ReadonlySet<string>;
  readonly columns: ReadonlySet<ColumnId>;
  /** `customer.email`; `customer.key` where it receives the key. Sorted. */
  readonly identities: readonly string[];
}

/** What a recipient receives, and by which identities it so knows people: no other ever leaves for it. */
export function receivedBy(manifest: Manifest, { receives }: Pick<Recipient, 'receives'>): Received {
  const whole = new Set<string>();
  const columns = new Set<ColumnId>();
  const identities = new Set<string>();
  for (const text of receives) {
    const [name = '', part, ...more] = text.split('.');
    if (more.length > 0) {
      columns.add(text);
      continue;
    }
    const subject = manifest.subjects[name];
    if (subject === undefined) continue;
    if (part === undefined || part === '*') {
      whole.add(name);
      for (const identity of [KEY_IDENTITY, ...Object.keys(subject.identities)]) identities.add(`${name}.${identity}`);
    } else columns.add(`${subject.table}.${subject.identities[part] ?? part}`);
  }
  for (const id of columns) for (const identity of identitiesIn(manifest, id)) identities.add(identity);
  return { whole, columns, identities: [...identities].sort() };
}

/** The identities that a column holds. */
function identitiesIn(manifest: Manifest, id: ColumnId): string[] {
  const { table, column } = columnParts(id);
  const own = Object.entries(manifest.subjects).flatMap(([name, subject]) => {
    if (subject.table !== table) return [];
    const named = Object.entries(subject.identities).flatMap(([identity, at]) => (at === column ? [`${name}.${identity}`] : []));
    return subject.key.length === 1 && subject.key[0] === column ? [`${name}.${KEY_IDENTITY}`, ...named] : named;
  });
  const references = manifest.references.flatMap(({ from, to }) => {
    if (from !== id || to.split('.').length > 2) return [];
    return [to.includes('.') ? to : `${to}.${KEY_IDENTITY}`];
  });
  return [...own, ...references];
}

function concerns(received: Received, { purposes }: Recipient, changed: ChangedData, manifest: Manifest): boolean {
  if (!receivesOf(received, changed.subject, manifest)) return false;
  if (purposes.some((purpose) => hasEnded(changed, purpose))) return true;
  if (received.whole.has(changed.subject)) return changed.tables.size > 0;
  return [...received.columns].some((id) => {
    const { table, column } = columnParts(id);
    const gone = changed.tables.get(table);
    return gone !== undefined && (gone === null || gone.includes(column));
  });
}

/** Whether anything that it receives can be of this kind of person: with one kind only, everything is. */
function receivesOf({ whole, identities, columns }: Received, subject: string, manifest: Manifest): boolean {
  if (whole.has(subject) || identities.some((it) => it.startsWith(`${subject}.`))) return true;
  return columns.size > 0 && (Object.keys(manifest.subjects).length === 1 || identities.length === 0);
}

function hasEnded({ ended, remaining }: ChangedData, purpose: string): boolean {
  return ended === null ? !remaining.includes(purpose) : ended.includes(purpose) || ended.includes('*');
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** A hiccup is over in a minute, a deployment in an hour. */
const FIRST_DELAYS_MS = [10 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS];
/** For so long once an hour; then once a day. */
const HOURLY_FOR_MS = DAY_MS;
/** When to try again after the attempt that was the `attempts`-th; null: no more. */
export function nextAttempt({
  attempts,
  first,
  now,
  patienceDays,
}: {
  readonly attempts: number;
  readonly first: Date;
  readonly now: Date;
  readonly patienceDays: number;
}): Date | null {
  const age = now.getTime() - first.getTime();
  const delay = FIRST_DELAYS_MS[attempts - 1] ?? (age < HOURLY_FOR_MS ? HOUR_MS : DAY_MS);
  return age + delay > patienceDays * DAY_MS ? null : new Date(now.getTime() + delay);
}

/** Whole days without an answer, once they are worth a word; null before, and when it is settled or a person's. */
export function silentDays(notice: Pick<Notice, 'state' | 'way' | 'openedAt' | 'silentAfterDays'>, now: Date): number | null {
  if (isSettled(notice) || notice.way === 'task') return null;
  const days = Math.floor((now.getTime() - notice.openedAt.getTime()) / DAY_MS);
  return days >= notice.silentAfterDays ? days : null;
}

/** `mailer acknowledged`, `ad_platform SILENT 6 days`, `agency task open` */
export function noticeText(notice: Notice, now: Date): string {
  const silent = silentDays(notice, now);
  const what = notice.news === 'erasure' ? '' : ` (${notice.news.replaceAll('_', ' ')})`;
  const tried = notice.problem === null ? '' : `, ${notice.problem.replaceAll('_', ' ')}`;
  if (silent !== null) return `${notice.recipient}${what} SILENT ${silent} days${tried}`;
  return `${notice.recipient}${what} ${stateText(notice)}`;
}

function stateText({ state, way, attempts, problem }: Notice): string {
  if (state === 'told') return 'told by a person';
  if (state === 'given_up') return 'GIVEN UP';
  if (state !== 'open') return state === 'sent' ? 'sent, not acknowledged yet' : state;
  if (way === 'task') return 'task open';
  if (problem !== null) return `not reached (${problem.replaceAll('_', ' ')}), ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
  return way === 'activity' ? 'waits for its own code' : 'to be told';
}

/** What the certificate says of each recipient that was to be told, by name. `reasons`: of those that were given up, as signed. */
export function noticeStatements(notices: readonly Notice[], reasons: ReadonlyMap<string, string>): string[] {
  return notices.map(({ recipient, state, settledAt, settledBy, people, openedAt }) => {
    const at = settledAt?.toISOString() ?? 'an unknown time';
    const about = `${people} ${people === 1 ? 'person' : 'people'}`;
    if (state === 'acknowledged') return `recipient ${recipient}: told about ${about} and acknowledged at ${at}`;
    if (state === 'told') return `recipient ${recipient}: told about ${about} by ${settledBy ?? 'somebody'} at ${at}, as they say`;
    if (state === 'given_up')
      return `recipient ${recipient}: not told about ${about}, since that is ${reasons.get(recipient) ?? 'impossible'} (Art. 19), as ${settledBy ?? 'somebody'} decided at ${at}`;
    return `recipient ${recipient}: not settled since ${openedAt.toISOString()}`;
  });
}

/** People of one page at most: some hundred kilobytes. */
export const PAGE_PEOPLE = 500;

/** Somebody as the recipient knows them; a value is text, or the parts of a key of several columns. */
export interface NoticePerson {
  readonly subject: string;
  readonly identities: Readonly<Record<string, readonly (string | readonly string[])[]>>;
}

export const NOTICE_FORMAT = 'probity-notice/1';

/** What a webhook is sent. The same bytes for each attempt, so that a repetition is known by its id. */
export interface NoticeBody {
  readonly format: typeof NOTICE_FORMAT;
  /** Of this page: what a receiver knows a repetition by. */
  readonly notice: string;
  readonly organisation: string;
  readonly kind: News;
  /** The same for all pages; says nothing about the request's number. */
  readonly request: string;
  readonly issued_at: string;
  /** From 1. */
  readonly page: number;
  readonly pages: number;
  readonly people: readonly NoticePerson[];
}
