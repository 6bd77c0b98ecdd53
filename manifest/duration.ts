import type { IsoDuration } from './model.ts';

export const DURATION_PATTERN = '^P(?=[0-9T])([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?$';
const ISO = new RegExp(DURATION_PATTERN);
/** Beyond this a cut-off would leave the range that Postgres, JavaScript and people agree on. */
const LONGEST_YEARS = 200;
const LETTERS: Readonly<Record<string, string>> = { year: 'Y', month: 'M', week: 'W', day: 'D', y: 'Y', w: 'W', d: 'D', mo: 'M' };

export interface DurationParts {
  readonly years: number;
  readonly months: number;
  readonly weeks: number;
  readonly days: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
}

/** The whole-number parts of an ISO 8601 duration, or null when it is not one (or is over 200 years). */
export function durationParts(text: string): DurationParts | null {
  const found = ISO.exec(text);
  if (!found) return null;
  const at = (group: number): number => Number.parseInt(found[group] ?? '0', 10);
  const parts = { years: at(1), months: at(2), weeks: at(3), days: at(4), hours: at(6), minutes: at(7), seconds: at(8) };
  return daysOf(parts) > LONGEST_YEARS * 365.25 ? null : parts;
}

/** Rough length in days: good for saying which of two is longer, never for a cut-off. */
export function roughDays(duration: IsoDuration): number {
  const parts = durationParts(duration);
  return parts === null ? Number.NaN : daysOf(parts);
}

function daysOf(parts: DurationParts): number {
  const clock = parts.hours / 24 + parts.minutes / 1440 + parts.seconds / 86_400;
  return parts.years * 365.25 + parts.months * 30.4375 + parts.weeks * 7 + parts.days + clock;
}

/** `13 months` → `P13M`; null where nothing sensible is meant. */
export function suggestDuration(text: string): IsoDuration | null {
  const upper = text.trim().toUpperCase();
  if (ISO.test(upper)) return upper;
  if (ISO.test(`P${upper}`)) return `P${upper}`;
  const words = /^(\d+)\s*([a-z]+?)s?$/i.exec(text.trim());
  const letter = words && LETTERS[words[2]!.toLowerCase()];
  return words && letter ? `P${words[1]}${letter}` : null;
}

const DAY_MS = 86_400_000;
const SHORT = /^(\d+)(ms|s|m|h)$/;
export const SHORT_DURATION_PATTERN = `(^[0-9]+(ms|s|m|h)$)|(${DURATION_PATTERN})`;

/** Milliseconds of `200ms`, `30s`, `10m`, `2h` or of an ISO duration without years and months; null otherwise. */
export function shortDurationMs(text: string): number | null {
  const short = SHORT.exec(text);
  if (short) return Number.parseInt(short[1]!, 10) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[short[2] as 'ms' | 's' | 'm' | 'h'];
  const parts = durationParts(text);
  if (parts === null || parts.years > 0 || parts.months > 0) return null;
  return (((parts.weeks * 7 + parts.days) * 24 + parts.hours) * 60 + parts.minutes) * 60_000 + parts.seconds * 1000;
}

/** Of `P30D` or `P4W`; null where it is anything else than whole days. */
export function wholeDays(text: string): number | null {
  const days = (shortDurationMs(text) ?? Number.NaN) / DAY_MS;
  return Number.isInteger(days) ? days : null;
}

/** `10m` → `PT10M`. Whole seconds; ISO text stays as it is. */
export function toIsoDuration(text: string): IsoDuration {
  const short = SHORT.exec(text);
  if (!short) return text;
  if (short[2] === 'ms') return `PT${Math.ceil(Number.parseInt(short[1]!, 10) / 1000)}S`;
  return `PT${short[1]}${short[2]!.toUpperCase()}`;
}
