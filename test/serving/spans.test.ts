import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLedger, deriveAll, insertLives, type Ledger } from '../permission/ledger.ts';
import { manifestOf } from '../permission/manifests.ts';
import { life, PURPOSES, purposes, ZONES } from '../permission/worlds.ts';

const RUNS = 4;
const LIVES = 12;

let ledger: Ledger;
beforeAll(async () => {
  ledger = await createLedger();
});
afterAll(() => ledger.close());

/** Where any answer may change, with the microsecond before it. */
const INSTANTS = `
  select distinct it.at - before.by as at from (
    select from_at as at from probity.permission_span union select until_at from probity.permission_span
    union select closed_at from public.customer
    union select (birth + make_interval(years => years)) at time zone zone from public.customer cross join generate_series(13, 18) years
      cross join (select distinct zone from probity.purpose_rule) z
  ) it cross join (values (interval '0'), (interval '1 microsecond')) before (by)
  where isfinite(it.at) and it.at < now()`;

test('what a replica is told is what the home store answers: at every instant at which an answer may change, and now', async () => {
  await fc.assert(
    fc.asyncProperty(
      purposes,
      fc.constantFrom(...ZONES),
      fc.array(life, { minLength: LIVES, maxLength: LIVES }),
      fc.array(fc.nat(), { minLength: LIVES * 13, maxLength: LIVES * 13 }),
      async (declared, zone, lives, order) => {
        await ledger.apply(manifestOf(declared, zone));
        await insertLives(ledger.store, lives, order);
        await deriveAll(ledger.store);
        const keys = lives.map((_, index) => String(index + 1));
        const [row] = await ledger.query<{ asked: number; allowed: number; wrong: number; example: string | null }>(
          `with span as materialized (select * from probity.replica_spans('customer', $1, $2)),
          asked as (
            select r.purpose, r.channel, t.at, a.key, a.allowed from (select distinct purpose, channel from probity.purpose_rule) r
            cross join (${INSTANTS} union all select null) t
            cross join lateral probity.permissions('customer', $1, r.purpose, r.channel, t.at) a
          ), both_of as (
            select a.*, exists (select from span s where s.key = a.key and s.purpose = a.purpose and a.channel = any (s.channels)
              and s.during @> coalesce(a.at, now())) as told
            from asked a
          )
          select count(*)::int as asked, count(*) filter (where allowed)::int as allowed, count(*) filter (where allowed <> told)::int as wrong,
            min(concat_ws(' ', purpose, channel, key, at, allowed)) filter (where allowed <> told) as example
          from both_of`,
          [keys, PURPOSES],
        );
        expect(row).toMatchObject({ wrong: 0, example: null });
        expect(row?.asked).toBeGreaterThan(1_000);
      },
    ),
    { numRuns: RUNS, endOnFailure: true },
  );
});
