import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifyConsents } from '../../client/consent/evidence.ts';
import { createWorld, probity, sinkLines, type World } from '../serving/support.ts';
import { temporaryFolder } from '../support/folders.ts';

const PROCESS = fileURLToPath(new URL('kill-process.ts', import.meta.url));
const PEOPLE = Array.from({ length: 12 }, (_, index) => index + 1);

let world: World;
beforeEach(async () => {
  world = await createWorld({ sink: true });
});
afterEach(() => world.close());

interface Ended {
  readonly signal: NodeJS.Signals | null;
  /** Keys that were acknowledged; those that were said to be durable. */
  readonly acknowledged: readonly number[];
  readonly durable: readonly number[];
  readonly done: boolean;
}

async function run(what: 'record' | 'import' | 'seal', input: string, kill = ''): Promise<Ended> {
  const child = spawn(process.execPath, [PROCESS, what, input, kill], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...world.env, PROBITY_MANIFEST: world.file },
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  await once(child, 'close');
  if (child.signalCode === null && child.exitCode !== 0) throw new Error(err);
  const said = out.split('\n').flatMap((line) => (/^\d/.test(line) ? [line.split(' ') as [string, string]] : []));
  return {
    signal: child.signalCode,
    acknowledged: said.map(([key]) => Number(key)),
    durable: said.flatMap(([key, durable]) => (durable === 'true' ? [Number(key)] : [])),
    done: out.endsWith('done\n'),
  };
}

/** What there is of each person's withdrawal: all or nothing. */
async function traces(): Promise<Record<string, { key: number; whole: boolean; none: boolean }>> {
  const rows = await world.home<{ key: number; parts: boolean[] }>(`
    select m.key::int as key, array[
      exists (select from probity.consent_content c join probity.consent_link l using (ref) where l.key = m.key and c.decision = 'withdrawn'),
      (select count(*) from probity.consent_record r join probity.consent_link l using (ref) where l.key = m.key) = 2,
      not probity.permission('customer', m.key, 'newsletter'),
      m.ended_at is not null,
      exists (select from probity.request q join probity.consent_link l using (ref) where l.key = m.key and q.purpose = 'newsletter'),
      exists (select from probity.outbox o join probity.request q using (request_id) join probity.consent_link l using (ref) where l.key = m.key),
      exists (select from probity.replica_change c where c.key = m.key)
    ] as parts from probity.membership m`);
  return Object.fromEntries(rows.map(({ key, parts }) => [key, { key, whole: parts.every((it) => it), none: parts.every((it) => !it) }]));
}

async function agree(): Promise<void> {
  for (const key of PEOPLE) await world.record(key, 'granted');
  await world.home(`delete from probity.replica_change; delete from probity.sink_queue`);
  await world.home(
    `insert into probity.membership (segment, purpose, subject, key) select 's', 'newsletter', 'customer', unnest($1::text[])`,
    [PEOPLE],
  );
}

/** The first two come alone, the others together. */
describe('a process that records, killed', () => {
  test.each([
    ['before record_consents 2', 1],
    ['after record_consents 3', 2],
    ['before commit 3', null],
    ['after commit 1', null],
    ['after commit 3', null],
    ['after probity.sink_queue 1', null],
  ] as const)('"%s" leaves each withdrawal whole or not begun, and doubles none when it says it again', async (kill, most) => {
    await agree();
    const killed = await run('record', PEOPLE.join(','), kill);
    expect(killed.signal).toBe('SIGKILL');
    if (most !== null) expect(killed.acknowledged.length).toBeLessThanOrEqual(most);
    const found = await traces();
    for (const key of PEOPLE) expect([key, found[key]!.whole || found[key]!.none], JSON.stringify(found[key])).toEqual([key, true]);
    for (const key of killed.acknowledged) expect([key, found[key]!.whole]).toEqual([key, true]);
    // What was said to be durable is in the file, whatever becomes of the database.
    expect(sinkEntries().length).toBeGreaterThanOrEqual(killed.durable.length);

    expect(await run('record', PEOPLE.join(','))).toMatchObject({
      signal: null,
      done: true,
      acknowledged: expect.arrayContaining(PEOPLE) as number[],
    });
    const after = await traces();
    expect(PEOPLE.filter((key) => !after[key]!.whole)).toEqual([]);
    expect(
      await world.home(`select (select count(*)::int from probity.consent_content where decision = 'withdrawn') as records, (select count(*)::int from probity.request) as requests,
        (select sum(repeats)::int from probity.request) as repeats, (select count(*)::int from probity.outbox) as outbox, (select count(*)::int from probity.sink_queue) as queue`),
    ).toEqual([{ records: PEOPLE.length, requests: PEOPLE.length, repeats: 0, outbox: PEOPLE.length, queue: 0 }]);
    expect(new Set(sinkEntries()).size).toBe(PEOPLE.length);
    await chainFits();
  });
});

describe('an import, killed', () => {
  const LINES = 4_500;
  test.each(['before copy 2', 'before commit 2', 'after commit 1'])('"%s" is simply repeated', async (kill) => {
    const file = join(temporaryFolder('import'), 'consents.csv');
    const decision = (key: number): string => (key % 10 === 0 ? 'withdrawn' : 'granted');
    writeFileSync(
      file,
      `key,decision,captured_at\n${Array.from({ length: LINES }, (_, index) => `${index + 1},${decision(index + 1)},2026-01-01T00:00:00Z`).join('\n')}\n`,
    );
    expect((await run('import', file, kill)).signal).toBe('SIGKILL');
    // Batches are whole: nobody has a record without a content, a state or a request.
    expect(
      await world.home(`select (select count(*) from probity.consent_record) = (select count(*) from probity.consent_content) as contents,
          (select count(*) from probity.consent_content where decision = 'granted') = (select count(distinct key) from probity.permission_span where allows) as spans,
          (select count(*) from probity.consent_content where decision = 'withdrawn') = (select count(*) from probity.request) as requests`),
    ).toEqual([{ contents: true, spans: true, requests: true }]);
    expect(await run('import', file)).toMatchObject({ signal: null, done: true });
    expect(
      await world.home(`select (select count(*)::int from probity.consent_content) as records, (select count(*)::int from probity.request) as requests,
          (select coalesce(sum(repeats), 0)::int from probity.request) as repeats, (select count(*)::int from probity.outbox) as outbox`),
    ).toEqual([{ records: LINES, requests: LINES / 10, repeats: 0, outbox: LINES / 10 }]);
    await chainFits();
  });
});

describe('a sealer, killed', () => {
  test.each(['before update 1', 'after commit 1'])('"%s" leaves a chain that fits', async (kill) => {
    await agree();
    expect((await run('seal', '', kill)).signal).toBe('SIGKILL');
    await chainFits();
    expect(await world.home('select count(*)::int as open from probity.consent_record where seal_id is null')).toEqual([{ open: 0 }]);
  });
});

async function chainFits(): Promise<void> {
  const project = await world.project();
  try {
    expect((await verifyConsents(project)).fault).toBeNull();
  } finally {
    await project.close();
  }
  expect((await probity(world, ['consent', 'verify'])).code).toBe(0);
}

function sinkEntries(): string[] {
  try {
    return sinkLines(world).flatMap((line) => /"entry":"([^"]+)"/.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}
