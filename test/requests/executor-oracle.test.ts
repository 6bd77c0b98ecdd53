import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { FAULT_POINTS } from '../../database/faults.ts';
import { ERASURE_FAULT_POINTS, type ChunkFaults } from '../../database/requests/erasure/chunk.ts';
import { countErasure, verifyErasure } from '../../database/requests/erasure/count.ts';
import { removeKeys, writeKeys } from '../../database/requests/erasure/keys.ts';
import { openErasure } from '../../database/requests/erasure/target.ts';
import { possible, randomCase, refColumns, SUBJECT, type Case, type Row } from './executor/case.ts';
import { CHANGED, Naive } from './executor/naive.ts';
import { ddl, erasureOf, keyColumns, manifestOf } from './executor/schema.ts';
import { openWorld, Run, type World } from './executor/world.ts';

/** `PROBITY_ERASURE_CASES=2000` looks longer, `PROBITY_ERASURE_SEED=n` looks again. */
const CASES = Number(process.env['PROBITY_ERASURE_CASES'] ?? 100);
const SEED = Number(process.env['PROBITY_ERASURE_SEED'] ?? Date.now() % 2 ** 31);
const CASE_LIMIT_MS = 20_000;
/** What pins a row may go with another chunk: chunks are taken again until nothing changes. */
const MOST_ROUNDS = 5;

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

test(
  `over ${CASES} random schemas exactly the subjects' rows and columns go (PROBITY_ERASURE_SEED=${SEED})`,
  async () => {
    const seen: Record<string, number> = {};
    const property = fc.asyncProperty(fc.gen(), async (gen) => check(possible(randomCase(gen)), seen));
    await fc.assert(property, { seed: SEED, numRuns: CASES, endOnFailure: process.env['PROBITY_ERASURE_SHRINK'] === undefined });
    console.log(`erasure oracle: ${CASES} cases, PROBITY_ERASURE_SEED=${SEED}, rows ${JSON.stringify(seen)}`);
    // An oracle over cases in which something never happens says nothing about it.
    if (CASES >= 100)
      for (const outcome of ['erased', 'masked', 'detached', 'kept', 'held', 'pinned', 'shared'])
        expect(seen[outcome], outcome).toBeGreaterThan(CASES / 4);
  },
  CASES * CASE_LIMIT_MS,
);

let runs = 0;

async function check(given: Case, seen: Record<string, number>): Promise<void> {
  const runId = `run-${++runs}`;
  await world.query('truncate probity.hold, probity.hold_name, probity.lease');
  await world.query(ddl(given));
  const people = given.data[SUBJECT]!;
  const catalog = await readCatalog(world.store);
  const manifest = manifestOf(given, world.base);
  const classes = [given, ...(given.other === null ? [] : [{ ...given, tables: given.other }])];
  const targets = await Promise.all(classes.map((it) => openErasure(world.store, manifest, erasureOf(it, catalog, manifest))));
  for (const [index, hold] of given.holds.entries()) {
    const person = hold.kind === 'subject' ? people[hold.person] : undefined;
    if (hold.kind === 'table')
      await world.hold(`H-${runs}-${index}`, {
        kind: 'table',
        table: `public.${hold.table}`,
        conditions: [{ column: 'grp', operator: '=', value: String(hold.group) }],
      });
    else if (person !== undefined) await world.hold(`H-${runs}-${index}`, { kind: 'subject', subject: SUBJECT, key: keyOf(given, person) });
  }
  const chunks = given.chunks.map((it) => ({
    chunk: it.chunk,
    class: it.chunk % classes.length,
    people: it.people.flatMap((person): Row[] => (people[person] === undefined ? [] : [people[person]])),
  }));
  await writeKeys(
    world.store,
    runId,
    SUBJECT,
    chunks.flatMap((it) => it.people.flatMap((person) => keysOf(given, person, it))),
  );
  const run = await new Run(targets, runId).open();
  const naive = new Naive(given);
  const naives = classes.map((it) => new Naive(it, naive.data));
  const points = [...FAULT_POINTS.slice(0, 4), ...ERASURE_FAULT_POINTS];
  for (let round = 0, left = true; left && round < MOST_ROUNDS; round++) {
    left = false;
    for (const { chunk, class: of, people: chunked } of chunks) {
      const target = targets[of]!;
      const everybody = chunks.filter((it) => it.class === of).flatMap((it) => it.people);
      const expected = naives[of]!.erase(chunked, everybody);
      const dry = await countErasure(target, { runId, chunk, class: of });
      expect(byOutcome(dry.counts), 'dry run').toEqual(expected);
      const point = points[given.fault.point]!;
      if (run.seq === given.fault.step) await expect(run.take(chunk, stopAt(point), false, of), point).rejects.toThrow('stopped');
      const step = await run.take(chunk, undefined, false, of);
      expect(step.repeated).toBe(run.seq - 1 === given.fault.step && point === 'after commit');
      expect(step.body.counts, 'counts').toEqual(dry.counts);
      expect(await contents(given), `contents after chunk ${chunk}`).toEqual(expectedContents(given, naive));
      expect(await run.take(chunk, undefined, true, of)).toMatchObject({ repeated: true, head: step.head });
      const after = await verifyErasure(target, { runId, chunk, class: of });
      expect(after.remaining).toBe(0);
      for (const [key, rows] of Object.entries(step.body.counts)) {
        const what = key.startsWith('kept:shared') ? 'shared' : key.split(':')[0]!;
        seen[what] = (seen[what] ?? 0) + rows;
      }
      left ||= Object.keys(expected).some((key) => /^(erased|masked|detached):/.test(key));
    }
  }
  const before = await world.query(`select * from ${SUBJECT} order by a`);
  for (const { chunk, class: of } of chunks) {
    const { body } = await run.take(chunk, undefined, false, of);
    expect(Object.keys(body.counts).filter((key) => /^(erased|masked|detached):/.test(key))).toEqual([]);
  }
  expect(await world.query(`select * from ${SUBJECT} order by a`)).toEqual(before);
  expect(await removeKeys(world.store, runId)).toBe(
    chunks.flatMap((it) => it.people.flatMap((person) => keysOf(given, person, it))).length,
  );
}

function stopAt(point: string): ChunkFaults {
  const stop = (at: string): void => {
    if (at === point) throw new Error('stopped');
  };
  return { step: stop, inside: stop };
}

function keyOf(given: Case, person: Row): string[] {
  return keyColumns(given.tables[0]!).map((column) => `${person[column] as number}`);
}

function keysOf(
  given: Case,
  person: Row,
  { chunk, class: of }: { readonly chunk: number; readonly class: number },
): Parameters<typeof writeKeys>[3] {
  const common = { chunk, person: Number(person['a']), class: of };
  const mail = person['mail'];
  return [
    { ...common, identity: 'key', parts: keyOf(given, person) },
    ...(typeof mail === 'string' ? [{ ...common, identity: 'email', parts: [mail] }] : []),
  ];
}

/** Which hold it was is of no interest here. */
function byOutcome(counts: Readonly<Record<string, number>>): Record<string, number> {
  const merged: Record<string, number> = {};
  for (const [key, rows] of Object.entries(counts)) {
    const name = key.replace(/^held:[^:]+:/, 'held:');
    merged[name] = (merged[name] ?? 0) + rows;
  }
  return merged;
}

function columnsOf(given: Case, name: string): string[] {
  const table = given.tables.find((one) => one.name === name)!;
  return [
    'a',
    'grp',
    'note',
    'code',
    'score',
    'doc',
    ...(table.mail || name === SUBJECT ? ['mail'] : []),
    ...(table.who ? ['who'] : []),
    ...table.refs.flatMap((ref) => refColumns(ref, given.tables)),
  ];
}

async function contents(given: Case): Promise<Record<string, Row[]>> {
  const found: Record<string, Row[]> = {};
  for (const { name } of given.tables) {
    const rows = await world.query<Row>(`select ${columnsOf(given, name).join(', ')} from ${name} order by a`);
    found[name] = rows.map((row) => ({ ...row, code: (row['code'] as string).startsWith('code-') ? row['code']! : CHANGED }));
  }
  return found;
}

function expectedContents(given: Case, naive: Naive): Record<string, Row[]> {
  const tables = given.tables.map(({ name }) => {
    const rows = naive.data[name]!.map((row) => Object.fromEntries(columnsOf(given, name).map((column) => [column, row[column] ?? null])));
    return [name, rows] as const;
  });
  return Object.fromEntries(tables);
}
