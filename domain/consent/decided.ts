import { DateTime } from 'luxon';
import { DECISIONS, EVERY_PURPOSE, RESTRICTIONS } from '../../manifest/decisions.ts';
import type { Decision, Manifest } from '../../manifest/model.ts';

/** What a line or a row says, before anybody has looked at it. Null: it says nothing. */
export type Said = Readonly<Record<DecidedField, string | null>>;

/** Fields of a decision; who decided stands beside them. */
export const DECIDED_FIELDS = [
  'purpose',
  'channel',
  'decision',
  'captured_at',
  'touchpoint',
  'notice',
  'language',
  'given_by',
  'proof',
  'id',
] as const;
export type DecidedField = (typeof DECIDED_FIELDS)[number];

/** A decision that the ledger takes. Names are those of `probity.consent_entry`. */
export interface Decided {
  /** `*` for restrictions. */
  readonly purpose: string;
  readonly channel: string | null;
  readonly decision: Decision;
  /** ISO 8601 in UTC, to the microsecond. */
  readonly captured_at: string;
  readonly touchpoint: string | null;
  readonly notice: string | null;
  readonly language: string | null;
  readonly given_by: string | null;
  readonly proof: string | null;
  /** Of the caller's: saying it again under the same id changes nothing. */
  readonly id: string | null;
}

/** Why a line is not taken: names fields and what the manifest knows, never what the line says. */
export type Reason = string;

export type Judged = { readonly decided: Decided } | { readonly reason: Reason };

/** Clocks of two machines may differ by so much; what was captured later than that has not happened. Milliseconds. */
const FUTURE_MS = 60_000;
/** Longer than any purpose, version of a notice or reference; what is longer is a mistaken column. Characters. */
const LONGEST = 1_000;

const KNOWN: ReadonlySet<string> = new Set(DECISIONS);

/**
 * Judges what a line says against the manifest. `zone` is that of times without one, `now` in milliseconds. Whatever depends on the
 * manifest alone is prepared once, since it is asked for every one of millions of lines.
 */
export function createJudge(manifest: Pick<Manifest, 'purposes'>, zone: string, decisions: Readonly<Record<string, Decision>> = {}) {
  const channels = new Map(Object.entries(manifest.purposes).map(([name, purpose]) => [name, new Set(purpose.channels)]));
  const local = wallClock(zone);
  return (said: Said, now: number): Judged => {
    for (const field of DECIDED_FIELDS) {
      const reason = said[field] === null ? null : unfit(said[field]);
      if (reason !== null) return { reason: `${field} ${reason}` };
    }
    const word = said.decision === null ? null : (decisions[said.decision] ?? said.decision);
    if (word === null) return { reason: 'decision is missing' };
    if (!KNOWN.has(word)) return { reason: 'decision is none that the ledger knows' };
    const decision = word as Decision;
    const ofAll = RESTRICTIONS.includes(decision);
    const purpose = said.purpose ?? (ofAll ? EVERY_PURPOSE : null);
    if (purpose === null) return { reason: 'purpose is missing' };
    if (ofAll !== (purpose === EVERY_PURPOSE))
      return { reason: `${decision} is ${ofAll ? 'of all purposes (*)' : 'of one purpose, not of all (*)'}` };
    const known = channels.get(purpose);
    if (!ofAll && known === undefined) return { reason: 'purpose is none of the manifest' };
    const { channel } = said;
    if (channel !== null && known?.has(channel) !== true)
      return { reason: ofAll ? 'channel: a restriction has none' : 'channel is none of the purpose' };
    if (said.given_by !== null && said.given_by !== 'self' && said.given_by !== 'parent') return { reason: 'given_by is self or parent' };
    if (said.captured_at === null) return { reason: 'captured_at is missing' };
    const captured = instantOf(said.captured_at, local);
    if (captured === null) return { reason: 'captured_at is not a time' };
    if (captured.ms > now + FUTURE_MS) return { reason: 'captured_at is in the future' };
    const { touchpoint, notice, language, given_by, proof, id } = said;
    return { decided: { purpose, channel, decision, captured_at: captured.text, touchpoint, notice, language, given_by, proof, id } };
  };
}

/** Text that the ledger cannot keep, or that was not read as it was written. */
export function unfit(text: string): Reason | null {
  if (text.length > LONGEST) return `is longer than ${LONGEST} characters`;
  if (text.includes('\0')) return 'contains a NUL';
  return text.includes('\uFFFD') ? 'is not UTF-8' : null;
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)? ?(Z|z|[+-]\d\d(?::?\d\d)?)?$/;
const MICROSECOND_DIGITS = 6;
const MILLISECOND_DIGITS = 3;

/**
 * ISO 8601, also with a blank between day and time as Postgres writes it. Without a zone it is a time on the clock of `local`, and a day is
 * its first instant. Null: not a time.
 */
export function instantOf(text: string, local: WallClock): { readonly ms: number; readonly text: string } | null {
  const [whole, year = '', month = '', day = '', hour = '00', minute = '00', second = '00', fraction = '', offset] = TIME.exec(text) ?? [];
  if (whole === undefined) return null;
  if (offset !== undefined && text.length < 'YYYY-MM-DDTHH:MMZ'.length) return null;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [number, number, number, number, number, number];
  const wall = Date.UTC(y, mo - 1, d, h, mi, s);
  const there = new Date(wall);
  // A day or an hour that is not there is read as a later one.
  if (there.getUTCDate() !== d || there.getUTCMonth() !== mo - 1 || there.getUTCHours() !== h || mi > 59 || s > 59 || y < 1) return null;
  const micros = fraction.padEnd(MICROSECOND_DIGITS, '0').slice(0, MICROSECOND_DIGITS);
  const at = offset === undefined ? local(there) : wall - offsetMs(offset);
  if (at === null || Number.isNaN(at)) return null;
  const seconds = new Date(at).toISOString().slice(0, -'.000Z'.length);
  return { ms: at + Number(micros.slice(0, MILLISECOND_DIGITS)), text: `${seconds}.${micros}Z` };
}

function offsetMs(offset: string): number {
  if (offset === 'Z' || offset === 'z') return 0;
  const digits = offset.slice(1).replace(':', '').padEnd(4, '0');
  const ms = (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000;
  return offset.startsWith('-') ? -ms : ms;
}

/** The instant at which the clocks of a zone show what `wall` shows in UTC: of two the earlier. Milliseconds; null where there is no such zone. */
export type WallClock = (wall: Date) => number | null;

const DAY_MS = 86_400_000;
/** Days that are remembered: some decades. */
const MOST_DAYS = 20_000;

/** Remembers the days on which a zone's clocks run through, since asking for each time costs more than all else that a line does. */
export function wallClock(zone: string): WallClock {
  const offsets = new Map<number, number | null>();
  const at = (wall: number): DateTime => {
    const time = DateTime.fromMillis(wall, { zone: 'utc' }).setZone(zone, { keepLocalTime: true });
    return time.getPossibleOffsets()[0] ?? time;
  };
  return (wall) => {
    const day = Math.floor(wall.getTime() / DAY_MS);
    if (!offsets.has(day)) {
      if (offsets.size >= MOST_DAYS) offsets.clear();
      // The day before and the day after too: a change is felt hours away.
      const [before, after] = [at((day - 1) * DAY_MS), at((day + 2) * DAY_MS)];
      offsets.set(day, before.isValid && before.offset === after.offset ? before.offset : null);
    }
    const offset = offsets.get(day) ?? null;
    if (offset !== null) return wall.getTime() - offset * 60_000;
    const time = at(wall.getTime());
    return time.isValid ? time.toMillis() : null;
  };
}
