import { DateTime } from 'luxon';
import type { IsoDuration } from '../../manifest/model.ts';
import { addDuration, localDate } from '../time.ts';
import { addBusinessDays, HOLIDAYS, rollForward } from './holidays.ts';
import type { RequestKind } from './model.ts';

/** What has happened to a request that its clock depends on. */
export interface ClockFacts {
  readonly kind: RequestKind;
  readonly receivedAt: Date;
  /** When the subject was told that it takes longer. */
  readonly extendedAt: Date | null;
  /** Milliseconds between asking who somebody is and the answer, of all such questions that were answered. */
  readonly pausedMs: number;
  /** Since when such a question is open. */
  readonly pausedAt: Date | null;
}

export interface ClockRules {
  readonly zone: string;
  /** Of the controller, as ISO 3166. */
  readonly country: string | null;
  /** Under which the subject may live: one when it is known; of several the earliest clock counts. */
  readonly regimes: readonly string[];
}

export type Law = 'gdpr' | 'california';

export interface Clock {
  readonly law: Law;
  /** The last instant of the last legal day. */
  readonly due: Date;
  /** What we work by: the same period by the clock on the wall. Does not roll past weekends and holidays, so it is never after `due`. */
  readonly target: Date;
  /** Until when receipt must be confirmed; null where the law asks for no confirmation. */
  readonly confirmBy: Date | null;
  /** Until when the subject can be told that it takes longer; null: not, or it was. */
  readonly extendableUntil: Date | null;
  readonly extended: boolean;
  /** Doubt about identity: the end moves as long as nobody answers. */
  readonly paused: boolean;
  /** Before `target`, the earliest first. */
  readonly warnings: readonly { readonly daysBefore: number; readonly at: Date }[];
  /** The law whose holidays were counted; null: no list of the country is known, and only weekends were. */
  readonly holidays: string | null;
}

export const WARNING_DAYS = [14, 7, 3, 1] as const;

/** Art. 12(3) GDPR: a month, extended by two; one period of three, counted from receipt. */
const MONTH: IsoDuration = 'P1M';
const MONTH_EXTENDED: IsoDuration = 'P3M';
/** Cal. Code Regs. tit. 11, § 7021: confirm within 10 business days, answer within 45 calendar days, with a notice within 90. */
const CALIFORNIA: IsoDuration = 'P45D';
const CALIFORNIA_EXTENDED: IsoDuration = 'P90D';
const CONFIRM_BUSINESS_DAYS = 10;
/** §§ 7026(f), 7027(g): to stop selling, sharing, or using what is sensitive. */
const OPT_OUT_BUSINESS_DAYS = 15;
const CALIFORNIA_COUNTRY = 'US';
/** In force at once; what is left to do for them cannot be put off. */
const NEVER_EXTENDED: readonly RequestKind[] = ['withdrawal'];
const OPT_OUTS: readonly RequestKind[] = ['withdrawal', 'objection', 'restriction'];

/** Which law's clock a regime of the manifest means, by its name. */
export function lawOf(regime: string): Law {
  return /ccpa|cpra/i.test(regime) ? 'california' : 'gdpr';
}

/**
 * When a request must be answered. Months as Regulation (EEC, Euratom) No 1182/71 counts them: the day of receipt does not count, the period
 * ends with the day of the same date, or the last of a month that has none; a last day that is a Saturday, a Sunday or a holiday passes to the
 * next working day (Art. 3(4)). Calendar days of California end where they end.
 */
export function requestClock(facts: ClockFacts, rules: ClockRules, asOf: Date): Clock {
  const clocks = [...new Set(rules.regimes.map(lawOf))].map((law) => clockOf(law, facts, rules, asOf));
  const [first, ...others] = clocks;
  if (first === undefined) throw new RangeError('a subject lives under at least one regime');
  const earliest = others.reduce((found, it) => (it.target < found.target ? it : found), first);
  // Whichever law it is, what either asks for is done.
  const confirm = clocks.flatMap(({ confirmBy }) => confirmBy ?? []);
  return { ...earliest, confirmBy: confirm[0] ?? null };
}

function clockOf(law: Law, facts: ClockFacts, { zone, country }: ClockRules, asOf: Date): Clock {
  const california = law === 'california';
  const counted = california ? CALIFORNIA_COUNTRY : country;
  // In California the time for verifying counts.
  const pausedMs = california ? 0 : facts.pausedMs + (facts.pausedAt === null ? 0 : Math.max(0, asOf.getTime() - facts.pausedAt.getTime()));
  const optOut = california && OPT_OUTS.includes(facts.kind);
  const [once, longer] = california ? [CALIFORNIA, CALIFORNIA_EXTENDED] : [MONTH, MONTH_EXTENDED];
  const end = (length: IsoDuration): { readonly target: Date; readonly due: Date } => {
    const target = optOut
      ? onDay(addBusinessDays(localDate(facts.receivedAt, zone), OPT_OUT_BUSINESS_DAYS, counted), facts.receivedAt, zone)
      : new Date(addDuration(facts.receivedAt, length, zone).getTime() + pausedMs);
    const last = localDate(target, zone);
    return { target, due: endOfDay(california ? last : rollForward(last, counted), zone) };
  };
  const plain = end(once);
  const extensible = !optOut && !NEVER_EXTENDED.includes(facts.kind);
  const extended = extensible && facts.extendedAt !== null && facts.extendedAt <= plain.due;
  const { target, due } = extended ? end(longer) : plain;
  return {
    law,
    due,
    target,
    confirmBy:
      california && !optOut ? endOfDay(addBusinessDays(localDate(facts.receivedAt, zone), CONFIRM_BUSINESS_DAYS, counted), zone) : null,
    extendableUntil: extensible && !extended ? plain.due : null,
    extended,
    paused: !california && facts.pausedAt !== null,
    warnings: WARNING_DAYS.map((daysBefore) => ({ daysBefore, at: addDuration(target, `-P${daysBefore}D`, zone) })).filter(
      ({ at }) => at > facts.receivedAt,
    ),
    holidays: counted === null ? null : (HOLIDAYS[counted]?.source ?? null),
  };
}

/** The same time of day on another day. */
function onDay(day: string, like: Date, zone: string): Date {
  const from = DateTime.fromISO(localDate(like, zone), { zone: 'utc' });
  const days = DateTime.fromISO(day, { zone: 'utc' }).diff(from, 'days').days;
  return addDuration(like, `P${days}D`, zone);
}

function endOfDay(day: string, zone: string): Date {
  return DateTime.fromISO(day, { zone }).endOf('day').toJSDate();
}
