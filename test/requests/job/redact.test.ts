import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Faults } from '../../../database/faults.ts';
import { placesOf } from '../../support/canaries.ts';
import { approvedErasure } from './support.ts';
import { jobWorld, type JobWorld, type Ran } from './world.ts';

const ABOUT = 'shop.public.memo.body';

let world: JobWorld;
let olga: string;
beforeAll(async () => {
  world = await jobWorld();
  const added = await world.probity(['actor', 'add', 'olga', '--role', 'officer', '--json'], { token: world.tokens.root });
  olga = (JSON.parse(added.out) as { token: string }).token;
});
afterAll(() => world.close());

/** Every table of the company's in both stores, row by row. */
async function everything(): Promise<Record<string, readonly string[]>> {
  const all: Record<string, readonly string[]> = {};
  for (const query of [world.shop, world.support]) {
    const tables = await query<{ name: string }>(
      `select relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
    );
    for (const { name } of tables)
      all[name] = (await query<{ row: string }>(`select t::text as row from "${name}" t order by 1`)).map(({ row }) => row);
  }
  return all;
}

/** Somebody who has left, of whom texts of others are still found when all else has been done. */
async function found(customer: number, texts: Readonly<Record<number, string>>): Promise<string> {
  for (const [id, text] of Object.entries(texts)) await world.shop(`insert into memo values ($1, $2)`, [id, text]);
  const id = await approvedErasure(world, customer);
  expect(await world.carryOut(id)).toMatchObject({ state: 'hits' });
  return id;
}
const look = (id: string, token = olga, page = '1'): Promise<Ran> =>
  world.probity(['request', 'found', id, '--rows', '--why', 'whose texts are these?', '--page', page], { token });
const hashIn = ({ out }: Ran): string => /--found ([0-9a-f]{12})/.exec(out)![1]!;
const redact = (id: string, hash: string, token = world.tokens.anna, about = ABOUT): Promise<Ran> =>
  world.probity(['request', 'redact', id, '--about', about, '--found', hash, '--reason', 'names_the_person'], { token });
const changed = (before: Record<string, readonly string[]>, after: Record<string, readonly string[]>): string[] =>
  Object.keys(after).flatMap((table) => after[table]!.filter((row) => !before[table]!.includes(row)).map((row) => `${table} ${row}`));

describe('what was found in texts of others', () => {
  test('is shown to an officer, and its passages alone are redacted, by a signed decision', async () => {
    const id = await found(6, {
      600: 'called person6@canary.example back, and wrote to person7@canary.example',
      601: 'PERSON6@canary.example is at +49 170 5550006; nobody else is',
      602: 'of nobody, 6 times',
    });
    expect(await look(id, world.tokens.anna)).toMatchObject({ code: 2, err: expect.stringContaining('needs the role officer') as string });
    const shown = await look(id);
    expect(shown.code).toBe(1);
    expect(shown.out).toContain('memo_id 600  (email)');
    expect(shown.out).toContain('called »person6@canary.example« back, and wrote to person7@canary.examp…');
    expect((await world.probity(['request', 'looks', id])).out).toContain('olga');
    expect(await redact(id, hashIn(shown), olga)).toMatchObject({ code: 2, err: expect.stringContaining('may not decide') as string });
    expect(await redact(id, '0'.repeat(12))).toMatchObject({ code: 2 });
    const before = await everything();
    expect(await redact(id, hashIn(shown))).toMatchObject({ code: 0 });
    expect(await everything()).toEqual(before);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    const after = await everything();
    expect(changed(before, after)).toEqual([
      'memo (600,"called [redacted] back, and wrote to person7@canary.example")',
      'memo (601,"[redacted] is at [redacted]; nobody else is")',
    ]);
    expect(Object.values(after).map((rows) => rows.length)).toEqual(Object.values(before).map((rows) => rows.length));
    const certificate = await world.probity(['request', 'certificate', id]);
    expect(certificate.out).toContain(`${ABOUT}: what was found of them was redacted in 2 rows, by signed decision`);
    const file = join(world.folder, `${id}.json`);
    writeFileSync(file, certificate.out);
    expect(await world.probity(['evidence', 'verify', file])).toMatchObject({ code: 0 });
    expect(certificate.out).not.toMatch(/person6|5550006/i);
    // Their own invoice stays under a floor until its day.
    expect(await placesOf(world.shop, ['person6@canary.example', '5550006'])).toEqual(['obligation_key.parts']);
  });

  test('stays under a hold, and goes when it is released', async () => {
    const id = await found(8, { 800: 'person8@canary.example waits', 801: 'tell person8@canary.example' });
    expect((await world.probity(['hold', 'add', '--table', 'shop.public.memo', '--all', '--reason', 'case 8', '--id', 'H-8'])).code).toBe(
      0,
    );
    const before = await everything();
    expect((await redact(id, hashIn(await look(id)))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'hits' });
    expect(await everything()).toEqual(before);
    expect((await world.probity(['hold', 'release', 'H-8', '--reason', 'over'])).code).toBe(0);
    expect((await world.probity(['request', 'found', id, '--again'])).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect(changed(before, await everything())).toEqual(['memo (800,"[redacted] waits")', 'memo (801,"tell [redacted]")']);
  });

  test('is looked at again when it has changed since it was shown', async () => {
    const id = await found(10, { 1000: 'person10@canary.example' });
    const hash = hashIn(await look(id));
    await world.shop(`update memo set body = body || ' and more' where memo_id = 1000`);
    expect(await redact(id, hash)).toMatchObject({ code: 2, err: expect.stringContaining('not what was shown') as string });
    expect((await redact(id, hashIn(await look(id)))).code).toBe(0);
    await world.shop(`update memo set body = body || '!' where memo_id = 1000`);
    const before = await everything();
    expect(await world.carryOut(id)).toMatchObject({ state: 'hits' });
    expect(await everything()).toEqual(before);
    expect((await redact(id, hashIn(await look(id)))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect(changed(before, await everything())).toEqual(['memo (1000,"[redacted] and more!")']);
  });

  test('is redacted once, wherever a worker fails around the step', async () => {
    const id = await found(12, { 1200: 'person12@canary.example, twice: person12@canary.example' });
    const before = await everything();
    expect((await redact(id, hashIn(await look(id)))).code).toBe(0);
    const failing = new Set(['before transaction', 'after change', 'before commit', 'after commit']);
    const faults: Faults = (point) => {
      if (failing.delete(point)) throw new Error('the worker is lost');
    };
    expect(await world.carryOut(id, faults)).toMatchObject({ state: 'closed' });
    expect([...failing]).toEqual([]);
    expect(changed(before, await everything())).toEqual(['memo (1200,"[redacted], twice: [redacted]")']);
    expect((await world.probity(['request', 'certificate', id])).out).toContain('redacted in 1 row,');
  });

  test('is not redacted where the law keeps the rows', async () => {
    await world.shop(`update invoice set address = 'c/o person14@canary.example' where invoice_id = 151`);
    const id = await found(14, {});
    const shown = await look(id);
    expect(shown.out).toContain('Not to be redacted: the law keeps its rows as they are (de-hgb-257)');
    const refused = await redact(id, '0'.repeat(12), world.tokens.anna, 'shop.public.invoice.address');
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('the law keeps its rows') as string });
  });
});
