import { DateTime } from 'luxon';
import { expect, test } from 'vitest';
import { instantOf, wallClock } from '../../domain/consent/decided.ts';

const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'Asia/Kolkata', 'Africa/Cairo', 'UTC'];

test('local times are those of a calendar library, near every change of the clocks of thirteen years and far from them', () => {
  for (const zone of ZONES) {
    const local = wallClock(zone);
    for (let day = Date.UTC(2011, 11, 1); day < Date.UTC(2024, 11, 31); day += 86_400_000 * 8) {
      for (const minutes of [0, 29, 30, 61, 90, 119, 120, 150, 179, 180, 181, 1439]) {
        const wall = new Date(day + minutes * 60_000);
        const time = DateTime.fromJSDate(wall, { zone: 'utc' }).setZone(zone, { keepLocalTime: true });
        expect(local(wall), `${zone} ${wall.toISOString()}`).toBe((time.getPossibleOffsets()[0] ?? time).toMillis());
      }
    }
    for (let hour = Date.UTC(2023, 2, 8); hour < Date.UTC(2023, 3, 12); hour += 1_800_000) {
      const time = DateTime.fromMillis(hour, { zone: 'utc' }).setZone(zone, { keepLocalTime: true });
      expect(local(new Date(hour)), `${zone} ${hour}`).toBe((time.getPossibleOffsets()[0] ?? time).toMillis());
    }
  }
});

test('what is a time, to the microsecond, and what is none', () => {
  const local = wallClock('Europe/Berlin');
  const read = (text: string) => instantOf(text, local)?.text ?? null;
  expect(read('2026-01-02T03:04:05.123456789Z')).toBe('2026-01-02T03:04:05.123456Z');
  expect(read('2026-01-02 03:04:05.5+05:30')).toBe('2026-01-01T21:34:05.500000Z');
  expect(read('2026-01-02 03:04:05+00')).toBe('2026-01-02T03:04:05.000000Z');
  expect(read('2026-01-02T03:04-0800')).toBe('2026-01-02T11:04:00.000000Z');
  expect(read('2026-07-01')).toBe('2026-06-30T22:00:00.000000Z');
  expect(read('2024-02-29')).toBe('2024-02-28T23:00:00.000000Z');
  for (const text of [
    '',
    'now',
    'infinity',
    '2023-02-29',
    '2026-13-01',
    '2026-01-32',
    '2026-01-01T24:00',
    '2026-01-01T12:60',
    '2026-01-01+01',
    '01.02.2026',
    '1767225600',
    ' 2026-01-01',
    '0000-01-01T00:00Z',
  ])
    expect(read(text), text).toBeNull();
});
