/**
 * Days on which a legal period does not end, as data. Only days that hold in the whole country: a regional holiday would make a deadline
 * later for somebody for whom it is not one. Days that regions may move elsewhere are left out for the same reason.
 */

/** ISO: Monday is 1, Sunday is 7. */
type Weekday = 1 | 2 | 3 | 4 | 5 | 6 | 7;

export type HolidayRule =
  /** `MM-DD`; `moved` says by how many days it is observed elsewhere when it falls on that weekday. */
  | { readonly fixed: string; readonly moved?: Readonly<Partial<Record<Weekday, number>>>; readonly since?: number }
  /** Days after Easter Sunday. */
  | { readonly easter: number }
  /** The n-th such weekday of a month, from the end when negative; `orFirst`: the first of the month when it is this weekday. */
  | { readonly nth: number; readonly weekday: Weekday; readonly month: number; readonly orFirst?: Weekday; readonly since?: number };

export interface HolidayCalendar {
  /** The law that names them. */
  readonly source: string;
  /** Of this list; raised when it changes. */
  readonly version: string;
  readonly days: readonly HolidayRule[];
}

const fixed = (...days: readonly string[]): HolidayRule[] => days.map((day) => ({ fixed: day }));
const easter = (...days: readonly number[]): HolidayRule[] => days.map((day) => ({ easter: day }));
const GOOD_FRIDAY = -2;
const EASTER_MONDAY = 1;
const ASCENSION = 39;
const WHIT_MONDAY = 50;
const CORPUS_CHRISTI = 60;
/** 5 U.S.C. 6103(b) and Executive Order 11582: on a Saturday the Friday before, on a Sunday the Monday after. */
const OBSERVED = { 6: -1, 7: 1 } as const;

/** By ISO 3166 code of the country. */
export const HOLIDAYS: Readonly<Record<string, HolidayCalendar>> = {
  DE: {
    source: 'the laws of all Länder and Art. 2(2) of the Unification Treaty',
    version: '2026-01',
    days: [...fixed('01-01', '05-01', '10-03', '12-25', '12-26'), ...easter(GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY)],
  },
  FR: {
    source: 'Code du travail, art. L3133-1',
    version: '2026-01',
    days: [
      ...fixed('01-01', '05-01', '05-08', '07-14', '08-15', '11-01', '11-11', '12-25'),
      ...easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
    ],
  },
  IE: {
    source: 'Organisation of Working Time Act 1997, Second Schedule, as amended in 2022',
    version: '2026-01',
    days: [
      ...fixed('01-01', '03-17', '12-25', '12-26'),
      ...easter(EASTER_MONDAY),
      { nth: 1, weekday: 1, month: 2, orFirst: 5, since: 2023 },
      { nth: 1, weekday: 1, month: 5 },
      { nth: 1, weekday: 1, month: 6 },
      { nth: 1, weekday: 1, month: 8 },
      { nth: -1, weekday: 1, month: 10 },
    ],
  },
  NL: {
    source: 'Algemene termijnenwet, art. 3',
    version: '2026-01',
    days: [
      ...fixed('01-01', '05-05', '12-25', '12-26'),
      { fixed: '04-27', moved: { 7: -1 } },
      ...easter(GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
    ],
  },
  AT: {
    source: 'Arbeitsruhegesetz, § 7(2)',
    version: '2026-01',
    days: [
      ...fixed('01-01', '01-06', '05-01', '08-15', '10-26', '11-01', '12-08', '12-25', '12-26'),
      ...easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY, CORPUS_CHRISTI),
    ],
  },
  ES: {
    source: 'Real Decreto 2001/1983, art. 45, without the days that regions may replace',
    version: '2026-01',
    days: [...fixed('01-01', '05-01', '08-15', '10-12', '11-01', '12-06', '12-08', '12-25'), ...easter(GOOD_FRIDAY)],
  },
  US: {
    source: '5 U.S.C. 6103 (federal; no days of single states)',
    version: '2026-01',
    days: [
      { fixed: '01-01', moved: OBSERVED },
      { nth: 3, weekday: 1, month: 1 },
      { nth: 3, weekday: 1, month: 2 },
      { nth: -1, weekday: 1, month: 5 },
      { fixed: '06-19', moved: OBSERVED, since: 2021 },
      { fixed: '07-04', moved: OBSERVED },
      { nth: 1, weekday: 1, month: 9 },
      { nth: 2, weekday: 1, month: 10 },
      { fixed: '11-11', moved: OBSERVED },
      { nth: 4, weekday: 4, month: 11 },
      { fixed: '12-25', moved: OBSERVED },
    ],
  },
};

/** Whether a day (`YYYY-MM-DD`) is a Saturday, a Sunday, or a holiday of the country; of a country that is not known, only the first two. */
export function isDayOff(day: string, country: string | null): boolean {
  const time = Date.parse(`${day}T00:00:00Z`);
  const weekday = isoWeekday(time);
  if (weekday >= 6) return true;
  const days = country === null ? [] : (HOLIDAYS[country]?.days ?? []);
  const year = Number(day.slice(0, 4));
  // A day of the next year may be observed in this one.
  return days.some((rule) => [year, year + 1].some((it) => holiday(rule, it) === time));
}

/** The next day that is not off; the day itself when it is none. */
export function rollForward(day: string, country: string | null): string {
  let on = day;
  while (isDayOff(on, country)) on = addDays(on, 1);
  return on;
}

/** The n-th day after one that is not off. */
export function addBusinessDays(day: string, count: number, country: string | null): string {
  let on = day;
  for (let left = count; left > 0;) {
    on = addDays(on, 1);
    if (!isDayOff(on, country)) left--;
  }
  return on;
}

const DAY_MS = 86_400_000;

export function addDays(day: string, count: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * DAY_MS).toISOString().slice(0, 10);
}

/** The instant of 00:00 UTC at which it is observed that year; null before it was one. */
function holiday(rule: HolidayRule, year: number): number | null {
  if ('easter' in rule) return easterSunday(year) + rule.easter * DAY_MS;
  if (rule.since !== undefined && year < rule.since) return null;
  if ('fixed' in rule) {
    const on = Date.parse(`${year}-${rule.fixed}T00:00:00Z`);
    return on + (rule.moved?.[isoWeekday(on)] ?? 0) * DAY_MS;
  }
  const first = Date.UTC(year, rule.month - 1, 1);
  if (rule.orFirst !== undefined && isoWeekday(first) === rule.orFirst) return first;
  if (rule.nth > 0) return first + (((rule.weekday - isoWeekday(first) + 7) % 7) + (rule.nth - 1) * 7) * DAY_MS;
  const last = Date.UTC(year, rule.month, 1) - DAY_MS;
  return last - (((isoWeekday(last) - rule.weekday + 7) % 7) + (-rule.nth - 1) * 7) * DAY_MS;
}

function isoWeekday(time: number): Weekday {
  return (new Date(time).getUTCDay() || 7) as Weekday;
}

/** Gregorian computus, as J. Meeus, Astronomical Algorithms, chapter 8. */
function easterSunday(year: number): number {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const g = Math.floor((8 * b + 13) / 25);
  const h = (19 * a + b - Math.floor(b / 4) - g + 15) % 30;
  const m = Math.floor((a + 11 * h) / 319);
  const l = (2 * (b % 4) + 2 * Math.floor(c / 4) - (c % 4) - h + m + 32) % 7;
  const month = Math.floor((h - m + l + 90) / 25);
  const day = (h - m + l + month + 19) % 32;
  return Date.UTC(year, month - 1, day);
}
