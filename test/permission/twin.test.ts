import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { permission } from '../../domain/permission/permission.ts';
import { permissionRules } from '../../domain/permission/rules.ts';
import type { ConsentRecord, Micros, PermissionRule, SubjectFacts } from '../../domain/permission/types.ts';
import type { Manifest } from '../../manifest/model.ts';
import { createLedger, deriveAll, insertLives, timestamp, type Ledger } from './ledger.ts';
import { manifestOf } from './manifests.ts';
import { addSlowly, deniedAsAWhole } from './naive.ts';
import { CHANNELS, factsOf, instant, LENGTHS, life, PURPOSES, purposes, ZONES, type Life } from './worlds.ts';

/** Each is a manifest, a later manifest and the lives below: some ten thousand questions. */
const RUNS = Number(process.env['TWIN_RUNS'] ?? 6);
const LIVES = 20;
/** Questions of one statement. */
const BATCH = 2_000;

interface Asked {
  readonly subject: string;
  readonly key: string;
  readonly purpose: string;
  readonly channel: string | null;
  readonly at: Micros;
  readonly life: Life;
  readonly facts: SubjectFacts;
}

let ledger: Ledger;
beforeAll(async () => {
  ledger = await createLedger();
});
afterAll(() => ledger.close());

test('SQL answers as the function does: at every breakpoint, under one manifest and a later one, in any order of arrival', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(purposes, purposes),
      fc.constantFrom(...ZONES),
      fc.array(life, { minLength: LIVES, maxLength: LIVES }),
      fc.array(fc.nat(), { minLength: LIVES * 13, maxLength: LIVES * 13 }),
      async ([first, later], zone, lives, order) => {
        await ledger.apply(manifestOf(first, zone));
        await insertLives(ledger.store, lives, order);
        await deriveAll(ledger.store);
        await compare(manifestOf(first, zone).manifest, lives);
        // `apply` derives anew what the later manifest judges otherwise.
        await ledger.apply(manifestOf(later, zone));
        await compare(manifestOf(later, zone).manifest, lives);
      },
    ),
    { numRuns: RUNS, endOnFailure: process.env['TWIN_SHRINK'] === undefined },
  );
});

test('SQL adds durations as the function does', async () => {
  const cases = fc.sample(fc.tuple(instant, fc.constantFrom(...LENGTHS), fc.constantFrom(...ZONES)), 5_000);
  const rows = await ledger.query<{ end: string }>(
    `select ((extract(epoch from probity.add_duration(at, length, zone))) * 1000000)::bigint::text as end
     from unnest($1::timestamptz[], $2::interval[], $3::text[]) with ordinality it (at, length, zone, n) order by n`,
    [cases.map(([at]) => timestamp(at)), cases.map(([, length]) => length), cases.map(([, , zone]) => zone)],
  );
  for (const [index, [at, length, zone]] of cases.entries())
    expect([at, length, zone, Number(rows[index]!.end)]).toEqual([at, length, zone, addSlowly(at, length, zone)]);
});

async function compare(manifest: Manifest, lives: readonly Life[]): Promise<void> {
  const rules = permissionRules(manifest);
  const asked = lives.flatMap((one, index) => questionsOf(one, index + 1, manifest, rules));
  for (let from = 0; from < asked.length; from += BATCH) {
    const some = asked.slice(from, from + BATCH);
    const answers = await ask(some);
    for (const [index, it] of some.entries()) {
      const { purpose, channel, at } = it;
      const said = permission(rules, it.life.history, it.facts, { purpose, channel, at });
      if (answers[index] !== said.allowed) throw new Error(explained(it, said, rules));
    }
  }
  await compareNow(manifest, lives, rules);
  await compareWhole(manifest, lives, rules);
}

/** Asking for now, many keys at a time, is asking for this moment: nothing here ends within the seconds that it takes. */
async function compareNow(manifest: Manifest, lives: readonly Life[], rules: readonly PermissionRule[]): Promise<void> {
  const keys = lives.map((_, index) => String(index + 1));
  const at = Date.now() * 1000;
  for (const purpose of PURPOSES) {
    for (const channel of [null, ...CHANNELS]) {
      const rows = await ledger.query<{ key: string; allowed: boolean }>(
        `select key, allowed from probity.permissions('customer', $1, $2, $3)`,
        [keys, purpose, channel],
      );
      const answered = Object.fromEntries(rows.map((it) => [it.key, it.allowed]));
      const said = lives.map((one, index) => [
        keys[index],
        permission(rules, one.history, factsOf(one, manifest.purposes), { purpose, channel, at }).allowed,
      ]);
      expect(answered).toEqual(Object.fromEntries(said));
    }
  }
}

async function ask(some: readonly Asked[]): Promise<boolean[]> {
  const rows = await ledger.query<{ allowed: boolean }>(
    `select probity.permission(subject, key, purpose, channel, at) as allowed
     from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) with ordinality it (subject, key, purpose, channel, at, n) order by n`,
    [
      some.map((it) => it.subject),
      some.map((it) => it.key),
      some.map((it) => it.purpose),
      some.map((it) => it.channel),
      some.map((it) => timestamp(it.at)),
    ],
  );
  return rows.map((it) => it.allowed);
}

function questionsOf(one: Life, person: number, manifest: Manifest, rules: readonly PermissionRule[]): Asked[] {
  const self = { subject: 'customer', key: String(person), facts: factsOf(one, manifest.purposes) };
  // Of a device nothing is known but what it and its owner said.
  const device = { subject: 'device', key: `d${person}`, facts: { known: true, regime: null, birth: null, ends: {} } };
  return [self, device].flatMap((it) =>
    PURPOSES.filter(
      (purpose) => purpose === PURPOSES[person % PURPOSES.length] || one.history.some((said) => said.purpose === purpose),
    ).flatMap((purpose) =>
      [null, ...CHANNELS].flatMap((channel) => breakpoints(one, purpose, rules).map((at) => ({ ...it, purpose, channel, at, life: one }))),
    ),
  );
}

function breakpoints(one: Life, purpose: string, rules: readonly PermissionRule[]): Micros[] {
  const { expires = null, zone = 'UTC', minimumAge = null } = rules.find((it) => it.purpose === purpose) ?? {};
  const said = one.history.filter((it) => it.purpose === purpose || it.purpose === '*');
  const times = said.flatMap((it) => {
    const at = Math.min(it.capturedAt, it.receivedAt);
    return [at, ...(it.expiresAt === null ? [] : [it.expiresAt]), ...(expires === null ? [] : [addSlowly(at, expires, zone)])];
  });
  if (one.closedAt !== null) times.push(one.closedAt);
  if (one.birth !== null) times.push(...[16, minimumAge ?? 13].map((years) => midnight(one.birth!, years, zone)));
  return [...new Set(times)].flatMap((at) => [at - 1, at, at + 1]);
}

function midnight(birth: string, years: number, zone: string): Micros {
  const born = Date.parse(`${birth}T00:00:00Z`) * 1000;
  return addSlowly(addSlowly(born, `P${years}Y`, 'UTC'), 'P0D', 'UTC') - (addSlowly(born, 'P0D', zone) - born);
}

/** Views look at the spans that deny a purpose as a whole. */
async function compareWhole(manifest: Manifest, lives: readonly Life[], rules: readonly PermissionRule[]): Promise<void> {
  void manifest;
  const groups = [...Map.groupBy(rules, (it) => `${it.purpose} ${it.regime}`).values()].filter((it) =>
    it.every(({ basis }) => basis !== 'consent' && basis !== 'soft_opt_in'),
  );
  const asked = groups.flatMap((group) =>
    lives.flatMap((one, index) =>
      breakpoints(one, group[0]!.purpose, rules).map((at) => ({
        key: String(index + 1),
        at,
        group,
        one,
        purpose: group[0]!.purpose,
        regime: group[0]!.regime,
      })),
    ),
  );
  const rows = await ledger.query<{ denied: boolean }>(
    `select exists (select from probity.permission_span s where s.subject = 'customer' and s.key = it.key and s.purpose = it.purpose and s.regime = it.regime
       and s.every_channel and not s.allows and s.from_at <= it.at and it.at < s.until_at) as denied
     from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[]) with ordinality it (key, at, purpose, regime, n) order by n`,
    [asked.map((it) => it.key), asked.map((it) => timestamp(it.at)), asked.map((it) => it.purpose), asked.map((it) => it.regime)],
  );
  for (const [index, it] of asked.entries()) expect(rows[index]!.denied).toBe(deniedAsAWhole(it.group, it.one.history, it.at));
}

function explained(it: Asked, said: unknown, rules: readonly PermissionRule[]): string {
  const history = it.life.history.filter((one: ConsentRecord) => [it.purpose, '*'].includes(one.purpose));
  return JSON.stringify(
    { question: { ...it, life: undefined, at: timestamp(it.at) }, said, rules: rules.filter((r) => r.purpose === it.purpose), history },
    null,
    1,
  );
}
