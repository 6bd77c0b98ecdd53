import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cronFault } from '../../manifest/cron.ts';
import { defineManifest } from '../../manifest/define.ts';
import { durationParts, shortDurationMs, suggestDuration, toIsoDuration } from '../../manifest/duration.ts';
import { parseManifestText, parseManifestValue } from '../../manifest/load.ts';
import { editDistance, nearest } from '../../manifest/nearest.ts';
import { parseWindow } from '../../manifest/window.ts';

describe('durations', () => {
  test.each(['P90D', 'P13M', 'P2Y', 'P1Y2M3W4DT5H6M7S', 'PT36H', 'P0D'])('%s is one', (text) => expect(durationParts(text)).not.toBeNull());
  test.each(['', 'P', 'PT', 'P1', '1Y', '-P1Y', 'P-1Y', 'P1.5Y', 'P1YT', 'p1y', 'P201Y', 'P1Y ', 'P1D\n'])('%j is none', (text) =>
    expect(durationParts(text)).toBeNull(),
  );
  test.each([
    ['13 months', 'P13M'],
    ['2 years', 'P2Y'],
    ['90d', 'P90D'],
    ['p3y', 'P3Y'],
    ['1 week', 'P1W'],
    ['soon', null],
  ])('%s suggests %s', (text, meant) => expect(suggestDuration(text)).toBe(meant));
  test('short ones', () => {
    expect(['200ms', '30s', '10m', '2h', 'PT10M', 'P1D'].map(shortDurationMs)).toEqual([
      200, 30_000, 600_000, 7_200_000, 600_000, 86_400_000,
    ]);
    expect(['P1M', '10', 'ms', '1d'].map(shortDurationMs)).toEqual([null, null, null, null]);
    expect(['10m', '1500ms', 'PT5M'].map(toIsoDuration)).toEqual(['PT10M', 'PT2S', 'PT5M']);
  });
});

test('windows', () => {
  expect(parseWindow('22:00-04:30')).toEqual({ from: 1320, to: 270 });
  expect(parseWindow('20:00-24:00')).toEqual({ from: 1200, to: 1440 });
  expect(['24:00-01:00', '1:00-2:00', '01:00-01:00', '01:00', '01:60-02:00', '01:00–02:00'].map(parseWindow)).toEqual(Array(6).fill(null));
});

describe('cron', () => {
  test.each(['15 1 * * *', '*/5 0-6 1,15 jan-mar MON-fri', '0 0 * * 7', '@daily', '5/10 * * * *'])('%s is one', (text) =>
    expect(cronFault(text)).toBeNull(),
  );
  test.each([
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '* * * *',
    '*/0 * * * *',
    '5-1 * * * *',
    '@often',
    'CRON_TZ=UTC * * * * *',
    'a * * * *',
  ])('%s is none', (text) => expect(cronFault(text)).not.toBeNull());
});

describe('the nearest name', () => {
  test('is a slip away, not another word', () => {
    expect(nearest('custmer', ['order', 'customer', 'costume'])).toBe('customer');
    expect(nearest('Customer', ['customer'])).toBe('customer');
    expect(nearest('viewed', ['order', 'address'])).toBeNull();
    expect(nearest('at', ['id', 'kind'])).toBeNull();
  });
  test('the distance is a distance', () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const far = editDistance(a, b);
        expect(far).toBe(editDistance(b, a));
        expect(far === 0).toBe(a === b);
        expect(far).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(far).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});

test('defineManifest is typed, and refuses at load what types cannot see', () => {
  const manifest = defineManifest({
    organisation: 'Acme',
    stores: { shop: { url: '${DATABASE_URL}' } },
    tables: { 'shop.public.event': { retention: { keep: 'P90D', after: 'at', between: undefined } } },
  });
  expect(parseManifestValue(manifest).problems).toEqual([]);
  // @ts-expect-error an unknown key
  const wrong = defineManifest({ organisation: 'Acme', stores: { shop: { url: 'x' } }, table: {} });
  expect(parseManifestValue(wrong).problems.map((it) => it.fix)).toEqual(['write `tables`']);
});

test('no text makes loading throw', () => {
  const key = fc.constantFrom(
    'organisation',
    'stores',
    'tables',
    'purposes',
    'references',
    'purge',
    'own',
    'schedules',
    'subjects',
    'ignore',
    'shared',
    'recipients',
  );
  const value = fc.object({
    key: fc.oneof(key, fc.constantFrom('a.b.c', 'retention', 'keep', 'after', 'then', 'mask', '__proto__', 'url')),
    maxDepth: 5,
  });
  fc.assert(
    fc.property(fc.dictionary(key, fc.oneof(value, fc.array(value), fc.string(), fc.constant(null))), (manifest) => {
      const loaded = parseManifestText(JSON.stringify(manifest));
      expect(loaded.problems.every((it) => it.code.startsWith('P0'))).toBe(true);
    }),
    { numRuns: 500 },
  );
});
