import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { recordConsents } from '../../client/consent/record.ts';
import { verifyConsents } from '../../client/consent/evidence.ts';
import { sealConsents } from '../../database/permission/seal.ts';
import { consentShop, containing, matching, type ConsentShop } from './support.ts';

let shop: ConsentShop;
/** Numbers of the records: three in seal 1, three in seal 2. */
let first: number[];
let second: number[];

beforeAll(async () => {
  shop = await consentShop();
  // Everything that JSON must escape stands in what is committed to.
  const odd = 'quote " backslash \\ tab \t line \n bell \u0007 umlaut ä \u2028 🙂 </script>';
  const say = async (keys: readonly number[]): Promise<number[]> => {
    const recorded = await recordConsents(
      shop.project,
      keys.map((key) => ({
        subject: 'customer',
        key: [key],
        purpose: 'newsletter',
        channel: 'email',
        decision: 'granted',
        notice: odd,
        language: 'de',
        proof: '–',
      })),
      { actor: odd, door: 'library' },
    );
    await sealConsents(shop.project.home);
    return recorded.map((it) => it.recordId!);
  };
  first = await say([100, 101, 102]);
  second = await say([103, 104, 105]);
});
afterAll(() => shop.close());

const verify = (...args: string[]) => shop.probity(['consent', 'verify', ...args]);
/** As somebody who owns the database and wants to hide what they do. */
const tamper = async (...statements: string[]): Promise<void> => {
  await shop.query(`begin; set local session_replication_role = replica; ${statements.join('; ')}; commit`);
};

describe('records', () => {
  test.each([
    ['update probity.consent_record set commitment = commitment'],
    ['update probity.consent_record set received_at = now() where seal_id is not null'],
    ['update probity.consent_record set seal_id = null'],
    ['delete from probity.consent_record'],
    ['truncate probity.consent_record cascade'],
    ['update probity.consent_content set decision = decision'],
    [`update probity.consent_content set actor = 'x'`],
    ['truncate probity.consent_content'],
    ['update probity.consent_seal set count = count'],
    ['delete from probity.consent_seal'],
    ['truncate probity.consent_seal cascade'],
  ])('their owner cannot: %s', async (statement) => {
    await expect(shop.query(statement)).rejects.toMatchObject({ code: 'PB011' });
  });

  test('fit, and stand in seals that no insert waits for', async () => {
    expect(await verify()).toMatchObject({
      code: 0,
      out: matching(/✓ 6 records in 2 seals, none altered, missing or moved\n {2}head [0-9a-f]{64}/),
    });
    const pool = shop.project.home.pool;
    const slow = await pool.connect();
    try {
      // A recorder that has not committed yet: sealers neither wait for it nor forget it.
      await slow.query('begin');
      await slow.query(
        `select * from probity.record_consents(array[row('customer', '106', 'offers', null, 'asked', null, null, null, null, null, null, 'slow', 'library', null)::probity.consent_entry])`,
      );
      await recordConsents(shop.project, [{ subject: 'customer', key: [107], purpose: 'offers', decision: 'asked' }], { actor: 'fast' });
      expect(await sealConsents(shop.project.home)).toEqual({ seals: 1, records: 1 });
      await slow.query('commit');
    } finally {
      slow.release();
    }
    expect(await sealConsents(shop.project.home)).toEqual({ seals: 1, records: 1 });
    expect(await verifyConsents(shop.project)).toMatchObject({ fault: null, seals: 4, records: 8, unsealed: 0 });
  });

  test('are sealed once each, by however many sealers', async () => {
    const recorder = Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        await sleep(index * 5);
        await recordConsents(shop.project, [{ subject: 'customer', key: [200 + index], purpose: 'offers', decision: 'asked' }], {
          actor: 'x',
        });
      }),
    );
    const sealers = Array.from({ length: 40 }, async (_, index) => {
      await sleep(index * 5);
      return sealConsents(shop.project.home, { wait: index % 2 === 0 });
    });
    const sealed = await Promise.all(sealers);
    await recorder;
    const last = await sealConsents(shop.project.home);
    expect([...sealed, last].reduce((sum, it) => sum + it.records, 0)).toBe(30);
    expect(await verifyConsents(shop.project)).toMatchObject({ fault: null, unsealed: 0 });
  });
});

describe('tampering', () => {
  let saved: string;
  beforeEach(async () => {
    saved = JSON.stringify(await shop.query('select * from probity.consent_seal order by seal_id'));
    expect((await verify()).code).toBe(0);
  });

  interface Attack {
    readonly name: string;
    readonly harm: () => string[];
    readonly heal: () => string[];
    readonly says: () => RegExp;
  }
  const copy = (table: string): string => `create table public.saved as table probity.${table}`;
  const back = (table: string): string[] => [
    `delete from probity.${table}`,
    `insert into probity.${table} table public.saved`,
    'drop table public.saved',
  ];

  const attacks: Attack[] = [
    {
      name: 'a content says something else',
      harm: () => [copy('consent_content'), `update probity.consent_content set decision = 'refused' where record_id = ${second[1]}`],
      heal: () => back('consent_content'),
      says: () => new RegExp(`✗ the content of record ${second[1]} of seal 2 was altered`),
    },
    {
      name: 'a content was given to somebody else',
      harm: () => [
        copy('consent_content'),
        `update probity.consent_content set ref = (select ref from probity.consent_record where record_id = ${first[0]}) where record_id = ${second[0]}`,
      ],
      heal: () => back('consent_content'),
      says: () => new RegExp(`✗ the content of record ${second[0]} of seal 2 was altered`),
    },
    {
      name: 'what orders a record was moved',
      harm: () => [copy('consent_content'), `update probity.consent_content set at = at - interval '1 hour' where record_id = ${first[1]}`],
      heal: () => back('consent_content'),
      says: () => new RegExp(`✗ the content of record ${first[1]} of seal 1 was altered`),
    },
    {
      name: 'two contents were exchanged',
      harm: () => [
        copy('consent_content'),
        `update probity.consent_content set record_id = -record_id where record_id in (${first[0]}, ${first[2]})`,
        `update probity.consent_content set record_id = ${first[0]! + first[2]!} + record_id where record_id < 0`,
      ],
      heal: () => back('consent_content'),
      says: () => new RegExp(`✗ the content of record ${first[0]} of seal 1 was altered`),
    },
    {
      name: 'content and commitment fit each other, but not the seal',
      harm: () => [
        copy('consent_record'),
        `update probity.consent_record set commitment = sha256('x') where record_id = ${second[2]}`,
        'create table public.contents as table probity.consent_content',
        `delete from probity.consent_content where record_id = ${second[2]}`,
      ],
      heal: () => [
        ...back('consent_record'),
        `insert into probity.consent_content select * from public.contents where record_id = ${second[2]}`,
        'drop table public.contents',
      ],
      says: () => new RegExp(`✗ record ${second[2]} of seal 2 was altered`),
    },
    {
      name: 'a record came later than it says',
      harm: () => [
        copy('consent_record'),
        `update probity.consent_record set received_at = received_at - interval '1 microsecond' where record_id = ${first[2]}`,
      ],
      heal: () => back('consent_record'),
      says: () => new RegExp(`✗ record ${first[2]} of seal 1 was altered`),
    },
    {
      name: 'a record was taken out',
      harm: () => [copy('consent_record'), `delete from probity.consent_record where record_id = ${first[1]}`],
      heal: () => back('consent_record'),
      says: () => new RegExp(`✗ record ${first[1]} of seal 1 is missing`),
    },
    {
      name: 'the last record of a seal was taken out',
      harm: () => [copy('consent_record'), `delete from probity.consent_record where record_id = ${first[2]}`],
      heal: () => back('consent_record'),
      says: () => new RegExp(`✗ record ${first[2]} of seal 1 is missing`),
    },
    {
      name: 'a record was put into a seal',
      harm: () => [
        copy('consent_record'),
        `insert into probity.consent_record values (${first[2]! + 1_000_000}, gen_random_uuid(), now(), sha256('y'), 1)`,
      ],
      heal: () => back('consent_record'),
      says: () => new RegExp(`✗ record ${first[2]! + 1_000_000} of seal 1 was not there when it was sealed`),
    },
    {
      name: 'a record was moved to another seal',
      harm: () => [copy('consent_record'), `update probity.consent_record set seal_id = 2 where record_id = ${first[0]}`],
      heal: () => back('consent_record'),
      says: () => new RegExp(`✗ record ${first[0]} of seal 1 is not where it was written`),
    },
    {
      name: 'a seal has another root',
      harm: () => [copy('consent_seal'), `update probity.consent_seal set root = sha256('z') where seal_id = 2`],
      heal: () => back('consent_seal'),
      says: () => /✗ seal 2 was altered/,
    },
    {
      name: 'a seal is backdated',
      harm: () => [copy('consent_seal'), `update probity.consent_seal set sealed_at = sealed_at - interval '1 day' where seal_id = 1`],
      heal: () => back('consent_seal'),
      says: () => /✗ seal 1 was altered/,
    },
    {
      name: 'a seal in the middle was taken out',
      harm: () => [copy('consent_seal'), 'delete from probity.consent_seal where seal_id = 2'],
      heal: () => back('consent_seal'),
      says: () => /✗ seal 2 is missing/,
    },
    {
      name: 'a seal has forgotten a record, and so has its index',
      harm: () => [copy('consent_seal'), `update probity.consent_seal set count = 2, leaves = substr(leaves, 1, 20) where seal_id = 1`],
      heal: () => back('consent_seal'),
      says: () => /✗ seal 1 was altered/,
    },
  ];

  test.each(attacks)('$name', async ({ harm, heal, says }) => {
    await tamper(...harm());
    const found = await verify();
    await tamper(...heal());
    expect(found.out).toMatch(says());
    expect(found.code).toBe(1);
    expect((await verify()).code).toBe(0);
    expect(JSON.stringify(await shop.query('select * from probity.consent_seal order by seal_id'))).toBe(saved);
  });

  test('the newest seals with all that is in them were cut off: only an earlier export tells', async () => {
    const file = join(shop.folder, 'before.jsonl');
    expect((await shop.probity(['consent', 'export', '--out', file])).code).toBe(0);
    expect((await verify('--against', file)).out).toMatch(/as the earlier export says, up to seal \d+/);
    const [last] = await shop.query<{ seal: string }>('select max(seal_id) as seal from probity.consent_seal');
    const tables = ['consent_record', 'consent_content', 'consent_seal', 'request'];
    await tamper(
      ...tables.map((table) => `create table public.saved_${table} as table probity.${table}`),
      `delete from probity.consent_content where record_id in (select record_id from probity.consent_record where seal_id = ${last?.seal})`,
      `delete from probity.consent_record where seal_id = ${last?.seal}`,
      `delete from probity.consent_seal where seal_id = ${last?.seal}`,
    );
    expect((await verify()).code).toBe(0);
    const compared = await verify('--against', file);
    await tamper(
      ...tables.flatMap((table) => [
        `delete from probity.${table}`,
        `insert into probity.${table} table public.saved_${table}`,
        `drop table public.saved_${table}`,
      ]),
    );
    expect(compared).toMatchObject({ code: 1, out: containing(`✗ seal ${last?.seal} is missing`) });
    expect((await verify('--against', file)).code).toBe(0);
  });
});

describe('an export', () => {
  test('is for its owner only, names nobody unless told, and is never overwritten', async () => {
    const [plain, keyed] = [join(shop.folder, 'plain.jsonl'), join(shop.folder, 'keyed.jsonl')];
    expect((await shop.probity(['consent', 'export', '--out', plain])).code).toBe(0);
    expect((await shop.probity(['consent', 'export', '--out', keyed, '--with-keys'])).code).toBe(0);
    expect(statSync(plain).mode & 0o777).toBe(0o600);
    expect(readFileSync(plain, 'utf8')).not.toContain('"key"');
    expect(readFileSync(keyed, 'utf8')).toContain('"subject":"customer","key":"103"');
    expect(await shop.probity(['consent', 'export', '--out', plain])).toMatchObject({
      code: 2,
      err: containing('not overwritten'),
    });
    for (const file of [plain, keyed]) expect(await verify('--file', file)).toMatchObject({ code: 0, out: containing('✓') });
  });

  test('is checked without a service, line by line', async () => {
    const file = join(shop.folder, 'whole.jsonl');
    await shop.probity(['consent', 'export', '--out', file]);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const at = (recordId: number): number =>
      lines.findIndex((line) => line.startsWith(`{"kind":"record"`) && line.includes(`"recordId":${recordId},`));
    const variant = (name: string, change: (them: string[]) => string[]): string => {
      const path = join(shop.folder, `${name}.jsonl`);
      writeFileSync(path, `${change([...lines]).join('\n')}\n`);
      return path;
    };
    const altered = variant('altered', (them) =>
      them.map((line, index) => (index === at(first[1]!) ? line.replace('"granted"', '"refused"') : line)),
    );
    expect(await verify('--file', altered)).toMatchObject({
      code: 1,
      out: containing(`✗ the content of record ${first[1]} of seal 1 was altered`),
    });
    const missing = variant('missing', (them) => them.filter((_, index) => index !== at(second[0]!)));
    expect(await verify('--file', missing)).toMatchObject({
      code: 1,
      out: containing(`✗ record ${second[0]} of seal 2 is missing`),
    });
    const swapped = variant('swapped', (them) => {
      const [a, b] = [at(first[0]!), at(first[1]!)];
      [them[a], them[b]] = [them[b]!, them[a]!];
      return them;
    });
    expect(await verify('--file', swapped)).toMatchObject({
      code: 1,
      out: containing(`✗ record ${first[0]} of seal 1 is not where it was written`),
    });
    const short = variant('short', (them) => them.slice(0, at(second[0]!) - 1));
    expect(await verify('--file', short)).toMatchObject({ code: 1, out: containing('✗ seal 2 is missing') });
    for (const bad of [
      variant('head', () => ['nonsense']),
      variant('broken', (them) => [...them.slice(0, 3), 'nonsense']),
      join(shop.folder, 'none'),
    ]) {
      expect((await verify('--file', bad)).code).toBe(2);
    }
  });
});
