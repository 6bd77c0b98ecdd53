import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DateTime } from 'luxon';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConsentReport } from '../../client/consent/report.ts';
import { consentShop, type ConsentShop } from '../consent-import/support.ts';

let shop: ConsentShop;
beforeAll(async () => void (shop = await consentShop()));
afterAll(() => (shop as ConsentShop | undefined)?.close());

const report = async (...args: string[]): Promise<ConsentReport> => {
  const { code, out, err } = await shop.run(['consent', 'report', ...args, '--json']);
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as ConsentReport;
};
const record = (entries: readonly Readonly<Record<string, unknown>>[]) =>
  shop.query(
    `select count(*) from probity.record_consents((select array_agg(e) from jsonb_populate_recordset(null::probity.consent_entry, $1::jsonb) e))`,
    [
      JSON.stringify(
        entries.map((it) => ({ subject: 'customer', purpose: 'newsletter', touchpoint: 't', actor: 'a', door: 'import', ...it })),
      ),
    ],
  );
const monthOf = (at: Date): string => DateTime.fromJSDate(at, { zone: 'Europe/Berlin' }).toFormat('yyyy-MM');

test('months begin at local midnight, in winter and in summer, and in the hour that the clocks repeat', async () => {
  await record([
    { key: '1', decision: 'granted', captured_at: '2025-03-31T21:59:59Z' },
    { key: '2', decision: 'granted', captured_at: '2025-03-31T22:00:00Z' },
    { key: '3', decision: 'granted', captured_at: '2025-10-31T22:59:59Z' },
    { key: '4', decision: 'granted', captured_at: '2025-10-31T23:00:00Z' },
    { key: '5', decision: 'granted', captured_at: '2025-10-26T00:30:00Z' },
    { key: '6', decision: 'granted', captured_at: '2025-10-26T01:30:00Z' },
  ]);
  const { decisions } = await report('--from', '2025-01', '--to', '2025-12', '--exact');
  expect(Object.fromEntries(decisions.month.map(({ by, counts }) => [by, counts.granted]))).toEqual({
    '2025-03': 1,
    '2025-04': 1,
    '2025-10': 3,
    '2025-11': 1,
  });
});

test('numbers are those of a naive count over the same records', async () => {
  const random = lcg(7);
  const decisions = ['asked', 'granted', 'granted', 'granted', 'refused', 'withdrawn'];
  const start = Date.parse('2023-01-01T00:00:00Z');
  const entries = Array.from({ length: 4_000 }, () => ({
    key: String(1 + Math.floor(random() * 600)),
    channel: [null, 'email', 'web'][Math.floor(random() * 3)],
    decision: decisions[Math.floor(random() * decisions.length)],
    // Ties are frequent: in whole days.
    captured_at: new Date(start + Math.floor(random() * 1_300) * 86_400_000).toISOString(),
    touchpoint: ['onboarding', 'preference_centre'][Math.floor(random() * 2)],
  }));
  await record(entries);
  const found = await report('--from', '2023-01', '--to', '2026-11', '--exact');
  const rows = await shop.query<{
    ref: string;
    channel: string | null;
    decision: string;
    at: Date;
    received_at: Date;
    expires_at: Date | null;
    touchpoint: string;
  }>('select ref, channel, decision, at, received_at, expires_at, touchpoint from probity.consent_content');

  // By record.
  const count = (by: (row: (typeof rows)[number]) => string, decision: string): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const row of rows) if (row.decision === decision) counts[by(row)] = (counts[by(row)] ?? 0) + 1;
    return counts;
  };
  for (const [dimension, by] of [
    ['month', (row: (typeof rows)[number]) => monthOf(row.at)],
    ['channel', (row: (typeof rows)[number]) => row.channel ?? '(all)'],
    ['touchpoint', (row: (typeof rows)[number]) => row.touchpoint],
  ] as const) {
    for (const decision of ['asked', 'granted', 'refused', 'withdrawn'] as const) {
      const told = Object.fromEntries(
        found.decisions[dimension].flatMap((line) => (line.counts[decision] === 0 ? [] : [[line.by, line.counts[decision]]])),
      );
      expect(told, `${dimension} ${decision}`).toEqual(count(by, decision));
    }
  }

  // By consent: every person's time on every channel, walked.
  const now = new Date(found.until).getTime();
  const changes: { month: string; channel: string; how: string }[] = [];
  const live = new Map<string, { from: number; until: number; channel: string }[]>();
  for (const ref of new Set(rows.map((row) => row.ref))) {
    for (const channel of ['email', 'web']) {
      const events = rows
        .filter((row) => row.ref === ref && row.decision !== 'asked' && (row.channel === null || row.channel === channel))
        .sort(
          (a, b) =>
            a.at.getTime() - b.at.getTime() ||
            a.received_at.getTime() - b.received_at.getTime() ||
            Number(b.decision === 'granted') - Number(a.decision === 'granted') ||
            (a.decision < b.decision ? 1 : -1),
        );
      let until: number | null = null;
      let from = 0;
      const end = (at: number, how: string): void => {
        changes.push({ month: monthOf(new Date(at)), channel, how });
        live.set(ref, [...(live.get(ref) ?? []), { from, until: at, channel }]);
        until = null;
      };
      for (const event of events) {
        const at = event.at.getTime();
        if (until !== null && until <= at) end(until, 'expired');
        if (event.decision === 'granted') {
          if (until === null) changes.push({ month: monthOf(event.at), channel, how: 'began' });
          if (until === null) from = at;
          until = event.expires_at?.getTime() ?? Infinity;
        } else if (until !== null) end(at, event.decision);
      }
      if (until !== null && until <= now) end(until, 'expired');
      else if (until !== null) live.set(ref, [...(live.get(ref) ?? []), { from, until: Infinity, channel }]);
    }
  }
  const lives = [...live.values()].flat();
  for (const rates of found.rates) {
    const of = (month: string, how: string): number =>
      changes.filter((it) => it.month === month && it.how === how && (rates.channel ?? it.channel) === it.channel).length;
    for (const month of rates.months) {
      const begins = DateTime.fromISO(`${month.month}-01`, { zone: 'Europe/Berlin' }).toMillis();
      const living = lives.filter((it) => it.from < begins && it.until >= begins && (rates.channel ?? it.channel) === it.channel).length;
      expect(month).toMatchObject({
        live: living,
        began: of(month.month, 'began'),
        withdrawn: of(month.month, 'withdrawn'),
        expired: of(month.month, 'expired'),
      });
      expect(month.rate).toBe(
        living + of(month.month, 'began') === 0 ? null : of(month.month, 'withdrawn') / (living + of(month.month, 'began')),
      );
    }
  }
  expect(changes.filter(({ how }) => how === 'expired').length).toBeGreaterThan(50);
});

test('small numbers are not told unless asked for, in no form of the report; the page has no script and says what it shows', async () => {
  await record(
    ['21', '22', '23'].map((key) => ({
      key,
      purpose: 'analytics',
      decision: 'objected',
      captured_at: '2026-02-01T00:00:00Z',
      touchpoint: 'rare_place',
    })),
  );
  const { decisions } = await report('--from', '2026-02', '--to', '2026-02');
  expect(decisions.purpose.find(({ by }) => by === 'analytics')?.counts.withdrawn).toBe('<5');
  expect(decisions.touchpoint.find(({ by }) => by === 'rare_place')?.counts.withdrawn).toBe('<5');
  const file = join(shop.folder, 'report.html');
  const ran = await shop.run(['consent', 'report', '--from', '2026-01', '--html', file]);
  expect(ran).toMatchObject({ code: 0 });
  expect(ran.out).toMatch(/rare_place +0 +0 +0 +<5 +–/);
  expect(ran.out).toMatch(/[▁▂▃▄▅▆▇█]/);
  const page = readFileSync(file, 'utf8');
  expect(page).toContain('&lt;5');
  expect(page).toContain('<svg role="img"');
  expect(page).toMatch(/<title id="rate-0-title">/);
  expect(page).not.toMatch(/<script|https?:\/\//);
  expect(
    (await report('--from', '2026-02', '--to', '2026-02', '--exact')).decisions.purpose.find(({ by }) => by === 'analytics')?.counts
      .withdrawn,
  ).toBe(3);
  expect(await shop.run(['consent', 'report', '--from', 'yesterday'])).toMatchObject({ code: 2 });
  expect(await shop.run(['consent', 'report', '--from', '2026-03', '--to', '2026-02'])).toMatchObject({ code: 2 });
});

/** Numerical Recipes' linear congruential generator: the same test each time. */
function lcg(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}
