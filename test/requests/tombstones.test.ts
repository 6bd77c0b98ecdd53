import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSink } from '../../database/serving/sink.ts';
import { erasedAmong, pruneTombstones, spreadTombstones } from '../../database/requests/tombstones.ts';
import type { Project } from '../../client/project.ts';
import { erasedBefore } from '../../client/tombstones.ts';
import { temporaryFolder } from '../support/folders.ts';
import { entry, probity, type World } from '../serving/support.ts';
import { recordEntries } from '../../database/permission/record.ts';
import { phoneForm } from '../../domain/requests/phones.ts';
import { erase, erasingWorld, leftOf, others } from './tombstones-support.ts';

let world: World;
let project: Project;
const BEFORE = '2020-01-01T00:00:00Z';
const LATER = '2100-01-01T00:00:00Z';

beforeAll(async () => {
  world = await erasingWorld({ sink: true });
  project = await world.project();
});
afterAll(async () => {
  await project.close();
  await world.close();
});

const ask = async (
  where: 'home' | 'other',
  identity: string,
  value: string,
  at: string | null,
  purposes: readonly string[] = [],
): Promise<boolean> => {
  const rows = await world[where]<{ erased: boolean }>('select probity.is_erased($1, $2, $3, $4, $5) as erased', [
    'customer',
    identity,
    value,
    at,
    purposes,
  ]);
  return rows[0]!.erased;
};

describe('a tombstone', () => {
  test('keeps older rows of whoever was erased from coming back, in every store, and nobody else’s', async () => {
    const untouched = await others(world, [1]);
    await erase(world, project, [1]);
    expect(await leftOf(world, 1)).toEqual([]);
    expect(await others(world, [1])).toBe(untouched);
    for (const where of ['home', 'other'] as const) {
      expect(await ask(where, 'email', 'PERSON1@canary.example', BEFORE)).toBe(true);
      expect(await ask(where, 'email', ' person1@canary.example ', null)).toBe(true);
      expect(await ask(where, 'key', '1', BEFORE)).toBe(true);
      expect(await ask(where, 'email', 'person1@canary.example', LATER)).toBe(false);
      expect(await ask(where, 'email', 'person11@canary.example', BEFORE)).toBe(false);
      expect(await ask(where, 'key', '11', BEFORE)).toBe(false);
      expect(await ask(where, 'email', '', BEFORE)).toBe(false);
    }
    const { rows } = await project.home.pool.query<{ email: string }>(
      `insert into customer (customer_id, email)
       select s.id, s.email from (values (101, 'person1@canary.example', timestamptz '2020-01-01'), (102, 'new@canary.example', '2020-01-01'),
         (103, 'person1@canary.example', '2100-01-01')) s (id, email, at)
       where not probity.is_erased('customer', 'email', s.email, s.at) returning customer_id`,
    );
    expect(rows).toEqual([{ customer_id: 102 }, { customer_id: 103 }]);
    await world.home('delete from customer where customer_id > 100');
  });

  test('lets in what a purpose needs that goes on', async () => {
    await erase(world, project, [2], {
      scope: { ended: null, remaining: [{ purpose: 'service', basis: 'contract', article: 'Art. 6(1)(b)' }] },
    });
    expect(await ask('other', 'key', '2', BEFORE)).toBe(true);
    expect(await ask('other', 'key', '2', BEFORE, ['newsletter'])).toBe(true);
    expect(await ask('other', 'key', '2', BEFORE, ['newsletter', 'service'])).toBe(false);
    await erase(world, project, [3], { scope: { ended: ['newsletter'], remaining: [] } });
    expect(await ask('other', 'key', '3', BEFORE, ['newsletter'])).toBe(true);
    expect(await ask('other', 'key', '3', BEFORE, ['newsletter', 'service'])).toBe(false);
    expect(await ask('other', 'key', '3', BEFORE)).toBe(false);
  });

  test('belongs to an erasure, never to a withdrawal', async () => {
    await erase(world, project, [4], { kind: 'withdrawal' });
    expect(await ask('home', 'key', '4', BEFORE)).toBe(false);
  });

  test('leaves out an address that somebody else still has', async () => {
    await world.home(`update customer set email = 'PERSON5@canary.example' where customer_id = 6`);
    await erase(world, project, [5]);
    expect(await ask('home', 'key', '5', BEFORE)).toBe(true);
    expect(await ask('home', 'email', 'person5@canary.example', BEFORE)).toBe(false);
  });

  test('is lifted by a consent that follows, of the person or of their address', async () => {
    await erase(world, project, [7, 8, 9, 10]);
    await world.record(11, 'granted');
    await world.record(7, 'withdrawn');
    const old = { ...entry(7, 'granted', 'newsletter'), captured_at: '2020-01-01T00:00:00Z' };
    await recordEntries(project.home, [old]);
    expect(await ask('home', 'key', '7', BEFORE)).toBe(true);
    await world.record(7, 'granted');
    const hash = createHash('sha256').update('person8@canary.example').digest('hex');
    await recordEntries(project.home, [{ ...entry(8, 'granted', 'newsletter'), subject: 'email', key: hash }]);
    expect([await ask('home', 'key', '7', BEFORE), await ask('home', 'email', 'person8@canary.example', BEFORE)]).toEqual([false, false]);
    expect(await ask('home', 'key', '9', BEFORE)).toBe(true);
    // Until it is told.
    expect(await ask('other', 'key', '7', BEFORE)).toBe(true);
    expect(await spreadTombstones(project.home, project.stores.get('support')!)).toBe(2);
    expect(await ask('other', 'key', '7', BEFORE)).toBe(false);
    expect(await world.home(`select distinct lifted_by, lift_reason from probity.tombstone where lifted_at is not null`)).toEqual([
      { lifted_by: 'consent', lift_reason: 'granted again' },
    ]);
  });

  test('is told of a file: which lines must not come in', async () => {
    const folder = temporaryFolder('tombstones');
    const file = join(folder, 'customers.csv');
    const kept = join(folder, 'kept.csv');
    writeFileSync(
      file,
      'name,mail,since\n"A, B",PERSON1@canary.example,2020-01-01\nC,person1@canary.example,2100-01-01\nD,person12@canary.example,2020-01-01\nE,person9@canary.example,\nF,x@canary.example,never\n',
    );
    const checked = await probity(world, [
      'tombstones',
      'check',
      '--by',
      'email',
      '--column',
      'mail',
      '--at',
      'since',
      '--from',
      file,
      '--kept',
      kept,
    ]);
    expect(checked).toEqual({
      code: 1,
      out: '2\n5\n6',
      err: '2 of 5 lines are older than the erasure of whom they are about; 1 cannot be read',
    });
    expect(readFileSync(kept, 'utf8')).toBe('name,mail,since\nC,person1@canary.example,2100-01-01\nD,person12@canary.example,2020-01-01\n');
    expect((await probity(world, ['tombstones', 'check', '--by', 'fax', '--from', file])).err).toContain('customer has no identity fax');
    const asked = ['1', '12'].map((value) => ({ subject: 'customer', identity: 'key', value }));
    expect(await erasedBefore(project, [...asked, { ...asked[0]!, recordedAt: new Date(LATER) }])).toEqual([true, false, false]);

    const who = join(folder, 'who.txt');
    writeFileSync(who, 'Person9@canary.example\n');
    const lift = ['tombstones', 'lift', '--by', 'email', '--from', who, '--reason', 'contract 4711', '--actor', 'anna'];
    expect(await probity(world, lift)).toMatchObject({ code: 0, err: '' });
    expect((await probity(world, lift)).code).toBe(2);
    expect([await ask('home', 'key', '9', BEFORE), await ask('other', 'key', '9', BEFORE)]).toEqual([false, false]);
    expect(await world.home(`select lifted_by, lift_reason from probity.tombstone where lifted_by = 'anna'`)).toEqual([
      { lifted_by: 'anna', lift_reason: 'contract 4711' },
    ]);
    expect((await probity(world, ['tombstones', 'status'])).out).toMatch(/shop +5 +3/);
  });

  test('says nothing of anybody: neither its tables nor the sink', async () => {
    expect((await probity(world, ['serving', 'drain'])).code).toBe(0);
    for (const where of ['home', 'other'] as const) {
      const rows = await world[where](
        `select t::text as t from probity.tombstone t union all select h::text from probity.tombstone_hash h`,
      );
      expect(rows.length).toBeGreaterThan(10);
      expect(JSON.stringify(rows)).not.toMatch(/canary/i);
      const { rows: plain } = await project.home.pool.query(
        `select 1 from probity.tombstone_hash where hash = any (array[sha256('1'), sha256('person1@canary.example'), sha256('customer\x1femail\x1fperson1@canary.example'::bytea)])`,
      );
      expect(plain).toEqual([]);
    }
    expect(readFileSync(world.sink, 'utf8')).not.toMatch(/canary/i);
    const kinds = new Map<string, number>();
    for await (const line of openSink(world.manifest.sink!, world.env).read()) {
      if (line.kind !== 'entry') throw new Error(line.kind);
      kinds.set(line.entry.kind, (kinds.get(line.entry.kind) ?? 0) + 1);
      if (line.entry.kind.includes('eras')) expect(JSON.stringify(line.entry)).not.toMatch(/canary/i);
    }
    // Each once, although everybody was buried twice; the lifts too.
    expect([kinds.get('erasure'), kinds.get('erasure_lifted')]).toEqual([8, 3]);
  });

  test('compares telephone numbers as the scan does', async () => {
    for (const written of [
      '+49 (0)170 123 45 67',
      '0049 170-1234567',
      '0170/1234567',
      '(+44) 20 7946 0958',
      '12345',
      '030 1234',
      '١٢٣٤٥٦٧',
    ])
      expect((await world.home(`select probity.tombstone_form('mobilePhone', $1) as it`, [written]))[0]).toEqual({
        it: phoneForm(written) ?? written,
      });
    for (const written of [' A@b.example ', 'a@b.example\t', '\r\nA@B.example\n'])
      for (const identity of ['email', 'login'])
        expect(await world.home('select probity.tombstone_form($1, $2) as it', [identity, written])).toEqual([{ it: 'a@b.example' }]);
  });

  test('may be asked by whoever is granted it, who sees nothing else', async () => {
    await world.home(`do $$ begin create role tombstone_importer; exception when duplicate_object then null; end $$`);
    const as = async (text: string): Promise<string> =>
      project.home.pool.query(`begin; set local role tombstone_importer; ${text}; commit`).then(
        () => 'allowed',
        (error: { code: string }) => error.code,
      );
    const question = `select probity.is_erased('customer', 'key', '1', '2020-01-01')`;
    await world.home('grant usage on schema probity to tombstone_importer');
    expect(await as(question)).toBe('42501');
    await world.home('grant execute on function probity.is_erased to tombstone_importer');
    expect(await as(question)).toBe('allowed');
    for (const table of ['tombstone', 'tombstone_hash', 'tombstone_key']) expect(await as(`select from probity.${table}`)).toBe('42501');
    await world.home(
      'revoke all on function probity.is_erased from tombstone_importer; revoke usage on schema probity from tombstone_importer; drop role tombstone_importer',
    );
  });

  test('is asked for many rows at once, and ends', async () => {
    const rows = Array.from({ length: 2_000 }, (_, n) => ({ value: `person${n}@canary.example`, recordedAt: new Date(BEFORE) }));
    const kind = { subject: 'customer', identity: 'email', purposes: [] };
    const among = async (): Promise<number[]> => (await erasedAmong(project.home, kind, rows)).flatMap((it, n) => (it ? [n] : []));
    expect(await among()).toEqual([1, 2, 10]);
    expect(await pruneTombstones(project.home, new Date(), 100)).toBe(0);
    const end = new Date(Date.now() + 3 * 365 * 86_400_000);
    expect(await pruneTombstones(project.home, end, 3)).toBe(3);
    expect(await pruneTombstones(project.home, end, 100)).toBe(5);
    expect(await among()).toEqual([]);
    expect(await world.home('select from probity.tombstone_hash')).toEqual([]);
  });
});
