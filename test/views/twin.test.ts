import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeViews } from '../../client/views.ts';
import { postgres15 } from '../support/postgres15.ts';
import { viewShop, type ViewShop } from './shop.ts';

/** Enough people for every combination of purpose, country and age to meet several histories. */
const PEOPLE = 160;
const PURPOSES = ['fulfilment', 'personalization', 'analytics', 'newsletter', 'sale', 'tax'];
const server15 = postgres15();

/** A seeded sequence in [0, 1): a failure can be repeated. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe.each([
  ['18', undefined],
  ['15', server15],
] as const)('on PostgreSQL %s, views show whom probity.permissions allows', (_version, server) => {
  let shop: ViewShop;
  const seed = 20_261_122;

  beforeAll(async () => {
    shop = await viewShop(server === undefined ? {} : { adminUrl: (await server()).adminUrl });
    const random = sequence(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    await shop.query(
      `insert into customer (customer_id, email, country, born, signed_up_at, closed_at)
       select i, 'c' || i, (array['DE', 'US-CA', null])[1 + i % 3], (array['1980-01-01', '2011-06-01', null, '2014-01-01', 'infinity'])[1 + i % 5]::date,
         '2025-02-01', case i % 7 when 0 then timestamptz '2025-09-01' when 1 then timestamptz '2200-01-01' end from generate_series(1, ${PEOPLE}) i`,
    );
    const decisions: Record<string, readonly string[]> = {
      '*': ['restricted', 'restriction_lifted'],
      analytics: ['objected', 'objected', 'objection_rejected', 'objection_upheld', 'granted'],
      newsletter: ['asked', 'granted', 'refused', 'withdrawn'],
      personalization: ['granted', 'granted', 'withdrawn', 'refused'],
      sale: ['granted', 'withdrawn', 'objected'],
      fulfilment: ['objected', 'withdrawn'],
      tax: ['objected'],
    };
    const channels: Record<string, readonly (string | null)[]> = {
      personalization: [null, 'email', 'web'],
      newsletter: [null, 'email'],
      sale: [null, 'web', 'mobile'],
    };
    const entries = Array.from({ length: PEOPLE * 5 }, () => {
      const purpose = pick(Object.keys(decisions));
      return {
        key: String(1 + Math.floor(random() * PEOPLE)),
        purpose,
        channel: pick(channels[purpose] ?? [null]),
        decision: pick(decisions[purpose]!),
        given_by: random() < 0.2 ? 'parent' : 'self',
        captured_at: new Date(Date.UTC(2025, Math.floor(random() * 18), 1 + Math.floor(random() * 27))).toISOString(),
      };
    });
    await shop.record(...entries);
    await makeViews(shop.project);
  });
  afterAll(() => shop.close());

  test.each(PURPOSES)('%s, as a whole', async (purpose) => {
    const expected = await allowed(shop, purpose, null, null);
    const shown = await keys(shop, purpose, `select customer_id as p from for_${purpose}.customer`);
    // A consent counts for the row only if it held when the row was captured, on 1 February.
    const then = ['personalization', 'newsletter', 'sale'].includes(purpose) ? await capturedThen(shop, purpose) : null;
    expect(shown).toEqual(expected.filter((key) => then === null || then.has(key)));
    expect(expected.length).toBeGreaterThan(0);
    expect(expected.length).toBeLessThan(PEOPLE + (purpose === 'tax' || purpose === 'fulfilment' ? 1 : 0));
  });

  test.each([
    ['personalization', 'email'],
    ['personalization', 'web'],
    ['newsletter', 'email'],
    ['sale', 'web'],
    ['sale', 'mobile'],
  ])('%s on %s', async (purpose, channel) => {
    const shown = await keys(shop, purpose, `select pseudonym as p from for_${purpose}.permitted_channels where channel = '${channel}'`);
    expect(shown).toEqual(await allowed(shop, purpose, channel, null));
    expect(shown.length).toBeGreaterThan(0);
  });

  test('rows captured at any time', async () => {
    const random = sequence(seed + 1);
    const rows = Array.from({ length: 400 }, (_, index) => ({
      id: index,
      who: 1 + Math.floor(random() * PEOPLE),
      at: new Date(Date.UTC(2025, Math.floor(random() * 18), 1 + Math.floor(random() * 27), 12)).toISOString(),
    }));
    await shop.query(
      `insert into page_view select r.id, r.who, '/' || r.id, r.at from jsonb_to_recordset($1::jsonb) r (id bigint, who bigint, at timestamptz)`,
      [JSON.stringify(rows)],
    );
    for (const purpose of ['personalization', 'sale']) {
      const now = new Set(await allowed(shop, purpose, null, null));
      const wanted: string[] = [];
      for (const row of rows) {
        if (!now.has(String(row.who))) continue;
        if (purpose === 'sale' && (await regimes(shop, row.who)).join() === 'ccpa') wanted.push(`/${row.id}`);
        else if (await heldThen(shop, purpose, row.who, row.at)) wanted.push(`/${row.id}`);
      }
      const { rows: shown } = { rows: await shop.query<{ path: string }>(`select path from for_${purpose}.page_view`) };
      expect(shown.map((it) => it.path).sort()).toEqual(wanted.sort());
      expect(wanted.length).toBeGreaterThan(10);
    }
  });
});

async function allowed(shop: ViewShop, purpose: string, channel: string | null, at: string | null): Promise<string[]> {
  const keys = Array.from({ length: PEOPLE }, (_, index) => String(index + 1));
  const rows = await shop.query<{ key: string }>(`select key from probity.permissions('customer', $1, $2, $3, $4) where allowed`, [
    keys,
    purpose,
    channel,
    at,
  ]);
  return rows.map((row) => row.key).sort();
}

async function regimes(shop: ViewShop, who: number): Promise<string[]> {
  const [row] = await shop.query<{ country: string | null }>('select country from customer where customer_id = $1', [who]);
  return row?.country === null || row === undefined ? ['gdpr', 'ccpa'] : [row.country === 'US-CA' ? 'ccpa' : 'gdpr'];
}

/** Under an opt-in regime of the person, a consent held at an instant; what ended meanwhile does not matter. */
async function heldThen(shop: ViewShop, purpose: string, who: number, at: string): Promise<boolean> {
  const [row] = await shop.query<{ held: boolean }>(
    `select coalesce(bool_and(held), false) as held from (
      select exists (select from probity.permission_span s join customer c on c.customer_id::text = s.key
        where s.purpose = $1 and s.subject = 'customer' and s.key = $2 and s.regime = r.regime and s.allows and s.from_at <= $3 and $3 < s.until_at
          and (s.of_age is null or isfinite(c.born) and c.born + make_interval(years => s.of_age) <= s.of_age_at at time zone 'Europe/Berlin')
      ) and not exists (select from probity.permission_span s where s.purpose = '*' and s.subject = 'customer' and s.key = $2 and s.from_at <= $3 and $3 < s.until_at) as held
      from (select distinct regime from probity.purpose_rule where purpose = $1 and basis in ('consent', 'soft_opt_in') and (regime = '*' or regime = any ($4))) r) it`,
    [purpose, String(who), at, await regimes(shop, who)],
  );
  return row?.held === true;
}

async function capturedThen(shop: ViewShop, purpose: string): Promise<Set<string>> {
  const held = new Set<string>();
  for (let who = 1; who <= PEOPLE; who++) {
    const optedOut = purpose === 'sale' && (await regimes(shop, who)).join() === 'ccpa';
    if (optedOut || (await heldThen(shop, purpose, who, '2025-02-01T00:00:00Z'))) held.add(String(who));
  }
  return held;
}

/** The keys behind pseudonyms, which only somebody who may read the secret can tell. */
async function keys(shop: ViewShop, purpose: string, query: string): Promise<string[]> {
  const [row] = await shop.query<{ secret: Buffer }>('select secret from probity.pseudonym_key where purpose = $1', [purpose]);
  const behind = new Map(
    Array.from({ length: PEOPLE }, (_, index) => String(index + 1)).map((key) => {
      const hash = createHash('sha256').update(row!.secret).update(`shop.public.customer.customer_id:${key}`).digest('hex');
      return [hash.slice(0, 32), key];
    }),
  );
  return (await shop.query<{ p: string }>(query)).map(({ p }) => behind.get(p) ?? `unknown ${p}`).sort();
}
