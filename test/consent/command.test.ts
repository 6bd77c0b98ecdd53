import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { consentShop, containing, matching, type ConsentShop } from './support.ts';

let shop: ConsentShop;
beforeAll(async () => {
  shop = await consentShop();
});
afterAll(() => shop.close());

const consent = (args: string, input = '') => shop.probity(['consent', ...args.split(' ')], input);

describe('record', () => {
  test('prints what it changed, and nothing about whom', async () => {
    await shop.query(`insert into probity.membership (segment, purpose, subject, key) values ('vip', 'newsletter', 'customer', '100')`);
    const granted = await consent(
      'record --subject customer --purpose newsletter --decision granted --touchpoint onboarding --notice v3 --language de',
      '100\n',
    );
    expect(granted).toMatchObject({ code: 0, out: matching(/✓ record \d+: granted newsletter, in force now\n/) });
    expect(granted.out).toMatch(/newsletter · email +no +yes +granted \(record \d+\)/);
    expect(granted.err).toContain('not durable: the manifest names no sink');
    const withdrawn = await consent(
      'record --subject customer --by email --purpose newsletter --decision withdrawn --touchpoint preference_centre',
      ' C100@example.com',
    );
    expect(withdrawn.code).toBe(0);
    expect(withdrawn.out).toMatch(/newsletter · email +yes +no +withdrawn/);
    expect(withdrawn.out).toMatch(/request R-\d+, due \d{4}-\d{2}-\d{2}/);
    expect(withdrawn.out).toContain('left the segment vip');
    expect(withdrawn.out).toContain('crm will follow');
    expect(granted.out + withdrawn.out + granted.err + withdrawn.err).not.toMatch(/\b100\b|example/i);
  });

  test('as JSON', async () => {
    const { out } = await consent('record --subject customer --purpose profiling --decision objected --json', '101');
    const said = JSON.parse(out) as { effect: unknown[] };
    expect(said).toMatchObject({ repeated: false, segmentsLeft: [], storesThatFollow: ['crm'], durable: false });
    expect(said).toMatchObject({ request: matching(/^R-/), due: matching(/^20/) });
    expect(said.effect).toContainEqual({ purpose: 'profiling', channel: null, before: true, after: false, reason: 'objected' });
  });

  test('a restriction needs no purpose', async () => {
    const { code, out } = await consent('record --subject customer --decision restricted --proof CASE-12', '102');
    expect(code).toBe(0);
    expect(out).toMatch(/service +yes +no +processing is restricted/);
  });

  test('a later time than now, an earlier one in the zone, twice', async () => {
    const args = 'record --subject customer --purpose newsletter --decision granted --captured-at 2026-03-01T12:00 --given-by parent';
    expect((await consent(args, '103')).code).toBe(0);
    expect(await consent(args, '103')).toMatchObject({ code: 0, out: containing('nothing changed') });
    const [row] = await shop.query<{ at: Date; by: string }>(
      `select c.captured_at as at, c.given_by as by from probity.consent_content c join probity.consent_link l on l.ref = c.ref where l.key = '103'`,
    );
    expect(row).toEqual({ at: new Date('2026-03-01T11:00:00Z'), by: 'parent' });
    expect((await consent(args.replace('2026-03', '2036-03'), '103')).code).toBe(2);
  });

  test('somebody who is nobody is refused by key, and kept by hash as an address', async () => {
    const unknown = await consent('record --subject customer --purpose newsletter --decision withdrawn', '424242');
    expect(unknown).toMatchObject({ code: 2, err: containing('no customer with this key; nothing was done') });
    expect(unknown.err).not.toContain('424242');
    expect((await consent('record --subject customer --purpose newsletter --decision withdrawn --unknown', '424242')).code).toBe(0);
    const hashed = await consent('record --subject customer --by email --purpose newsletter --decision withdrawn', 'nobody@example.com');
    expect(hashed).toMatchObject({ code: 0, out: containing('kept by its hash') });
  });

  test('a key of several columns is read a line each, from a file too', async () => {
    const file = join(shop.folder, 'key.txt');
    writeFileSync(file, 'b "x"\r\n2\r\n');
    expect((await consent(`record --subject member --purpose newsletter --decision granted --from ${file}`)).code).toBe(0);
    expect((await consent('show --subject member --json', 'b "x"\n2\n')).out).toMatch(/"reason": "granted"/);
    expect((await consent('show --subject member', 'b "x"\n')).err).toContain('give 2 value(s)');
  });

  test.each([
    ['record --subject customer --purpose newsletter --decision granted --key 4711', '--key is not taken as an argument'],
    ['record --subject customer --purpose newsletter --decision granted --email a4711@example.com', '--email is not taken as an argument'],
    ['record --subject customer --purpose newsletter --decision granted a4711@example.com', 'takes no argument'],
    ['show --subject customer --key=4711', '--key is not taken'],
    ['show --email a4711@example.com', '--email is not taken'],
    ['history --subject customer a4711@example.com', 'takes no argument'],
    ['link --kind device --device 4711', '--device is not taken'],
  ])('%s is refused, and says why', async (args, message) => {
    const ran = await consent(args, '1');
    expect(ran).toMatchObject({ code: 2, out: '', err: containing(message) });
    expect(ran.err).toContain('Shells keep their history');
    expect(ran.err).not.toContain('4711');
  });

  test.each([
    ['record --subject customer --purpose newsleter --decision granted', 'did you mean newsletter?'],
    ['record --subject customer --purpose newsletter --decision grantd', 'did you mean granted?'],
    ['record --subject customer --purpose newsletter --channel mail --decision granted', 'did you mean email?'],
    ['record --subject custome --purpose newsletter --decision granted', 'did you mean customer?'],
    ['record --purpose newsletter --decision granted', '--subject'],
    ['record --subject customer --purpose newsletter --decision granted --given-by mother', 'self or parent'],
    ['record --subject customer --by emial --purpose newsletter --decision granted', 'did you mean email?'],
  ])('%s: %s', async (args, message) => {
    expect(await consent(args, '104')).toMatchObject({ code: 2, err: containing(message) });
  });

  test('no input is refused', async () => {
    expect(await consent('show --subject customer', ' \n')).toMatchObject({ code: 2, err: containing('No identity came in') });
  });
});

describe('show and history', () => {
  test('show each purpose and channel with the reason', async () => {
    await consent('record --subject customer --purpose newsletter --channel post --decision granted', '110');
    const { out } = await consent('show --subject customer', '110');
    expect(out).toMatch(/service +contract +yes +the basis holds without a consent/);
    expect(out).toMatch(/newsletter · email +consent +no +no consent was given/);
    expect(out).toMatch(/newsletter · post +consent +yes +granted \(record \d+\)/);
    expect(out).toMatch(/offers +soft opt in +no +no chance to refuse was offered yet/);
    expect(out).toContain('regime gdpr · 1 records');
    expect(out).not.toMatch(/\b110\b/);
  });

  test('agree with SQL for every purpose and person', async () => {
    for (const key of ['1', '5', '100', '101', '102', '103', '110', '31337']) {
      const shown = JSON.parse((await consent('show --subject customer --json', key)).out) as {
        permissions: { purpose: string; channel: string | null; allowed: boolean }[];
      };
      expect(shown.permissions).toHaveLength(7);
      for (const { purpose, channel, allowed } of shown.permissions) {
        const [row] = await shop.query(`select probity.permission('customer', $1, $2, $3) as allowed`, [key, purpose, channel]);
        expect([key, purpose, channel, row]).toEqual([key, purpose, channel, { allowed }]);
      }
    }
  });

  test('say no for everything while the store serves nothing', async () => {
    await shop.query(`update probity.serving set valid_until = '-infinity'`);
    const { out } = await consent('show --subject customer', '110');
    await shop.query(`update probity.serving set valid_until = 'infinity'`);
    expect(out).toMatch(/the store answers nothing/);
    expect(out).not.toMatch(/ yes /);
  });

  test('history lists records in order, of linked devices too', async () => {
    await consent('record --subject device --purpose profiling --decision objected --touchpoint signal', 'dev-9');
    await consent(
      'record --subject customer --purpose newsletter --decision granted --touchpoint trial --notice v1 --language fr --given-by parent',
      '120',
    );
    expect(await consent('link --kind device --subject customer', 'dev-9\n120\n')).toMatchObject({
      code: 0,
      out: containing('✓ linked'),
    });
    expect((await consent('link --kind device --subject customer', 'dev-9\n120\n')).out).toContain('linked already');
    expect(await consent('link --kind device --subject customer', 'dev-9\n121\n')).toMatchObject({
      code: 2,
      err: containing('somebody else'),
    });
    const { out } = await consent('history --subject customer', '120');
    const lines = out.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/objected +profiling +signal +– +self, device +tester, command +seal \d+/);
    expect(lines[2]).toMatch(/granted +newsletter +trial +v1 \(fr\) +parent +tester, command +seal \d+/);
    const json = JSON.parse((await consent('history --subject customer --json', '120')).out) as { decision: string; seal: number }[];
    expect(json.map((it) => it.decision)).toEqual(['objected', 'granted']);
    expect(json[0]?.seal).toBeGreaterThan(0);
    expect(JSON.stringify(json) + out).not.toContain('dev-9');
    expect((await consent('history --subject customer', '399')).out).toContain('Nothing is recorded');
  });
});

test('help shows examples', async () => {
  for (const name of ['record', 'show', 'history', 'link', 'export', 'verify', 'prune']) {
    const { code, out } = await consent(`${name} --help`);
    expect(code).toBe(0);
    expect(out).toContain('Examples:');
    expect(out).not.toContain('--key');
  }
});
