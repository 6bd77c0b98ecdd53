import { DateTime, Duration } from 'luxon';
import type { Floor, IsoDuration } from '../manifest/model.ts';
import { parseWindow } from '../manifest/window.ts';

/** Months differ by three days, clocks have jumped by no more than one (Samoa): so far can adding and subtracting a duration differ. */
const LARGEST_DIFFERENCE_MS = 5 * 86_400_000;

/**
 * The instant C such that a row whose time is before C has been kept for `keep` by `asOf`, counted in calendar units
 * of the zone. Never early: t < C implies t + keep ≤ asOf, also over month ends and clock changes. Month ends are cut
 * as Postgres and ISO calendars do: a month before 31 March is 28 February.
 */
export function cutOff(asOf: Date, keep: IsoDuration, zone: string): Date {
  const length = durationOf(keep);
  // Of two instants that the clocks show alike the earlier one: between them the wall clock has run back.
  const guess = first(at(asOf, zone).minus(length)).toMillis();
  const over = (instant: number): boolean => at(new Date(instant), zone).plus(length).toMillis() <= asOf.getTime();
  // Subtracting does not undo adding where the clocks skip an hour, or in durations that mix months and days.
  const found = over(guess) ? guess : lastBefore(guess - LARGEST_DIFFERENCE_MS, guess, over);
  // Of days that a short month cuts down to its last one, such as 29 to 31 December and 14 months, an earlier day may end later.
  for (let days = MOST_CUT_DAYS; days > 0; days--) {
    const next = at(new Date(found), zone)
      .startOf('day')
      .minus({ days: days - 1 });
    const end = next.toMillis() - 1;
    if (!over(end)) return new Date(lastBefore(next.minus({ days: 1 }).toMillis() - 1, end, over));
  }
  return new Date(found);
}

/** A month has at most three days more than another. */
const MOST_CUT_DAYS = 3;

/** The last instant between two at which it is over, where it is at the first and not at the last. */
function lastBefore(first: number, last: number, over: (instant: number) => boolean): number {
  let [low, high] = [first, last];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (over(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The instant C such that a floor no longer protects rows whose `after` is before C. From `end_of_year` the period
 * starts when the local calendar year of `after` ends, so C is always a local New Year.
 */
export function floorCutOff(asOf: Date, floor: Pick<Floor, 'keep' | 'from'>, zone: string): Date {
  const passed = cutOff(asOf, floor.keep, zone);
  if (floor.from === null) return passed;
  return first(at(passed, zone).startOf('year')).toJSDate();
}

/** When a single row leaves its period: the other direction of `cutOff` and `floorCutOff`. */
export function endOfKeep(after: Date, floor: Pick<Floor, 'keep' | 'from'>, zone: string): Date {
  const start = floor.from === null ? at(after, zone) : first(at(after, zone).startOf('year').plus({ years: 1 }));
  return start.plus(durationOf(floor.keep)).toJSDate();
}

/**
 * When a promise made at an instant ends, by the clock on the wall (also its hours). Of two instants that the clock shows alike the earlier;
 * a time that it skips is read as if it had not yet been put forward. `probity.add_duration` is the same in SQL.
 */
export function addDuration(from: Date, length: IsoDuration, zone: string): Date {
  const wall = at(from, zone).setZone('utc', { keepLocalTime: true }).plus(durationOf(length));
  return first(wall.setZone(zone, { keepLocalTime: true })).toJSDate();
}

/** The local day of an instant, `YYYY-MM-DD`. A `date` before the local day of a cut-off lies wholly before the cut-off. */
export function localDate(instant: Date, zone: string): string {
  const date = at(instant, zone).toISODate();
  if (date === null) throw new RangeError('not a time');
  return date;
}

/**
 * What a clock on the wall shows at a cut-off, `YYYY-MM-DDTHH:MM:SS.mmm`, for comparing `timestamp without time zone`.
 * Never early: where the clocks go back, every instant from the cut-off on shows this or later.
 */
export function localTimestamp(instant: Date, zone: string): string {
  const here = at(instant, zone);
  const [one, other] = here.getPossibleOffsets();
  const twice = one && other && here.toMillis() === one.toMillis() ? other.toMillis() - one.toMillis() : 0;
  return here.setZone('utc', { keepLocalTime: true }).minus(twice).toFormat("yyyy-MM-dd'T'HH:mm:ss.SSS");
}

export interface WindowState {
  readonly open: boolean;
  /** The next instant at which `open` changes. */
  readonly changesAt: Date;
}

/**
 * Whether a daily local window such as `01:00-05:00` or `22:00-04:00` is open, and until or from when. A window that
 * starts in a skipped hour starts when that hour is over; one whose hours repeat stays open through the repetition
 * before its end, and ends at the first of two equal times. Throws for a malformed window: loading refuses those.
 */
export function nextWindow(now: Date, between: string, zone: string): WindowState {
  const window = parseWindow(between);
  if (window === null) throw new RangeError('not a daily window');
  const today = at(now, zone).startOf('day');
  // Yesterday's may still be open, and where a zone skipped yesterday the one before; two days may have none, where a zone skips a day or
  // the window's whole hour.
  for (const days of [-2, -1, 0, 1, 2, 3]) {
    const day = today.plus({ days });
    const start = onDay(day, window.from);
    const end = onDay(window.to > window.from ? day : day.plus({ days: 1 }), window.to);
    if (start >= end || end <= now.getTime()) continue;
    return start <= now.getTime() ? { open: true, changesAt: new Date(end) } : { open: false, changesAt: new Date(start) };
  }
  throw new RangeError('no such window within four days');
}

function onDay(day: DateTime, minutes: number): number {
  if (minutes === 1440) return first(day.plus({ days: 1 }).startOf('day')).toMillis();
  return first(day.set({ hour: Math.floor(minutes / 60), minute: minutes % 60, second: 0, millisecond: 0 })).toMillis();
}

/** The earlier of two instants that the clocks show alike; otherwise the only one. */
function first(time: DateTime): DateTime {
  return time.getPossibleOffsets()[0] ?? time;
}

function at(instant: Date, zone: string): DateTime {
  const time = DateTime.fromJSDate(instant, { zone });
  if (!time.isValid) throw new RangeError(`not a time in zone ${zone}`);
  return time;
}

function durationOf(keep: IsoDuration): Duration {
  const length = Duration.fromISO(keep);
  if (!length.isValid) throw new RangeError(`not a duration: ${keep}`);
  return length;
}
