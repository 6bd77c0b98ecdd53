/** Instants are milliseconds since 1970 (UTC) throughout the generator. */
export type Instant = number;

export const SECOND = 1000;
export const HOUR = 3600 * SECOND;
export const DAY = 24 * HOUR;
export const WEEK = 7 * DAY;
/** Mean length; only ever used to spread rows, never for a cut-off. */
export const YEAR = 365.25 * DAY;

/** `2026-11-22 00:15:00+00` */
export function timestamptz(instant: Instant): string {
  return `${timestamp(instant)}+00`;
}

/** The same in UTC without saying so. Half of all generating is this: hence no Date per row. */
export function timestamp(instant: Instant): string {
  const day = Math.floor(instant / DAY);
  const second = Math.floor((instant - day * DAY) / SECOND);
  return `${dayText(day)} ${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}`;
}

/** The UTC day. */
export function date(instant: Instant): string {
  return dayText(Math.floor(instant / DAY));
}

/** The first instant (UTC) of the month that lies `months` after the one of `instant`. */
export function monthStart(instant: Instant, months: number): Instant {
  const day = new Date(instant);
  return Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + months, 1);
}

const dayTexts = new Map<number, string>();

/** Days since 1970 as `2026-11-22`, remembered: a load names few of them, many times. */
function dayText(day: number): string {
  const known = dayTexts.get(day);
  if (known !== undefined) return known;
  const text = new Date(day * DAY).toISOString().slice(0, 10);
  dayTexts.set(day, text);
  return text;
}

function two(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}
