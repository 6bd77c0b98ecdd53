import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { importConsents } from '../../client/consent/import.ts';
import { consentRecorder } from '../../client/consent/recorder.ts';
import { recordConsents } from '../../client/consent/record.ts';
import { verifyConsents } from '../../client/consent/evidence.ts';
import { permissions } from '../../client/permission.ts';
import { syncTable } from '../../database/permission/consent-table.ts';
import { sealConsents } from '../../database/permission/seal.ts';
import { namedSources } from '../../domain/consent/sources.ts';
import { permission } from '../../domain/permission/permission.ts';
import { permissionRules } from '../../domain/permission/rules.ts';
import type { ConsentRecord } from '../../domain/permission/types.ts';
import { PURPOSE, raceWorld, type RaceWorld } from './race-world.ts';

/** People who withdraw; `PROBITY_RACES` asks for more or fewer. As many stay, so that readers always have something to see. */
const WITHDRAWALS = Number(process.env['PROBITY_RACES'] ?? 2_000);
const STAY = Math.ceil(WITHDRAWALS / 5);
/** Every tenth person restricts instead; every eighth says it twice, through another door. */
const RESTRICTS = 10;
const REPEATS = 8;
/** Callers at a time of each door. */
const RECORDER_CALLERS = 400;
const SINGLE_CALLERS = 6;
const SQL_CALLERS = 4;
const LOOK_UPS = 40;

let world: RaceWorld;
beforeAll(async () => void (world = await raceWorld(WITHDRAWALS + STAY)));
afterAll(() => (world as RaceWorld | undefined)?.close());

/** What a withdrawal was acknowledged before: everything that begins when the clock stands at this or later. */
let clock = 0;
const acknowledged = new Map<number, number>();
let asked = 0;
let seen = 0;
const violations: string[] = [];

/** One statement of a reader: nobody who had been acknowledged before it began may be in its answer. */
async function look(how: string, ask: () => Promise<readonly number[]>): Promise<void> {
  const began = ++clock;
  const numbers = await ask();
  asked++;
  seen += numbers.length;
  for (const number of numbers) {
    if ((acknowledged.get(number) ?? Infinity) < began) violations.push(`${how} sees ${number}`);
  }
}

async function withdraw(number: number, call: () => Promise<unknown>): Promise<void> {
  await call();
  if (!acknowledged.has(number)) acknowledged.set(number, ++clock);
}

const decision = (number: number) =>
  number % RESTRICTS === 0 ? ({ decision: 'restricted' } as const) : ({ purpose: PURPOSE, decision: 'withdrawn' } as const);

test(`${WITHDRAWALS} withdrawals beside imports, readings of tables and new rules: nobody is seen any more`, async () => {
  let over = false;
  const background: Record<string, number> = {};
  const beside = async (name: string, restMs: number, act: (turn: number) => Promise<void>): Promise<void> => {
    for (let turn = 1; !over; turn++) {
      await act(turn);
      background[name] = turn;
      await sleep(restMs);
    }
  };
  const [one, two, three] = [await world.project(), await world.project(), await world.project()];
  const analysts = [await world.analyst(), await world.analyst(), await world.analyst()];
  const view = `for_${PURPOSE}.customer`;
  const scan = async (index: number): Promise<readonly number[]> => {
    const { rows } = await analysts[index]!.query<{ it: number[] | null }>(`select array_agg(number) as it from ${view}`);
    const numbers = rows[0]!.it ?? [];
    // Whoever stays is never missing either: not while the rules change, nor while their older decisions come in.
    if (numbers.filter((number) => number > WITHDRAWALS).length !== STAY) violations.push('a scan misses some of those who stay');
    return numbers;
  };
  const some = (): number[] => [
    ...[...acknowledged.keys()].slice(-LOOK_UPS / 2),
    ...Array.from({ length: LOOK_UPS / 2 }, () => 1 + Math.floor(Math.random() * (WITHDRAWALS + STAY))),
  ];

  const others = [
    beside('scan', 0, () => look('a scan', () => scan(0))),
    beside('long transaction', 0, async () => {
      await analysts[1]!.query('begin isolation level read committed');
      for (let statement = 0; statement < 10 && !over; statement++) await look('a statement of a long transaction', () => scan(1));
      await analysts[1]!.query('commit');
    }),
    beside('look-up', 2, () =>
      look('a look-up', async () =>
        (
          await analysts[2]!.query<{ number: number }>({
            name: 'by number',
            text: `select number from ${view} where number = any ($1)`,
            values: [some()],
          })
        ).rows.map((row) => row.number),
      ),
    ),
    beside('function', 2, () =>
      look('the function', async () => {
        const numbers = some();
        const answers = await permissions(
          three,
          numbers.map((number) => ({ subject: 'customer', key: [number] })),
          { purpose: PURPOSE },
        );
        return numbers.filter((_, index) => answers[index]);
      }),
    ),
    beside('import', 200, async (turn) => {
      const file = join(world.folder, `import-${turn}.csv`);
      const said = new Date(Date.UTC(2025, 0, turn)).toISOString();
      const lines = Array.from({ length: 1_000 }, (_, index) => `${1 + ((index * 7 + turn * 991) % (WITHDRAWALS + STAY))},${said}`);
      writeFileSync(file, `key,captured_at\n${lines.join('\n')}\n`);
      const { rejected } = await importConsents(three, {
        input: createReadStream(file), format: 'csv', subject: 'customer', map: {}, constants: { purpose: PURPOSE, decision: 'granted' }, zone: 'UTC',
        actor: 'tester', dryRun: false,
      }); // prettier-ignore
      expect(rejected).toBe(0);
    }),
    beside('reading of a table', 1_000, async (turn) => {
      const [source] = namedSources(three.manifest);
      await world.query(`update choice set at = at + interval '1 second' where choice_id % 20 = $1`, [turn % 20]);
      await syncTable({
        ...source!, home: three.home, store: three.home, manifest: three.manifest, runId: `run-${turn}`, full: true, stop: () => over, beat: () => undefined,
      }); // prettier-ignore
    }),
    beside('rules', 1_500, (turn) => world.refreshRules(turn)),
    beside('seal', 200, async () => void (await sealConsents(three.home, { wait: false }))),
  ];

  const numbers = Array.from({ length: WITHDRAWALS }, (_, index) => index + 1).sort(() => Math.random() - 0.5);
  const recorder = consentRecorder(one, { actor: 'tester' });
  const other = consentRecorder(two, { actor: 'tester' });
  const doors: readonly ((number: number) => Promise<unknown>)[] = [
    (number) => recorder.record({ subject: 'customer', key: [number], ...decision(number) }),
    (number) => recordConsents(two, [{ subject: 'customer', key: [number], ...decision(number) }], { actor: 'tester' }),
    (number) => {
      const { decision: it, purpose = '*' } = decision(number) as { decision: string; purpose?: string };
      return world.query(
        `select * from probity.record_consents(array[row('customer', $1, $2, null, $3, null, 'test', null, null, null, null, 'tester', 'library', null)::probity.consent_entry])`,
        [String(number), purpose, it],
      );
    },
  ];
  const callers = [RECORDER_CALLERS, SINGLE_CALLERS, SQL_CALLERS].flatMap((count, door) =>
    Array.from({ length: count }, () => doors[door]!),
  );
  let next = 0;
  const began = performance.now();
  await Promise.all(
    callers.map(async (door) => {
      for (let mine = next++; mine < numbers.length; mine = next++) {
        const number = numbers[mine]!;
        await withdraw(number, () => door(number));
        if (number % REPEATS === 0) await other.record({ subject: 'customer', key: [number], ...decision(number) });
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  await Promise.all([recorder.close(), other.close()]);
  over = true;
  await Promise.all(others);
  console.log(
    `${Math.round(WITHDRAWALS / seconds)} withdrawals/s beside ${asked} statements that saw ${seen} rows: ${JSON.stringify(background)}`,
  );
  expect(violations.slice(0, 10)).toEqual([]);
  expect(seen).toBeGreaterThan(0);
  for (const name of ['scan', 'long transaction', 'look-up', 'function', 'import', 'reading of a table', 'rules', 'seal'])
    expect(background[name], name).toBeGreaterThan(0);
});

test('memberships ended in the transaction of the withdrawal, and only those that it ends', async () => {
  const rows = await world.query(`
    with first as (
      select distinct on (l.key) l.key, c.xmin as by, c.decision from probity.consent_content c join probity.consent_link l using (ref)
      where c.decision in ('withdrawn', 'restricted') order by l.key, c.record_id
    )
    select count(*) filter (where m.ended_at is null)::int as live, count(*) filter (where m.xmin is distinct from f.by)::int as elsewhere
    from first f join probity.membership m on m.key = f.key and m.purpose = '${PURPOSE}'`);
  expect(rows).toEqual([{ live: 0, elsewhere: 0 }]);
  const others = await world.query(`
    select count(*) filter (where key::int <= ${WITHDRAWALS} and key::int % ${RESTRICTS} = 0 and ended_at is null)::int as restricted,
      count(*) filter (where not (key::int <= ${WITHDRAWALS} and key::int % ${RESTRICTS} = 0) and ended_at is not null)::int as ended
    from probity.membership where purpose = 'service'`);
  expect(others).toEqual([{ restricted: 0, ended: 0 }]);
  expect(
    await world.query(`select count(*)::int as n from probity.membership where key::int > ${WITHDRAWALS} and ended_at is not null`),
  ).toEqual([{ n: 0 }]);
});

test('one open request for each person and purpose, with its repeats counted and an outbox row each', async () => {
  const rows = await world.query(`
    select count(*)::int as requests, count(distinct (ref, purpose, kind))::int as distinct, sum(repeats)::int as repeats,
      (select count(*)::int from probity.outbox) as outbox from probity.request`);
  const repeats = Math.floor(WITHDRAWALS / REPEATS);
  expect(rows).toEqual([{ requests: WITHDRAWALS, distinct: WITHDRAWALS, repeats, outbox: WITHDRAWALS }]);
});

test('the spans in force are those that the pure function and a derivation from nothing give', async () => {
  const project = await world.project();
  const keys = Array.from({ length: WITHDRAWALS + STAY }, (_, index) => index + 1);
  const answers = await permissions(
    project,
    keys.map((key) => ({ subject: 'customer', key: [key] })),
    { purpose: PURPOSE },
  );
  expect(keys.filter((key, index) => answers[index] !== key > WITHDRAWALS)).toEqual([]);

  const sample = keys.filter((key) => key % 53 === 0).map(String);
  const rows = await world.query<{ key: string; history: ConsentRecord[] }>(
    `select l.key, jsonb_agg(jsonb_build_object('id', c.record_id, 'source', 'self', 'purpose', c.purpose, 'channel', c.channel, 'decision', c.decision,
       'capturedAt', (extract(epoch from c.captured_at) * 1000000)::bigint, 'receivedAt', (extract(epoch from c.received_at) * 1000000)::bigint,
       'givenBy', c.given_by, 'basis', c.basis, 'expiresAt', (extract(epoch from c.expires_at) * 1000000)::bigint)) as history
     from probity.consent_content c join probity.consent_link l using (ref) where l.key = any ($1) group by l.key`,
    [sample],
  );
  const rules = permissionRules(project.manifest);
  const now = Date.now() * 1000;
  for (const { key, history } of rows) {
    const said = permission(
      rules,
      history.map((it) => ({ ...it, linkedAt: -Infinity })),
      { known: true, regime: null, birth: null, ends: {} },
      { purpose: PURPOSE, channel: null, at: now },
    );
    expect([key, said.allowed]).toEqual([key, Number(key) > WITHDRAWALS]);
  }

  const spans = `select md5(string_agg(s::text, ' ' order by s::text collate "C")) as it from probity.permission_span s`;
  const before = await world.query(spans);
  await world.query(`select probity.derive_spans(array(
    select row(l.subject, l.key, p.purpose)::probity.permission_target from probity.consent_link l cross join unnest(array['${PURPOSE}', 'service', '*']) p (purpose)))`);
  expect(await world.query(spans)).toEqual(before);
});

test('the chain fits, also when contents and people have been erased', async () => {
  const project = await world.project();
  const whole = await verifyConsents(project);
  expect(whole.fault).toBeNull();
  await world.query(`
    delete from probity.consent_content c using probity.consent_link l where l.ref = c.ref and l.key::int % 9 = 0;
    delete from probity.consent_link l where l.key::int % 18 = 0`);
  const pruned = await verifyConsents(project);
  expect(pruned.fault).toBeNull();
  expect(pruned.records).toBe(whole.records);
});
