import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordConsents } from '../../client/consent/record.ts';
import { verifyConsents } from '../../client/consent/evidence.ts';
import { permission as clientPermission } from '../../client/permission.ts';
import { pruneConsents } from '../../database/permission/prune.ts';
import { permission } from '../../domain/permission/permission.ts';
import { permissionRules } from '../../domain/permission/rules.ts';
import type { Micros } from '../../domain/permission/types.ts';
import type { Manifest } from '../../manifest/model.ts';
import { createLedger, deriveAll, insertLives, timestamp, type Ledger } from '../permission/ledger.ts';
import { manifestOf } from '../permission/manifests.ts';
import { CHANNELS, factsOf, instant, life, PURPOSES, purposes, ZONES, type Life } from '../permission/worlds.ts';
import { consentShop, containing, type ConsentShop } from './support.ts';

const RUNS = Number(process.env['PRUNE_RUNS'] ?? 6);
const LIVES = 30;

describe('random lives', () => {
  let ledger: Ledger;
  beforeAll(async () => {
    ledger = await createLedger();
  });
  afterAll(() => ledger.close());

  test('have the same answers at every instant since the cut-off, as they stand and derived anew; a later manifest rescues nothing', async () => {
    let went = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(purposes, purposes),
        fc.constantFrom(...ZONES),
        fc.array(life, { minLength: LIVES, maxLength: LIVES }),
        instant,
        async ([declared, later], zone, lives, cut) => {
          const it = manifestOf(declared, zone);
          await ledger.apply(it);
          await insertLives(ledger.store, lives, []);
          await deriveAll(ledger.store);
          const cutOff = new Date(Math.ceil(cut / 1000));
          const counted = await pruneConsents(ledger.store, { cutOff, enforce: false });
          const pruned = await pruneConsents(ledger.store, { cutOff, enforce: true });
          went += pruned.contents;
          expect(pruned.contents + pruned.kept).toBeGreaterThanOrEqual(counted.contents);
          const asked = questions(lives, cutOff.getTime() * 1000);
          await compare(asked, lives, it.manifest);
          await deriveAll(ledger.store);
          await compare(asked, lives, it.manifest);
          expect((await pruneConsents(ledger.store, { cutOff, enforce: true })).contents).toBe(0);
          const next = manifestOf(later, zone);
          await ledger.apply(next);
          // One that asks for a double opt-in from now on makes answers of long ago no answers; that brings no refusal back that has gone.
          const asBefore = asked.filter(
            ({ purpose }) => it.manifest.purposes[purpose]?.doubleOptIn || !next.manifest.purposes[purpose]?.doubleOptIn,
          );
          await compare(asBefore, lives, next.manifest, true);
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    );
    expect(went).toBeGreaterThan(RUNS * 5);
  });

  interface Asked {
    readonly person: number;
    readonly purpose: string;
    readonly channel: string | null;
    readonly at: Micros;
  }

  function questions(lives: readonly Life[], cutOff: Micros): Asked[] {
    return lives.flatMap((one, index) => {
      const near = one.history.flatMap((it) => [Math.min(it.capturedAt, it.receivedAt), it.expiresAt ?? cutOff]);
      const times = [...new Set([cutOff, ...near, cutOff + 40_000_000_000_000])].flatMap((at) => [at, at + 1]).filter((at) => at >= cutOff);
      const about = PURPOSES.filter((purpose) => one.history.some((it) => it.purpose === purpose));
      return about.flatMap((purpose) =>
        [null, ...CHANNELS].flatMap((channel) => times.map((at) => ({ person: index + 1, purpose, channel, at }))),
      );
    });
  }

  /** Against the whole history, of which the store has lost a part. */
  async function compare(asked: readonly Asked[], lives: readonly Life[], manifest: Manifest, stricter = false): Promise<void> {
    const rules = permissionRules(manifest);
    const rows = await ledger.query<{ allowed: boolean }>(
      `select probity.permission('customer', person, purpose, channel, at) as allowed
       from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) with ordinality it (person, purpose, channel, at, n) order by n`,
      [asked.map((it) => it.person), asked.map((it) => it.purpose), asked.map((it) => it.channel), asked.map((it) => timestamp(it.at))],
    );
    for (const [index, it] of asked.entries()) {
      const one = lives[it.person - 1]!;
      const said = permission(rules, one.history, factsOf(one, manifest.purposes), it);
      if (stricter && rows[index]?.allowed === false) continue;
      if (rows[index]?.allowed !== said.allowed)
        throw new Error(
          `${it.purpose} ${it.channel} at ${timestamp(it.at)}: ${JSON.stringify(said)}, now ${rows[index]?.allowed}\n${JSON.stringify(one)}`,
        );
    }
  }
});

describe('the command', () => {
  let shop: ConsentShop;
  beforeAll(async () => {
    shop = await consentShop();
  });
  afterAll(() => shop.close());

  const say = (key: number, purpose: string, decision: 'granted' | 'withdrawn' | 'asked' | 'refused', capturedAt: string) =>
    recordConsents(shop.project, [{ subject: 'customer', key: [key], purpose, decision, capturedAt: `${capturedAt}T12:00:00Z` }], {
      actor: 'x',
    });
  const contents = async (key: number): Promise<string[]> =>
    (
      await shop.query<{ said: string }>(
        `select c.purpose || ' ' || c.decision as said from probity.consent_content c join probity.consent_link l on l.ref = c.ref where l.key = $1 order by c.at`,
        [String(key)],
      )
    ).map((row) => row.said);
  const people = async (): Promise<number> =>
    Number((await shop.query<{ n: string }>('select count(*) as n from probity.consent_link'))[0]?.n);

  test('keeps what is in force and what ended lately, lets the rest go, and the chain holds', async () => {
    // Expired long ago; withdrawn long ago and never given again; given again; refused for ever; lately.
    await say(100, 'newsletter', 'asked', '2018-01-01');
    await say(100, 'newsletter', 'granted', '2018-01-02');
    await say(101, 'newsletter', 'granted', '2018-01-02');
    await say(101, 'newsletter', 'withdrawn', '2018-06-01');
    await say(102, 'newsletter', 'granted', '2018-01-02');
    await say(102, 'newsletter', 'withdrawn', '2018-06-01');
    await say(102, 'newsletter', 'granted', '2019-01-01');
    await say(102, 'newsletter', 'granted', '2026-10-01');
    await say(105, 'newsletter', 'withdrawn', '2018-06-01');
    await say(105, 'newsletter', 'granted', '2026-10-01');
    await say(103, 'profiling', 'refused', '2017-01-01');
    await say(104, 'newsletter', 'granted', '2022-01-01');
    await say(104, 'newsletter', 'withdrawn', '2025-01-01');
    const before = await people();

    const dry = await shop.probity(['consent', 'prune']);
    expect(dry).toMatchObject({ code: 0, out: containing('6 contents out of force since before') });
    expect(await contents(102)).toHaveLength(4);
    expect(await shop.probity(['consent', 'prune', '--yes'])).toMatchObject({ code: 2, err: containing('observe') });
    expect(await contents(102)).toHaveLength(4);

    await shop.enforce();
    const ran = await shop.probity(['consent', 'prune', '--yes']);
    expect(ran).toMatchObject({ code: 0, out: containing('✓ 6 contents deleted') });
    expect(await contents(100)).toEqual([]);
    expect(await contents(101)).toEqual(['newsletter withdrawn']);
    expect(await contents(102)).toEqual(['newsletter granted']);
    expect(await contents(103)).toEqual(['profiling refused']);
    expect(await contents(104)).toHaveLength(2);
    // In force until the grant of this year.
    expect(await contents(105)).toEqual(['newsletter withdrawn', 'newsletter granted']);
    expect(await people()).toBe(before - 1);
    for (const [key, purpose, allowed] of [
      [101, 'newsletter', false],
      [102, 'newsletter', true],
      [103, 'profiling', false],
    ] as const)
      expect(await clientPermission(shop.project, { subject: 'customer', key: [key] }, { purpose })).toBe(allowed);

    expect(await shop.probity(['consent', 'verify'])).toMatchObject({
      code: 0,
      out: containing('contents of 6 pruned, chain intact'),
    });
    expect(await shop.probity(['consent', 'prune', '--yes', '--json'])).toMatchObject({
      code: 0,
      out: containing('"contents": 0'),
    });
  });

  test('loses no record of somebody whose link goes at the same moment', async () => {
    for (let round = 0; round < 15; round++) {
      const key = 300 + round;
      await say(key, 'newsletter', 'granted', '2018-01-02');
      const [recorded] = await Promise.all([
        recordConsents(shop.project, [{ subject: 'customer', key: [key], purpose: 'profiling', decision: 'refused' }], { actor: 'x' }),
        pruneConsents(shop.project.home, { cutOff: new Date('2024-01-01'), enforce: true }),
      ]);
      expect(recorded[0]?.recordId).not.toBeNull();
      expect(await contents(key)).toContain('profiling refused');
      expect(await clientPermission(shop.project, { subject: 'customer', key: [key] }, { purpose: 'profiling' })).toBe(false);
    }
    expect((await verifyConsents(shop.project)).fault).toBeNull();
  });
});
