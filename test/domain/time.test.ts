import fc from 'fast-check';
import { DateTime, Duration } from 'luxon';
import { describe, expect, test } from 'vitest';
import { cutOff, endOfKeep, floorCutOff, localDate, localTimestamp, nextWindow } from '../../domain/time.ts';

const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'UTC'];
const zone = fc.constantFrom(...ZONES);
const keep = fc.constantFrom('P1D', 'P30D', 'P90D', 'P1M', 'P13M', 'P1Y', 'P8Y', 'P2W', 'PT36H', 'P1Y2M3DT4H', 'P0D');
const LOW = Date.parse('1995-01-01T00:00:00Z');
const HIGH = Date.parse('2037-01-01T00:00:00Z');
/** Half of the instants near a clock change, where the mistakes are. */
const CHANGES = [
  '2023-03-26T01:00:00Z',
  '2023-10-29T01:00:00Z',
  '2024-03-10T07:00:00Z',
  '2024-11-03T06:00:00Z',
  '2011-12-30T10:00:00Z',
  '2024-04-06T15:00:00Z',
];
const instant = fc
  .oneof(
    fc.integer({ min: LOW, max: HIGH }),
    fc
      .tuple(fc.constantFrom(...CHANGES), fc.integer({ min: -50, max: 50 }), fc.constantFrom(0, 1, 31, 365))
      .map(([at, quarters, days]) => Date.parse(at) + quarters * 900_000 + days * 86_400_000),
  )
  .map((ms) => new Date(ms));
const RUNS = { numRuns: 3000 };

const berlin = (text: string): Date => DateTime.fromISO(text, { zone: 'Europe/Berlin' }).toJSDate();
const plus = (time: Date, length: string, inZone: string): number =>
  DateTime.fromJSDate(time, { zone: inZone }).plus(Duration.fromISO(length)).toMillis();

/** By instants; or by the wall clock, for an end inside a skipped hour, which luxon moves behind the hour. */
function hasEnded(time: Date, length: string, asOf: Date, inZone: string): boolean {
  const wall = (it: Date): DateTime => DateTime.fromJSDate(it, { zone: inZone }).setZone('utc', { keepLocalTime: true });
  return plus(time, length, inZone) <= asOf.getTime() || wall(time).plus(Duration.fromISO(length)) <= wall(asOf);
}

describe('cutOff', () => {
  test.each([
    ['2026-03-31T12:00', 'P1M', '2026-02-28T12:00'],
    ['2028-02-29T12:00', 'P1Y', '2027-02-28T12:00'],
    ['2026-11-22T01:15', 'P13M', '2025-10-22T01:15'],
    // A calendar day over the spring change has 23 hours.
    ['2026-03-29T12:00', 'P1D', '2026-03-28T12:00'],
  ])('%s minus %s is %s in Berlin', (asOf, length, expected) => {
    expect(cutOff(berlin(asOf), length, 'Europe/Berlin')).toEqual(berlin(expected));
  });

  test('a time that the clocks skipped ends before the gap, not after it', () => {
    // 2023-03-26 02:30 does not exist; a row of 03:10 summer time is not a month old on 04-26 at 02:30.
    const found = cutOff(berlin('2023-04-26T02:30'), 'P1M', 'Europe/Berlin');
    expect(found.getTime()).toBeLessThanOrEqual(Date.parse('2023-03-26T01:00:00Z'));
    expect(found.getTime()).toBeGreaterThan(Date.parse('2023-03-26T00:59:00Z'));
  });

  test('of days that a short month cuts down to its last one none goes before its own end', () => {
    // 30 December 2006, 23:59, and fourteen months, three days and four hours are 4 March 2008, since there was no 30 February.
    const found = cutOff(new Date('2008-03-03T03:00:00Z'), 'P1Y2M3DT4H', 'Europe/Berlin');
    expect(found.getTime()).toBeLessThan(berlin('2006-12-30T01:00').getTime());
  });

  test('is never early, and at most five days late', () => {
    fc.assert(
      fc.property(instant, keep, zone, fc.integer({ min: 1, max: 8_000_000 }), (asOf, length, inZone, back) => {
        const found = cutOff(asOf, length, inZone);
        for (const earlier of [1, back, back * 500]) {
          expect(hasEnded(new Date(found.getTime() - earlier), length, asOf, inZone)).toBe(true);
        }
        expect(plus(new Date(found.getTime() + 5 * 86_400_000), length, inZone)).toBeGreaterThan(asOf.getTime());
      }),
      RUNS,
    );
  });
});

describe('floorCutOff', () => {
  const books = { keep: 'P8Y', from: 'end_of_year' } as const;

  test('eight years from the end of the year', () => {
    expect(floorCutOff(berlin('2026-11-22'), books, 'Europe/Berlin')).toEqual(berlin('2018-01-01'));
    expect(floorCutOff(berlin('2025-12-31T23:59:59.999'), books, 'Europe/Berlin')).toEqual(berlin('2017-01-01'));
    expect(floorCutOff(berlin('2026-01-01'), books, 'Europe/Berlin')).toEqual(berlin('2018-01-01'));
  });

  test('a row is free exactly from its own end on', () => {
    fc.assert(
      fc.property(
        instant,
        instant,
        fc.constantFrom('P1Y', 'P8Y', 'P10Y', 'P6M'),
        fc.constantFrom('end_of_year' as const, null),
        zone,
        (asOf, after, length, from, inZone) => {
          const floor = { keep: length, from };
          const free = after < floorCutOff(asOf, floor, inZone);
          const end = endOfKeep(after, floor, inZone);
          if (free) expect(end.getTime()).toBeLessThanOrEqual(asOf.getTime());
          else expect(end.getTime()).toBeGreaterThan(asOf.getTime() - (from === null ? 5 * 86_400_000 : 0));
        },
      ),
      RUNS,
    );
  });
});

describe('local times', () => {
  test('the day of an instant is the zone’s', () => {
    expect(localDate(new Date('2026-11-21T23:30:00Z'), 'Europe/Berlin')).toBe('2026-11-22');
    expect(localDate(new Date('2026-11-22T03:30:00Z'), 'America/New_York')).toBe('2026-11-21');
  });

  test('no later instant shows an earlier wall clock than the cut-off’s', () => {
    const shown = (time: Date, inZone: string): string => DateTime.fromJSDate(time, { zone: inZone }).toFormat("yyyy-MM-dd'T'HH:mm:ss.SSS");
    fc.assert(
      fc.property(instant, fc.integer({ min: 0, max: 7_200_000 }), zone, (time, later, inZone) => {
        const wall = localTimestamp(time, inZone);
        expect(wall <= shown(new Date(time.getTime() + later), inZone)).toBe(true);
        expect(wall >= shown(new Date(time.getTime() - 3 * 3_600_000), inZone) || inZone === 'Pacific/Apia').toBe(true);
      }),
      RUNS,
    );
  });
});

describe('nextWindow', () => {
  test.each([
    ['01:00-05:00', '2026-07-01T00:30', false, '2026-07-01T01:00'],
    ['01:00-05:00', '2026-07-01T01:00', true, '2026-07-01T05:00'],
    ['01:00-05:00', '2026-07-01T05:00', false, '2026-07-02T01:00'],
    ['22:00-04:00', '2026-07-01T23:00', true, '2026-07-02T04:00'],
    ['22:00-04:00', '2026-07-01T03:59', true, '2026-07-01T04:00'],
    ['22:00-04:00', '2026-07-01T12:00', false, '2026-07-01T22:00'],
    ['22:00-24:00', '2026-07-01T23:00', true, '2026-07-02T00:00'],
    // The spring change skips 02:00–03:00, so that night has no such window.
    ['02:00-03:00', '2026-03-29T01:30', false, '2026-03-30T02:00'],
    ['02:30-04:00', '2026-03-29T01:30', false, '2026-03-29T03:30'],
  ])('%s at %s: open %s until or from %s', (between, now, open, changesAt) => {
    expect(nextWindow(berlin(now), between, 'Europe/Berlin')).toEqual({ open, changesAt: berlin(changesAt) });
  });

  test('a repeated hour inside the window keeps it open', () => {
    const start = new Date('2026-10-24T23:00:00Z'); // 01:00 summer time
    expect(nextWindow(start, '01:00-05:00', 'Europe/Berlin')).toEqual({ open: true, changesAt: new Date('2026-10-25T04:00:00Z') });
  });

  test('a window into a day that a zone skips goes on into the day after', () => {
    const end = { open: true, changesAt: new Date('2011-12-30T14:00:00Z') };
    expect(nextWindow(new Date('2011-12-30T09:45:00Z'), '22:00-04:00', 'Pacific/Apia')).toEqual(end);
    expect(nextWindow(new Date('2011-12-30T10:15:00Z'), '22:00-04:00', 'Pacific/Apia')).toEqual(end);
  });

  test('changes exactly at the instant that it names, and not before', () => {
    const window = fc.constantFrom('01:00-05:00', '22:00-04:00', '02:00-03:00', '00:00-02:30', '23:30-00:30', '00:00-24:00', '01:30-02:30');
    fc.assert(
      fc.property(instant, window, zone, fc.double({ min: 0, max: 1, noNaN: true }), (now, between, inZone, share) => {
        const state = nextWindow(now, between, inZone);
        const length = state.changesAt.getTime() - now.getTime();
        expect(length).toBeGreaterThan(0);
        const before = new Date(now.getTime() + Math.floor((length - 1) * share));
        expect(nextWindow(before, between, inZone)).toEqual(state);
        if (between !== '00:00-24:00') expect(nextWindow(state.changesAt, between, inZone).open).toBe(!state.open);
      }),
      RUNS,
    );
  });
});
