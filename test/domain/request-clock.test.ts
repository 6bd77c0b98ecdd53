import fc from 'fast-check';
import { DateTime } from 'luxon';
import { describe, expect, test } from 'vitest';
import { requestClock, type Clock, type ClockFacts } from '../../domain/requests/clock.ts';
import { addBusinessDays, isDayOff } from '../../domain/requests/holidays.ts';
import type { RequestKind } from '../../domain/requests/model.ts';

const BERLIN = 'Europe/Berlin';
const facts = (received: string, more: Partial<ClockFacts> = {}): ClockFacts => ({
  kind: 'erasure',
  receivedAt: DateTime.fromISO(received, { zone: BERLIN }).toJSDate(),
  extendedAt: null,
  pausedMs: 0,
  pausedAt: null,
  ...more,
});
const clock = (given: ClockFacts, country: string | null = 'DE', regimes = ['gdpr'], zone = BERLIN, asOf = given.receivedAt): Clock =>
  requestClock(given, { zone, country, regimes }, asOf);
const berlin = (at: Date): string => DateTime.fromJSDate(at, { zone: BERLIN }).toFormat("yyyy-MM-dd'T'HH:mm");
const at = (text: string): Date => DateTime.fromISO(text, { zone: BERLIN }).toJSDate();

/** Worked out by hand from Regulation 1182/71, Art. 3, and a calendar; the second and third case stand in EDPB Guidelines 01/2022. */
describe('a month by Regulation 1182/71', () => {
  test.each([
    ['a day of the week', '2026-11-03T10:14', 'DE', '2026-12-03', '2026-12-03'],
    ['until and including the same date', '2022-03-05T09:00', 'DE', '2022-04-05', '2022-04-05'],
    ['31 August: the next month is shorter', '2026-08-31T09:00', 'DE', '2026-09-30', '2026-09-30'],
    ['31 January of a leap year', '2024-01-31T09:00', 'DE', '2024-02-29', '2024-02-29'],
    ['31 January: 28 February is a Saturday', '2026-01-31T09:00', 'DE', '2026-02-28', '2026-03-02'],
    ['into the Sunday on which the clocks go back', '2026-09-25T12:00', 'DE', '2026-10-25', '2026-10-26'],
    ['Christmas, then a weekend', '2026-11-25T12:00', 'DE', '2026-12-25', '2026-12-28'],
    ['Christmas where no holidays are known', '2026-11-25T12:00', 'XX', '2026-12-25', '2026-12-25'],
    ['Good Friday to Easter Monday in Germany', '2026-03-03T12:00', 'DE', '2026-04-03', '2026-04-07'],
    ['Good Friday is one in the Netherlands', '2026-03-03T12:00', 'NL', '2026-04-03', '2026-04-07'],
    ['Good Friday is none in Ireland', '2026-03-03T12:00', 'IE', '2026-04-03', '2026-04-03'],
    ['Good Friday is none in France', '2026-03-03T12:00', 'FR', '2026-04-03', '2026-04-03'],
    ['Good Friday is none in Austria', '2026-03-03T12:00', 'AT', '2026-04-03', '2026-04-03'],
    ['Spain has Good Friday and no Easter Monday', '2026-03-03T12:00', 'ES', '2026-04-03', '2026-04-06'],
    ['Ascension', '2026-04-14T12:00', 'DE', '2026-05-14', '2026-05-15'],
    ['Whit Monday', '2026-04-25T12:00', 'FR', '2026-05-25', '2026-05-26'],
    ['Corpus Christi in Austria', '2026-05-04T12:00', 'AT', '2026-06-04', '2026-06-05'],
    ['Corpus Christi is no holiday of all Germany', '2026-05-04T12:00', 'DE', '2026-06-04', '2026-06-04'],
    ['14 July', '2026-06-14T12:00', 'FR', '2026-07-14', '2026-07-15'],
    ['King’s Day', '2026-03-27T12:00', 'NL', '2026-04-27', '2026-04-28'],
    ['King’s Day before a Sunday', '2025-03-26T12:00', 'NL', '2025-04-26', '2025-04-28'],
    ['the first Monday of February', '2026-01-02T12:00', 'IE', '2026-02-02', '2026-02-03'],
    ['1 February, a Friday: then that', '2030-01-01T12:00', 'IE', '2030-02-01', '2030-02-04'],
    ['4 July on a Saturday', '2026-06-03T12:00', 'US', '2026-07-03', '2026-07-06'],
    ['12 October', '2026-09-12T12:00', 'ES', '2026-10-12', '2026-10-13'],
  ])('%s', (_, received, country, target, last) => {
    const found = clock(facts(received), country);
    expect(berlin(found.target)).toBe(`${target}T${received.slice(11)}`);
    expect(berlin(found.due)).toBe(`${last}T23:59`);
    expect(found.holidays === null).toBe(country === 'XX');
  });

  test('the day of receipt is the organisation’s', () => {
    const received = { ...facts('2026-11-03'), receivedAt: new Date('2026-11-03T23:30:00Z') };
    expect(berlin(clock(received).due)).toBe('2026-12-04T23:59');
    expect(clock(received, 'DE', ['gdpr'], 'UTC').due.toISOString()).toBe('2026-12-03T23:59:59.999Z');
  });

  test('across a clock change the time of day stays, and the last day ends by the new clock', () => {
    const found = clock({ ...facts('2026-03-15'), receivedAt: new Date('2026-03-15T11:00:00Z') });
    expect(found.target.toISOString()).toBe('2026-04-15T10:00:00.000Z');
    expect(found.due.toISOString()).toBe('2026-04-15T21:59:59.999Z');
  });

  test('the target never comes after the law, which never ends on a day off', () => {
    const zones = fc.constantFrom('Europe/Berlin', 'America/New_York', 'Pacific/Apia', 'UTC');
    const countries = fc.constantFrom('DE', 'FR', 'IE', 'NL', 'AT', 'ES', 'US', null);
    fc.assert(
      fc.property(fc.integer({ min: Date.parse('2012-01-01'), max: Date.parse('2040-01-01') }), zones, countries, (ms, zone, country) => {
        const found = clock({ ...facts('2026-11-03'), receivedAt: new Date(ms) }, country, ['gdpr'], zone);
        const last = DateTime.fromJSDate(found.due, { zone });
        expect(found.target.getTime()).toBeLessThanOrEqual(found.due.getTime());
        expect(isDayOff(last.toISODate()!, country)).toBe(false);
        expect(last.plus(1).toMillis()).toBe(last.plus(1).startOf('day').toMillis());
      }),
      { numRuns: 500 },
    );
  });
});

describe('extension, pause, warnings', () => {
  test('two months more, told within the first', () => {
    const found = clock(facts('2026-11-03T10:14', { extendedAt: at('2026-12-01') }));
    expect(berlin(found.target)).toBe('2027-02-03T10:14');
    expect([found.extended, found.extendableUntil]).toEqual([true, null]);
    expect(berlin(clock(facts('2026-11-30', { extendedAt: at('2026-12-01') })).target)).toBe('2027-02-28T00:00');
  });

  test('told too late is not extended; on the last legal day it still is', () => {
    expect(clock(facts('2026-11-03T10:14', { extendedAt: at('2026-12-04') }))).toMatchObject({ extended: false });
    expect(clock(facts('2026-01-31T10:14', { extendedAt: at('2026-03-02T23:00') }))).toMatchObject({ extended: true });
    expect(clock(facts('2026-01-31T10:14', { extendedAt: at('2026-03-03T00:00') }))).toMatchObject({ extended: false });
    expect(clock(facts('2026-11-03', { kind: 'withdrawal', extendedAt: at('2026-11-04') }))).toMatchObject({
      extended: false,
      extendableUntil: null,
    });
  });

  test('the time between asking and the answer does not count', () => {
    const week = 7 * 86_400_000;
    expect(berlin(clock(facts('2026-11-03T10:14', { pausedMs: week })).target)).toBe('2026-12-10T10:14');
    const open = facts('2026-11-03T10:14', { pausedMs: week, pausedAt: at('2026-11-20T10:14') });
    const found = clock(open, 'DE', ['gdpr'], BERLIN, at('2026-11-23T10:14'));
    expect([berlin(found.target), found.paused]).toEqual(['2026-12-13T10:14', true]);
    // A Sunday.
    expect(berlin(found.due)).toBe('2026-12-14T23:59');
    expect(clock(open, 'DE', ['ccpa'], BERLIN, at('2026-11-23T10:14'))).toMatchObject({ paused: false });
  });

  test('warnings come before the target, not before receipt', () => {
    const { warnings } = clock(facts('2026-11-03T10:14'));
    expect(warnings.map(({ daysBefore, at: when }) => [daysBefore, berlin(when)])).toEqual([
      [14, '2026-11-19T10:14'],
      [7, '2026-11-26T10:14'],
      [3, '2026-11-30T10:14'],
      [1, '2026-12-02T10:14'],
    ]);
    // Over the night of October: at the same time of day.
    expect(clock(facts('2026-09-27T10:14')).warnings[2]!.at.toISOString()).toBe('2026-10-24T08:14:00.000Z');
  });
});

describe('California', () => {
  const of = (kind: RequestKind, more: Partial<ClockFacts> = {}) => clock(facts('2026-11-03T10:14', { kind, ...more }), 'DE', ['us_ccpa']);

  test('confirm within 10 business days, answer within 45 days, 90 with a notice', () => {
    const found = of('erasure');
    // Veterans Day, 11 November, does not count.
    expect([found.law, berlin(found.confirmBy!), berlin(found.target), berlin(found.due)]).toEqual([
      'california',
      '2026-11-18T23:59',
      '2026-12-18T10:14',
      '2026-12-18T23:59',
    ]);
    expect(berlin(of('access', { extendedAt: at('2026-12-18') }).target)).toBe('2027-02-01T10:14');
    // Calendar days end where they end: 19 December 2026 is a Saturday.
    expect(berlin(clock(facts('2026-11-04T10:14'), 'DE', ['ccpa']).due)).toBe('2026-12-19T23:59');
  });

  test('an opt-out takes 15 business days and no extension', () => {
    for (const kind of ['withdrawal', 'objection', 'restriction'] as const)
      expect(berlin(of(kind, { extendedAt: at('2026-11-04') }).target)).toBe('2026-11-25T10:14');
    expect(of('objection')).toMatchObject({ extendableUntil: null, confirmBy: null });
  });

  test('time for verifying counts', () => {
    expect(berlin(of('erasure', { pausedMs: 86_400_000 }).target)).toBe('2026-12-18T10:14');
  });

  test('of regimes that may apply the earlier clock counts, and what either asks for is done', () => {
    const both = clock(facts('2026-11-03T10:14'), 'DE', ['gdpr', 'cpra']);
    expect([both.law, berlin(both.target), berlin(both.confirmBy!)]).toEqual(['gdpr', '2026-12-03T10:14', '2026-11-18T23:59']);
    expect(clock(facts('2026-11-03T10:14', { kind: 'objection' }), 'DE', ['gdpr', 'cpra']).law).toBe('california');
  });

  test('federal holidays, moved ones too', () => {
    // Christmas 2027 is a Saturday, observed on Friday; New Year 2028 a Saturday, observed on 31 December.
    expect(addBusinessDays('2027-12-23', 1, 'US')).toBe('2027-12-27');
    expect(isDayOff('2027-12-31', 'US')).toBe(true);
    expect(isDayOff('2026-11-26', 'US')).toBe(true);
    expect(isDayOff('2020-06-19', 'US')).toBe(false);
    expect(isDayOff('2026-05-25', 'US')).toBe(true);
    expect(isDayOff('2026-01-19', 'US')).toBe(true);
  });
});
