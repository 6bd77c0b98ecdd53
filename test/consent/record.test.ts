import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { linkIdentity, recordConsents } from '../../client/consent/record.ts';
import { consentRecorder } from '../../client/consent/recorder.ts';
import type { ConsentEntry } from '../../client/consent/entries.ts';
import { permission, permissions } from '../../client/permission.ts';
import { consentShop, type ConsentShop } from './support.ts';

let shop: ConsentShop;
beforeAll(async () => {
  shop = await consentShop();
});
afterAll(() => shop.close());

const record = (...entries: ConsentEntry[]) => recordConsents(shop.project, entries, { actor: 'test' });
const may = (key: number | string, purpose: string, channel: string | null = null) =>
  permission(shop.project, { subject: 'customer', key: [key] }, { purpose, channel });
const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('decisions', () => {
  test('are in force when the call returns, and a withdrawal opens a request that repeats join', async () => {
    expect(await may(100, 'newsletter')).toBe(false);
    const [granted] = await record({
      subject: 'customer',
      key: [100],
      purpose: 'newsletter',
      decision: 'granted',
      touchpoint: 'onboarding',
    });
    expect(granted).toMatchObject({ requestId: null, dueAt: null, durable: false });
    expect(granted?.recordId).toBeGreaterThan(0);
    expect(await may(100, 'newsletter', 'email')).toBe(true);
    const [channel] = await record({ subject: 'customer', key: [100], purpose: 'newsletter', channel: 'email', decision: 'withdrawn' });
    expect(channel?.requestId).toBeNull();
    expect([await may(100, 'newsletter', 'email'), await may(100, 'newsletter', 'post')]).toEqual([false, true]);
    const [first, repeat] = await record(
      { subject: 'customer', key: [100], purpose: 'newsletter', decision: 'withdrawn' },
      { subject: 'customer', key: [100], purpose: 'newsletter', decision: 'withdrawn' },
    );
    expect(first?.requestId).toMatch(/^R-\d+$/);
    expect(first?.dueAt).toBeInstanceOf(Date);
    expect(repeat?.requestId).toBe(first?.requestId);
    expect(await may(100, 'newsletter')).toBe(false);
  });

  test('said twice under one id, or with the same words at the same time, change nothing', async () => {
    const entry = { subject: 'customer', key: [101], purpose: 'newsletter', decision: 'granted', id: 'form-7' } as const;
    const [one] = await record(entry);
    const [two] = await record(entry);
    expect(one?.recordId).not.toBeNull();
    expect(two?.recordId).toBeNull();
    const dated = {
      subject: 'customer',
      key: [101],
      purpose: 'offers',
      decision: 'asked',
      capturedAt: '2026-01-02T03:04:05.678901Z',
    } as const;
    expect((await record(dated, dated)).map((it) => it.recordId === null)).toEqual([false, true]);
    const rows = await shop.query<{ at: string }>(
      `select to_char(captured_at at time zone 'UTC', 'SS.US') as at from probity.consent_content where purpose = 'offers'`,
    );
    expect(rows).toEqual([{ at: '05.678901' }]);
  });

  describe('under an id that stands for another one', () => {
    const key = [103] as const;
    const first = {
      subject: 'customer',
      key,
      purpose: 'newsletter',
      decision: 'granted',
      capturedAt: '2026-01-01T00:00:00Z',
      id: 'f',
    } as const;
    const refused = (entry: ConsentEntry) => expect(record({ ...first, purpose: 'offers', id: 'new' }, entry)).rejects;

    test.each<[string, Partial<ConsentEntry>]>([
      ['purpose', { purpose: 'profiling' }],
      ['channel', { channel: 'email' }],
      ['decision', { decision: 'asked' }],
      ['captured_at', { capturedAt: '2026-01-02T00:00:00Z' }],
      ['notice', { notice: '2' }],
      ['purpose, language', { purpose: 'profiling', language: 'de' }],
      ['touchpoint, given_by', { touchpoint: 'trial', givenBy: 'parent' }],
    ])('are refused with what differs (%s), and nothing is recorded', async (differs, other) => {
      await record(first);
      const [before] = await shop.query('select count(*) as n from probity.consent_record');
      await refused({ ...first, ...other }).toThrow(
        new RegExp(`^Entry 2: id: it stands for another decision .*\\(another ${differs}\\); give each decision an id of its own`),
      );
      expect(await shop.query('select count(*) as n from probity.consent_record')).toEqual([before]);
      // The same is known, also of one call, and so it is at somebody else.
      expect((await record(first, first)).map(({ recordId, idReused }) => [recordId, idReused])).toEqual(Array(2).fill([null, false]));
    });

    test.each([
      ['withdrawn', 'newsletter'],
      ['refused', 'newsletter'],
      ['objected', 'newsletter'],
      ['restricted', null],
    ] as const)('are recorded all the same where they refuse something: %s', async (decision, purpose) => {
      const who = { subject: 'customer', key: [`104${decision.length}${decision.charCodeAt(2)}`.slice(0, 7)] };
      await shop.query('insert into customer (customer_id, country) values ($1, $2) on conflict do nothing', [who.key[0], 'DE']);
      await record({ ...first, ...who });
      expect(await may(who.key[0]!, 'newsletter')).toBe(true);
      const other = { ...who, id: 'f', purpose, decision, capturedAt: '2026-02-01T00:00:00Z' };
      const [one, two] = [(await record(other))[0]!, (await record(other))[0]!];
      expect([one.recordId !== null, one.idReused, one.requestId !== null]).toEqual([true, true, decision !== 'refused']);
      expect(await may(who.key[0]!, 'newsletter')).toBe(false);
      // By what it says it is known when it comes again.
      expect([two.recordId, two.idReused]).toEqual([null, false]);
      // Also in the call that brings what its id stands for; without a time it is said now, each time.
      const [, again] = await record({ ...first, ...who, id: 'g' }, { ...other, id: 'g', capturedAt: null });
      expect(again).toMatchObject({ idReused: true });
    });

    test('are an error to a transaction in SQL, unless they refuse something', async () => {
      const said = (decision: string) =>
        shop.query<{ differs: string }>(
          `select differs from probity.record_consents(array[row('customer', '105', 'newsletter', null, $1, now(), 't', null, null, null, null, 'me', 'library', 'x')::probity.consent_entry])`,
          [decision],
        );
      await said('asked');
      await expect(said('granted')).rejects.toMatchObject({ code: 'PB019' });
      expect(await said('withdrawn')).toEqual([{ differs: 'decision, captured_at' }]);
    });
  });

  test('of restriction need no purpose and deny all but what the law asks for', async () => {
    expect(await may(102, 'service')).toBe(true);
    await record({ subject: 'customer', key: [102], decision: 'restricted' });
    expect([await may(102, 'service'), await may(102, 'profiling')]).toEqual([false, false]);
    await record({ subject: 'customer', key: [102], decision: 'restriction_lifted' });
    expect(await may(102, 'service')).toBe(true);
  });

  test('many at once answer in order', async () => {
    await record(
      ...[110, 112, 114].map((key) => ({ subject: 'customer', key: [key], purpose: 'newsletter', decision: 'granted' }) as const),
    );
    const people = [114, 113, 112, 111, 110, 114].map((key) => ({ subject: 'customer', key: [key] }));
    expect(await permissions(shop.project, people, { purpose: 'newsletter' })).toEqual([true, false, true, false, true, true]);
  });
});

describe('identities', () => {
  const keys = () =>
    shop.query<{ subject: string; key: string }>('select subject, key from probity.consent_link order by created_at desc, ref limit 1');

  test.each([
    ['anna@example.com', 'customer', '1'],
    ['  ANNA@Example.COM ', 'customer', '1'],
    ['berta@example.com', 'customer', '2'],
  ])('an address (%s) finds its person without case or blanks', async (value, subject, key) => {
    await record({ subject: 'customer', identity: 'email', value, purpose: 'offers', decision: 'asked' });
    const said = await shop.query(
      'select 1 as found from probity.consent_content c join probity.consent_link l on l.ref = c.ref where l.subject = $1 and l.key = $2',
      [subject, key],
    );
    expect(said.length).toBeGreaterThan(0);
  });

  test('one of another store finds its person there', async () => {
    await record({ subject: 'lead', identity: 'email', value: 'Lead@example.com', purpose: 'direct', decision: 'objected' });
    expect(await keys()).toEqual([{ subject: 'lead', key: '00000000-0000-4000-8000-000000000001' }]);
  });

  test('that nobody has is kept by its hash, and holds for whoever it is linked to', async () => {
    await record({ subject: 'customer', identity: 'email', value: ' New@Example.com', purpose: 'profiling', decision: 'objected' });
    expect(await keys()).toEqual([{ subject: 'email', key: hash('new@example.com') }]);
    await shop.query(`insert into customer (customer_id, country) values (900, 'DE')`);
    expect(await may(900, 'profiling')).toBe(true);
    expect(await linkIdentity(shop.project, { email: 'NEW@example.com' }, { subject: 'customer', key: [900] })).toBe(true);
    expect(await may(900, 'profiling')).toBe(false);
    expect(await linkIdentity(shop.project, { email: 'NEW@example.com' }, { subject: 'customer', key: [900] })).toBe(false);
    await expect(linkIdentity(shop.project, { email: 'NEW@example.com' }, { subject: 'customer', key: [1] })).rejects.toThrow(
      'somebody else',
    );
  });

  test('that several have is refused', async () => {
    const entry = { subject: 'customer', identity: 'email', value: 'twin@example.com', purpose: 'offers', decision: 'asked' } as const;
    await expect(record(entry)).rejects.toThrow(/several of customer have this email/);
    await expect(record({ ...entry, identity: 'phone', value: '333' })).rejects.toThrow(/several of customer/);
    await expect(record({ ...entry, identity: 'phone', value: '999' })).rejects.toThrow(/no customer has this phone/);
  });

  test('keys of several columns are spelled as SQL does', async () => {
    await record({ subject: 'member', key: ['b "x"', 2], purpose: 'newsletter', decision: 'granted' });
    expect(await permission(shop.project, { subject: 'member', key: ['b "x"', 2] }, { purpose: 'newsletter' })).toBe(true);
    const [row] = await shop.query<{ key: string }>(
      `select to_jsonb(array[tenant::text, member_no::text])::text as key from member where member_no = 2`,
    );
    expect(await keys()).toEqual([{ subject: 'member', key: row?.key }]);
  });
});

describe('what is refused', () => {
  const CANARY = 'canary.4711@secret.example';
  const good = { subject: 'customer', key: [120], purpose: 'newsletter', decision: 'granted' } as const;

  test.each<[string, object, RegExp]>([
    ['purpose', { ...good, purpose: 'newsleter' }, /no such purpose; did you mean newsletter\?/],
    ['channel', { ...good, channel: 'emial' }, /no such channel of newsletter; did you mean email\?/],
    ['decision', { ...good, decision: 'grantd' }, /no such decision; did you mean granted\?/],
    ['subject', { ...good, subject: 'custmer' }, /no such subject; did you mean customer\?/],
    ['identity', { subject: 'customer', identity: 'emial', value: CANARY, purpose: 'offers', decision: 'asked' }, /did you mean email\?/],
    ['channel of a purpose without', { ...good, purpose: 'service', channel: 'email' }, /knows no channels/],
    ['restriction of one purpose', { ...good, decision: 'restricted' }, /of all purposes/],
    ['no purpose', { subject: 'customer', key: [1], decision: 'granted' }, /name a purpose/],
    ['key of another length', { ...good, key: [CANARY, CANARY] }, /give 1 value/],
    ['future', { ...good, capturedAt: new Date(Date.now() + 3_600_000) }, /future/],
    ['canary as purpose', { ...good, purpose: CANARY }, /no such purpose/],
    ['canary as decision', { ...good, decision: CANARY }, /no such decision/],
    ['canary as subject', { ...good, subject: CANARY }, /no such subject/],
    ['canary as time', { ...good, capturedAt: CANARY }, /capturedAt/],
    ['canary as field', { ...good, [CANARY]: 1 }, /field that is not known/],
    ['canary as given by', { ...good, givenBy: CANARY }, /givenBy/],
    ['nothing', {}, /./],
  ])('%s', async (_name, entry, message) => {
    const error = await record(entry as ConsentEntry).then(
      () => null,
      (it: unknown) => it as Error,
    );
    expect(error?.message).toMatch(message);
    expect(error?.name).toBe('Refused');
    for (const text of [error?.message, error?.stack, JSON.stringify(error)]) expect(text).not.toContain('4711');
  });

  test('one wrong entry keeps the whole call out', async () => {
    const before = await shop.query('select count(*) as n from probity.consent_record');
    await expect(record(good, { ...good, purpose: 'nothing' })).rejects.toThrow(/^Entry 2: /);
    expect(await shop.query('select count(*) as n from probity.consent_record')).toEqual(before);
  });

  test('what the database itself raises says nothing about the person', async () => {
    await shop.query(`create function trap() returns trigger language plpgsql as $$ begin raise exception 'key is %', new.proof; end $$`);
    await shop.query('create trigger trap before insert on probity.consent_content for each row execute function trap()');
    const error = await record({ ...good, key: ['777001'], proof: CANARY }).catch((it: unknown) => it as Error);
    await shop.query('drop trigger trap on probity.consent_content');
    for (const text of [(error as Error).message, (error as Error).stack, JSON.stringify(error)]) {
      expect(text).not.toContain('4711');
      expect(text).not.toContain('777001');
    }
  });
});

describe('at the same time', () => {
  test('200 callers of a recorder each get their own answer, by few transactions', async () => {
    const recorder = consentRecorder(shop.project, { actor: 'web' });
    const people = Array.from({ length: 200 }, (_, index) => 200 + index);
    const [before] = await shop.query<{ n: string }>('select count(distinct received_at) as n from probity.consent_record');
    const results = await Promise.allSettled(
      people.map((key, index) =>
        recorder.record({
          subject: 'customer',
          key: [key],
          purpose: index === 77 ? 'nonsense' : 'newsletter',
          decision: 'granted',
          proof: `P-${key}`,
        }),
      ),
    );
    await recorder.close();
    await expect(recorder.record({ subject: 'customer', key: [1], purpose: 'offers', decision: 'asked' })).rejects.toThrow('closed');
    const proofs = new Map(
      (await shop.query<{ id: string; proof: string }>('select record_id as id, proof from probity.consent_content')).map((row) => [
        Number(row.id),
        row.proof,
      ]),
    );
    results.forEach((result, index) => {
      if (index === 77) return expect(result.status).toBe('rejected');
      expect(result.status).toBe('fulfilled');
      if (result.status === 'fulfilled') expect(proofs.get(result.value.recordId!)).toBe(`P-${people[index]}`);
    });
    const [after] = await shop.query<{ n: string }>('select count(distinct received_at) as n from probity.consent_record');
    expect(Number(after?.n) - Number(before?.n)).toBeLessThan(20);
  });

  test('50 grants and withdrawals of one person end as the last that was received says', async () => {
    const decisions = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? 'granted' : 'withdrawn'));
    await Promise.all(
      decisions.map((decision) => record({ subject: 'customer', key: [150], purpose: 'newsletter', decision: decision as 'granted' })),
    );
    const [last] = await shop.query<{ decision: string; n: string }>(
      `select c.decision, count(*) over () as n from probity.consent_content c join probity.consent_link l on l.ref = c.ref
       where l.key = '150' order by c.at desc, c.received_at desc, (c.decision = 'withdrawn') desc limit 1`,
    );
    expect(Number(last?.n)).toBe(50);
    expect(await may(150, 'newsletter')).toBe(last?.decision === 'granted');
    const open = await shop.query(
      `select 1 as open from probity.request r join probity.consent_link l on l.ref = r.ref where l.key = '150' and r.closed_at is null`,
    );
    expect(open).toHaveLength(1);
  });

  test('a device is linked to one of two people who claim it', async () => {
    const device = { subject: 'device', key: 'd-race' } as const;
    const claims = await Promise.allSettled(
      [160, 161, 160, 161].map((key) => linkIdentity(shop.project, device, { subject: 'customer', key: [key] })),
    );
    const won = claims.filter((it) => it.status === 'fulfilled' && it.value);
    expect(won).toHaveLength(1);
    expect(
      await shop.query(`select 1 as one from probity.consent_alias a join probity.consent_link l on l.ref = a.ref where l.key = 'd-race'`),
    ).toHaveLength(1);
  });

  test('a refusal of a device while it is being linked reaches the person', async () => {
    for (let round = 0; round < 10; round++) {
      const key = 170 + round;
      await record({ subject: 'device', key: [`d${key}`], purpose: 'profiling', decision: 'asked' });
      await Promise.all([
        linkIdentity(shop.project, { subject: 'device', key: `d${key}` }, { subject: 'customer', key: [key] }),
        record({ subject: 'device', key: [`d${key}`], purpose: 'profiling', decision: 'objected' }),
      ]);
      expect(await may(key, 'profiling')).toBe(false);
    }
  });
});

describe('a key in another spelling', () => {
  const LEAD = '00000000-0000-4000-8000-000000000001';

  test.each([
    ['customer', ['0150'], '150'],
    ['customer', [' +151 '], '151'],
    ['member', ['a', '01'], '["a", "1"]'],
    ['lead', [`{${LEAD.toUpperCase()}}`], LEAD],
    ['lead', [LEAD.replaceAll('-', '').toUpperCase()], LEAD],
  ])('of %s %j is that of the person', async (subject, key, ledger) => {
    const [recorded] = await record({ subject, key, purpose: 'direct', decision: 'objected' });
    expect(recorded?.requestId).not.toBeNull();
    const links = await shop.query<{ key: string }>(
      `select l.key from probity.request r join probity.consent_link l on l.ref = r.ref where r.request_id = $1`,
      [recorded!.requestId],
    );
    expect(links).toEqual([{ key: ledger }]);
  });

  test('ends what the person was allowed', async () => {
    await record({ subject: 'customer', key: [152], purpose: 'newsletter', decision: 'granted' });
    expect(await may(152, 'newsletter')).toBe(true);
    await record({ subject: 'customer', key: ['0152'], purpose: 'newsletter', decision: 'withdrawn' });
    expect(await may(152, 'newsletter')).toBe(false);
  });

  test.each([
    ['customer', ['12 34']],
    ['customer', ['9223372036854775808']],
    ['lead', [`{${LEAD}`]],
    ['lead', ['canary']],
  ])('of %s that is none is refused, and not quoted', async (subject, key) => {
    const refused = record({ subject, key, purpose: 'direct', decision: 'objected' });
    await expect(refused).rejects.toThrow(/^the key is not a (whole number|uuid), as its column is$/);
  });

  test('holds the person, too', async () => {
    const held = await shop.probity(['hold', 'add', '--subject', 'customer', '--reason', 'case 1'], '0153\n');
    if (held.code !== 0) throw new Error(held.err);
    expect(await shop.query(`select subject_key from probity.hold`)).toEqual([{ subject_key: ['153'] }]);
  });
});
