import { DateTime } from 'luxon';
import { addDuration } from '../domain/time.ts';
import { shortDurationMs, suggestDuration } from '../manifest/duration.ts';
import { Refused } from './refused.ts';

/** A day (`2026-11-22`: its first instant in the manifest's zone) or an instant (`2026-11-22T01:15`, in that zone unless it says another). */
export function parseTime(text: string, zone: string): Date {
  const time = DateTime.fromISO(text, { zone });
  if (!time.isValid) throw new Refused(`${text} is not a time: write 2026-11-22 or 2026-11-22T01:15`);
  return time.toJSDate();
}

/** A span such as `12h`, `7d` or `P1M` after an instant, by the zone's calendar; null: it is none. */
export function afterTime(from: Date, span: string, zone: string): Date | null {
  const ms = shortDurationMs(span);
  if (ms !== null && !span.startsWith('P')) return new Date(from.getTime() + ms);
  const length = suggestDuration(span);
  return length === null ? null : addDuration(from, length, zone);
}

/** `2026-11-22 01:15 Berlin` */
export function showTime(time: Date, zone: string): string {
  return `${DateTime.fromJSDate(time, { zone }).toFormat('yyyy-MM-dd HH:mm')} ${(zone.split('/').at(-1) ?? zone).replaceAll('_', ' ')}`;
}

/** `2026-11-22` in the zone. */
export function showDay(time: Date, zone: string): string {
  return DateTime.fromJSDate(time, { zone }).toFormat('yyyy-MM-dd');
}

/** `3 Nov` in the zone. */
export function showShortDay(time: Date, zone: string): string {
  return DateTime.fromJSDate(time, { zone }).setLocale('en').toFormat('d LLL');
}

/** `10:14:02` in the zone. */
export function showTimeOfDay(time: Date, zone: string): string {
  return DateTime.fromJSDate(time, { zone }).toFormat('HH:mm:ss');
}

/** `3 November 2026` in the zone. */
export function showLongDay(time: Date, zone: string): string {
  return DateTime.fromJSDate(time, { zone }).setLocale('en').toFormat('d LLLL yyyy');
}
