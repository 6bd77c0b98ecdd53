import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { recordEntries } from '../../database/permission/record.ts';
import { reportNumbers } from '../../database/permission/report.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { manifestOf } from './manifests.ts';

const ZONE = 'Europe/Berlin';

let ledger: Ledger;
beforeAll(async () => {
  ledger = await createLedger();
  await ledger.query(`insert into public.customer (customer_id, country) select i, 'DE' from generate_series(1, 50) i`);
  await ledger.apply(
    manifestOf(
      {
        news: { basis: 'consent', channels: ['email', 'web'], expires: 'P1M' },
        offers: { basis: 'soft_opt_in', channels: ['email'] },
        analytics: { basis: 'legitimate_interests', objection: 'balanced' },
        service: { basis: 'contract', while: 'a customer' },
        public: { basis: 'public_task' },
      } as never,
      ZONE,
    ),
  );
});
afterAll(() => ledger.close());

let person = 0;
beforeEach(() => void person++);

/** As if the record had come then: whatever the clock says now. Returns its number. */
async function said(at: string, purpose: string, decision: string): Promise<number> {
  const rows = await ledger.query<{ n: string }>(
    `with link as (
       insert into probity.consent_link (subject, key) values ('customer', $1) on conflict (subject, key) do update set key = excluded.key returning ref
     ), record as (
       insert into probity.consent_record (record_id, ref, received_at, commitment) select nextval('probity.consent_record_number'), ref, $2::timestamptz, '' from link
       returning record_id, ref
     )
     insert into probity.consent_content (record_id, ref, salt, purpose, decision, at, captured_at, received_at, touchpoint, given_by, actor, door, basis, expires_at,
       manifest_hash, fingerprint)
     select record_id, ref, '', $3, $4, $2, $2, $2, 'test', 'self', 'tester', 'library', 'consent', null, '', int8send(record_id) from record
     returning record_id::text as n`,
    [String(person), at, purpose, decision],
  );
  await ledger.query(`select probity.derive_spans(array[row('customer', $1, $2)::probity.permission_target])`, [String(person), purpose]);
  return Number(rows[0]!.n);
}

const record = (purpose: string, decision: string) =>
  recordEntries(ledger.store, [
    {
      subject: 'customer', key: String(person), purpose, channel: null, decision, captured_at: null, touchpoint: 'test', notice: null, language: null,
      given_by: null, proof: null, actor: 'tester', door: 'library', id: null,
    },
  ]); // prettier-ignore
const allowed = async (purpose: string, at: string | null = null): Promise<boolean> =>
  (await ledger.query<{ it: boolean }>(`select probity.permission('customer', $1, $2, null, $3) as it`, [String(person), purpose, at]))[0]!
    .it;
const hoursFromNow = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString();

describe('a request is due one calendar month after it came', () => {
  test.each([
    ['31 January, there is no 31 February', '2026-01-31T11:00:00Z', '2026-02-28T11:00:00.000Z'],
    ['31 January of a leap year', '2024-01-31T11:00:00Z', '2024-02-29T11:00:00.000Z'],
    ['31 March, into April, in summer time', '2026-03-31T10:00:00Z', '2026-04-30T10:00:00.000Z'],
    ['31 December, into the next year', '2025-12-31T22:59:59.999Z', '2026-01-31T22:59:59.999Z'],
    ['half an hour before midnight UTC it is the next day in Berlin', '2026-01-30T23:30:00Z', '2026-02-27T23:30:00.000Z'],
    ['across the night of March, at the same time of day', '2026-03-15T11:00:00Z', '2026-04-15T10:00:00.000Z'],
    ['into an hour that the night of March leaves out', '2020-02-29T01:30:00Z', '2020-03-29T01:30:00.000Z'],
    ['across the night of October, at the same time of day', '2025-10-10T10:00:00Z', '2025-11-10T11:00:00.000Z'],
    ['into the hour that the night of October has twice: the earlier', '2025-09-26T00:30:00Z', '2025-10-26T00:30:00.000Z'],
    ['out of the second of these hours', '2025-10-26T01:30:00Z', '2025-11-26T01:30:00.000Z'],
  ])('%s', async (_, at, due) => {
    const id = await said(at, 'news', 'withdrawn');
    await ledger.query('select probity.open_requests(array[$1::bigint])', [id]);
    const rows = await ledger.query<{ due_at: Date }>('select due_at from probity.request where record_id = $1', [id]);
    expect(rows[0]!.due_at.toISOString()).toBe(due);
  });
});

describe('a consent of one month ends to the microsecond', () => {
  test.each([
    ['at the end of a short month', '2026-01-31T11:00:00Z', '2026-02-28T11:00:00Z'],
    ['in an hour that the night of March leaves out: when it is over', '2020-02-29T01:30:00Z', '2020-03-29T01:30:00Z'],
    ['in the hour that the night of October has twice: the first time', '2025-09-26T00:30:00Z', '2025-10-26T00:30:00Z'],
    ['given in the second of these hours', '2025-10-26T01:30:00Z', '2025-11-26T01:30:00Z'],
  ])('%s', async (_, from, end) => {
    await said(from, 'news', 'granted');
    const [before, after] = [new Date(Date.parse(end) - 1).toISOString().replace('Z', '999Z'), end];
    expect([await allowed('news', from), await allowed('news', before), await allowed('news', after)]).toEqual([true, true, false]);
  });
});

test("the report's months are those of the manifest's zone", async () => {
  for (const at of [
    '2001-12-31T22:59:59Z',
    '2001-12-31T23:00:00Z',
    '2002-03-31T21:59:59Z',
    '2002-03-31T22:00:00Z',
    '2002-10-31T22:59:59Z',
    '2002-10-31T23:00:00Z',
  ])
    await said(at, 'news', 'asked');
  const { records } = await reportNumbers(ledger.store, ZONE, new Date('2001-01-01T00:00:00Z'), new Date('2003-01-01T00:00:00Z'));
  expect(records.map(({ month, count }) => [month, count])).toEqual([
    ['2001-12', 1],
    ['2002-01', 1],
    ['2002-03', 1],
    ['2002-04', 1],
    ['2002-10', 1],
    ['2002-11', 1],
  ]);
});

describe('a clock that is set back', () => {
  test('revives nothing that had ended by the faster clock', async () => {
    for (const [purpose, ends] of [
      ['news', 'withdrawn'],
      ['offers', 'objected'],
    ] as const) {
      await said(hoursFromNow(-48), purpose, purpose === 'offers' ? 'asked' : 'granted');
      expect(await allowed(purpose)).toBe(true);
      await said(hoursFromNow(3), purpose, ends);
      expect([purpose, await allowed(purpose)]).toEqual([purpose, false]);
    }
    for (const purpose of ['analytics', 'public']) {
      await said(hoursFromNow(3), purpose, 'objected');
      expect([purpose, await allowed(purpose)]).toEqual([purpose, false]);
    }
    expect(await allowed('service')).toBe(true);
    await said(hoursFromNow(3), '*', 'restricted');
    expect(await allowed('service')).toBe(false);
  });

  test('does not let a grant of the faster clock outlive the withdrawal that follows it; its request is due by the true one', async () => {
    await said(hoursFromNow(3), 'news', 'granted');
    await ledger.query(`insert into probity.membership (segment, purpose, subject, key) values ('s', 'news', 'customer', $1)`, [
      String(person),
    ]);
    const [recorded] = await record('news', 'withdrawn');
    for (const hours of [0, 2, 4, 24]) expect([hours, await allowed('news', hoursFromNow(hours))]).toEqual([hours, false]);
    expect(await allowed('news')).toBe(false);
    expect(await ledger.query('select from probity.membership where key = $1 and ended_at is null', [String(person)])).toEqual([]);
    const rows = await ledger.query<{ days: number }>(
      `select (due_at - clock_timestamp() < interval '1 month' and received_at <= clock_timestamp()) as right from probity.request where request_id = $1`,
      [recorded!.requestId],
    );
    expect(rows).toEqual([{ right: true }]);
    // A new grant stands behind the withdrawal: it begins when the clock is there again.
    await record('news', 'granted');
    expect([await allowed('news'), await allowed('news', hoursFromNow(4))]).toEqual([false, true]);
  });

  test('also when the grant was that of a device of the same person', async () => {
    await said(hoursFromNow(-1), 'news', 'asked');
    await ledger.query(`insert into probity.consent_link (subject, key) values ('device', $1)`, [`d${person}`]);
    await ledger.query(
      `insert into probity.consent_alias (ref, person, linked_at) select d.ref, c.ref, now() - interval '1 day'
       from probity.consent_link d, probity.consent_link c where d.key = $1 and c.subject = 'customer' and c.key = $2`,
      [`d${person}`, String(person)],
    );
    await ledger.query(
      `with record as (
         insert into probity.consent_record (record_id, ref, received_at, commitment)
         select nextval('probity.consent_record_number'), ref, $2, '' from probity.consent_link where key = $1 returning record_id, ref)
       insert into probity.consent_content (record_id, ref, salt, purpose, decision, at, captured_at, received_at, touchpoint, given_by, actor, door, basis, manifest_hash, fingerprint)
       select record_id, ref, '', 'news', 'granted', $2, $2, $2, 'test', 'self', 'tester', 'library', 'consent', '', int8send(record_id) from record`,
      [`d${person}`, hoursFromNow(3)],
    );
    await record('news', 'withdrawn');
    for (const hours of [0, 2, 4]) expect([hours, await allowed('news', hoursFromNow(hours))]).toEqual([hours, false]);
  });
});
