import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordConsents } from '../../client/consent/record.ts';
import { Refused } from '../../client/refused.ts';
import type { RequestAsk } from '../../client/requests/ask.ts';
import { askRequester, cancelRequest, extendRequest, refuseRequest, repliedTo, verifyRequest } from '../../client/requests/change.ts';
import { openRequests, type OpenedRequest } from '../../client/requests/open.ts';
import { draftReply } from '../../client/requests/reply.ts';
import { listRequests, readRequest, type ShownRequest } from '../../client/requests/read.ts';
import { openIdentities } from '../../client/vault.ts';
import { SERVICE } from '../../domain/requests/actor.ts';
import { openProject } from '../../client/project.ts';
import { suppress } from '../../database/serving/requests.ts';
import { consentShop, containing, type ConsentShop } from '../consent/support.ts';

let shop: ConsentShop;
beforeAll(async () => {
  shop = await consentShop();
});
afterAll(() => shop.close());

const BY = { actor: 'anna' };
/** A customer of their own for each test. */
let next = 100;
const customer = (): { subject: 'customer'; key: readonly number[] } => ({ subject: 'customer', key: [next++] });
const erasure = (more: Partial<RequestAsk> = {}): RequestAsk => ({
  ...customer(),
  kind: 'erasure',
  grounds: ['no_longer_necessary'],
  ...more,
});
const day = (text: string): Date => new Date(`${text}T09:00:00Z`);

async function open(ask: RequestAsk, now?: Date): Promise<Exclude<OpenedRequest, { problem: string }> & { requestId: string }> {
  const [opened] = await openRequests(shop.project, [ask], { ...BY, ...(now === undefined ? {} : { now }) });
  if (opened === undefined || 'problem' in opened || opened.requestId === null) throw new Error('no request was opened');
  return { ...opened, requestId: opened.requestId };
}
async function read(id: string, now?: Date) {
  const found = await readRequest(shop.project, id, now);
  if (found === null) throw new Error('there is no such request');
  return found;
}
/** Lets each of them come as far as it can before any of them writes, so that they race for certain. */
async function atOnce<T>(count: number, act: () => Promise<T>): Promise<T[]> {
  const gate = new pg.Client({ connectionString: shop.env['SHOP_URL']! });
  await gate.connect();
  try {
    await gate.query('begin');
    await gate.query('lock table probity.consent_link in share row exclusive mode');
    const all = Promise.all(Array.from({ length: count }, act));
    await expect
      .poll(() => shop.query(`select 1 as it from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`), {
        timeout: 10_000,
      })
      .toHaveLength(count);
    await gate.query('commit');
    return await all;
  } finally {
    await gate.end();
  }
}
const refusal = (act: () => Promise<unknown>): Promise<string> =>
  act().then(
    () => 'not refused',
    (error: unknown) => (error instanceof Refused ? error.message : Promise.reject(error as Error)),
  );

describe('opening', () => {
  test('what could destroy or tell something waits for verification; what stops a use is in force at once', async () => {
    const states: string[] = [];
    for (const kind of ['erasure', 'access', 'portability', 'rectification'] as const)
      states.push((await open(kind === 'erasure' ? erasure() : { ...customer(), kind })).state);
    expect(states).toEqual(['received', 'received', 'received', 'received']);

    const who = customer();
    await recordConsents(shop.project, [{ ...who, purpose: 'newsletter', decision: 'granted' }], BY);
    expect(await open({ ...who, kind: 'withdrawal', purpose: 'newsletter' })).toMatchObject({ state: 'open', outcome: 'opened' });
    const [permitted] = await shop.query<{ it: boolean }>(`select probity.permission('customer', $1, 'newsletter', null) as it`, [
      String(who.key[0]),
    ]);
    expect(permitted!.it).toBe(false);
  });

  test('verified at once it is open, with the method in its events and the evidence apart', async () => {
    const { requestId, state } = await open(erasure({ verified: { method: 'login', evidence: 'SESSION-88' } }));
    expect(state).toBe('open');
    const { verifiedBy, events } = await read(requestId);
    expect([verifiedBy, events.map(({ verb, code }) => [verb, code])]).toEqual(['login', [['open', null], ['verify', 'login']]]); // prettier-ignore
    expect(await shop.query(`select n.evidence from probity.request_note n join probity.request_event using (event_id) where request_id = $1`, [requestId])).toEqual([{ evidence: 'SESSION-88' }]); // prettier-ignore
  });

  test('an erasure because consent was withdrawn withdraws it, whoever asks', async () => {
    const who = customer();
    await recordConsents(
      shop.project,
      ['newsletter', 'sale'].map((purpose) => ({ ...who, purpose, decision: 'granted' as const })),
      BY,
    );
    const opened = await open({ ...who, kind: 'erasure', grounds: ['consent_withdrawn'], purpose: '*' });
    expect(opened).toMatchObject({ state: 'received', kind: 'erasure' });
    const also = await Promise.all(opened.also.map((id) => read(id)));
    expect(also.map(({ kind, purpose }) => [kind, purpose])).toEqual([['withdrawal', 'newsletter'], ['withdrawal', 'sale']]); // prettier-ignore
  });

  test('the same again joins what is open, and adds its ground', async () => {
    const ask = erasure();
    const one = await open(ask);
    const two = await open({ ...ask, grounds: ['unlawful'] });
    expect([two.outcome, two.requestId]).toEqual(['joined', one.requestId]);
    expect(await read(one.requestId)).toMatchObject({ repeats: 1, grounds: ['no_longer_necessary', 'unlawful'] });
    // Twice in one call, too.
    const twin = erasure();
    const both = await openRequests(shop.project, [twin, twin], BY);
    expect(both.map((it) => ('problem' in it ? it.problem : [it.outcome, it.requestId]))).toEqual([['opened', containing('R-')], ['joined', containing('R-')]]); // prettier-ignore
  });

  test('a reference is opened once, also when it comes many times at once, and tells something else apart', async () => {
    const ask = erasure({ reference: 'TICKET-1' });
    const all = await atOnce(4, () => openRequests(shop.project, [ask], BY));
    const ids = all.map(([it]) => (it === undefined || 'problem' in it ? null : it.requestId));
    expect(new Set(ids).size).toBe(1);
    const outcomes = all.map(([it]) => ('problem' in it! ? it.why : it!.outcome)).sort();
    expect(outcomes).toEqual(['known', 'known', 'known', 'opened']);
    expect(await read(ids[0]!)).toMatchObject({ repeats: 0 });
    expect(await openRequests(shop.project, [{ ...ask, grounds: ['unlawful'] }], BY)).toEqual([{ problem: containing('under this reference'), why: 'reference' }]); // prettier-ignore
    const who = { ...customer(), kind: 'withdrawal', purpose: 'newsletter', reference: 'TICKET-2' } as const;
    const said = await atOnce(3, () => open(who));
    expect(new Set(said.map(({ requestId }) => requestId)).size).toBe(1);
    expect(await read(said[0]!.requestId)).toMatchObject({ repeats: 0 });
  });

  test('somebody with several keys, or with none, goes to a person', async () => {
    const email = (value: string): RequestAsk => ({ subject: 'customer', identity: 'email', value, kind: 'access' });
    expect(await openRequests(shop.project, [email('twin@example.com'), email('nobody@example.com'), { ...customer(), key: [999_999], kind: 'access' }, email('anna@example.com')], BY)).toEqual([
      { problem: containing('2 of customer have this email'), why: 'person' },
      { problem: containing('no customer has this email'), why: 'person' },
      { problem: containing('has no customer with this key'), why: 'person' },
      { requestId: containing('R-'), outcome: 'opened', kind: 'access', state: 'received', dueAt: expect.any(Date) as Date, also: [], sealed: false },
    ]); // prettier-ignore
    const [unknown] = await openRequests(shop.project, [email('nobody@example.com')], { ...BY, unknown: true });
    expect(unknown).toMatchObject({ outcome: 'opened' });
  });

  test.each<[string, Partial<RequestAsk>]>([
    ['an erasure needs a ground', { grounds: [] }],
    ['no such ground', { grounds: ['because' as never] }],
    ['no such kind', { kind: 'forget' as never, grounds: null }],
    ['names the purpose', { grounds: ['consent_withdrawn'] }],
    ['leave it out', { purpose: 'newsletter' }],
    ['in the future', { receivedAt: '2100-01-01T00:00:00Z' }],
  ])('refused: %s', async (sentence, wrong) => {
    expect(await refusal(() => openRequests(shop.project, [erasure(wrong)], BY))).toContain(sentence);
  });
});

test('what the requester gave is sealed in the vault, when there is a master key', async () => {
  const project = { ...shop.project, env: { ...shop.env, PROBITY_MASTER_KEY: randomBytes(32).toString('base64') } };
  const asks: RequestAsk[] = [
    { subject: 'customer', identity: 'email', value: ' C390@example.com', kind: 'access' },
    { subject: 'customer', identity: 'email', value: 'else@example.com', kind: 'access' },
    { subject: 'member', key: ['a', 1], kind: 'portability' },
  ];
  const opened = await openRequests(project, asks, { ...BY, unknown: true });
  const contents = await Promise.all(opened.map((it) => openIdentities(project, 'problem' in it ? '' : it.requestId!, SERVICE, 'a test')));
  expect(contents.flatMap(({ people }) => people)).toEqual([
    { subject: 'customer', key: ['390'], identities: { email: ['C390@example.com'] } },
    { subject: 'customer', key: [], identities: { email: ['else@example.com'] } },
    { subject: 'member', key: ['a', '1'], identities: {} },
  ]);
  expect(opened).toMatchObject([{ sealed: true }, { sealed: true }, { sealed: true }]);
});

describe('the clock', () => {
  test('runs from receipt, a month on, and is late afterwards', async () => {
    const { requestId, dueAt } = await open(erasure({ receivedAt: day('2026-01-31') }), day('2026-02-02'));
    expect(dueAt).toEqual(day('2026-02-28'));
    expect((await read(requestId, day('2026-02-21'))).daysLeft).toBe(7);
    const late = await read(requestId, day('2026-03-03'));
    // The law's last day, 28 February, is a Saturday: it passes to Monday.
    expect([late.daysLeft, late.clock.due.toISOString()]).toEqual([-3, '2026-03-02T22:59:59.999Z']);
  });

  test('a letter’s withdrawal is in force since it was typed, and due since it was received', async () => {
    const who = customer();
    const received = new Date(Date.now() - 10 * 86_400_000);
    const { requestId, dueAt } = await open({ ...who, kind: 'withdrawal', purpose: 'newsletter', receivedAt: received });
    const found = await read(requestId);
    expect(found.receivedAt).toEqual(received);
    expect([dueAt!.getTime() < Date.now() + 22 * 86_400_000, found.suppressed['shop']! > received]).toEqual([true, true]);
    await recordConsents(shop.project, [{ ...who, purpose: 'offers', decision: 'granted' }], BY);
    const [since] = await openRequests(shop.project, [{ ...who, kind: 'withdrawal', purpose: 'offers', receivedAt: received }], BY);
    expect(since).toMatchObject({ requestId: null, outcome: 'granted since' });
  });

  test('a month passes: two more if told within it, and never twice', async () => {
    const ask = (): RequestAsk => erasure({ receivedAt: day('2026-03-03') });
    const [one, two] = [await open(ask(), day('2026-03-03')), await open(ask(), day('2026-03-03'))];
    const reason = { ...BY, reason: 'complexity' };
    const extended = await extendRequest(shop.project, one.requestId, { ...reason, now: day('2026-04-03') });
    // At the same time of day, by then an hour earlier in UTC.
    expect(extended.dueAt.toISOString()).toBe('2026-06-03T08:00:00.000Z');
    expect(await refusal(() => extendRequest(shop.project, one.requestId, { ...reason, now: day('2026-04-03') }))).toContain('once');
    expect(await refusal(() => extendRequest(shop.project, two.requestId, { ...reason, now: day('2026-04-08') }))).toContain('by 2026-04-03');
    expect(await refusal(() => extendRequest(shop.project, two.requestId, { ...BY, reason: 'holidays', now: day('2026-03-04') }))).toContain('complexity');
  }); // prettier-ignore

  test('doubt about who asks stops it until the answer', async () => {
    const { requestId } = await open(erasure({ receivedAt: day('2026-11-03') }), day('2026-11-03'));
    await askRequester(shop.project, requestId, { ...BY, now: day('2026-11-05') });
    const waiting = await read(requestId, day('2026-12-20'));
    expect([waiting.state, waiting.clock.paused, waiting.daysLeft]).toEqual(['verifying', true, 28]);
    const verified = await verifyRequest(shop.project, requestId, { ...BY, method: 'letter', evidence: 'L-7', now: day('2026-12-21') });
    expect([verified.state, verified.dueAt.toISOString()]).toEqual(['open', '2027-01-18T09:00:00.000Z']);
    expect((await read(requestId, day('2026-12-22'))).daysLeft).toBe(27);
  });

  test('of a Californian it is California’s, of somebody whose state is unknown the earlier', async () => {
    await shop.query(
      `insert into customer select i, 'u' || i || '@example.com', null, case i when 500 then 'US-CA' end, 1980, null from generate_series(500, 501) i`,
    );
    const received = day('2026-11-03');
    const due = async (key: number, more: object) =>
      (
        await open({ subject: 'customer', key: [key], receivedAt: received, ...more } as unknown as RequestAsk, day('2026-11-03'))
      ).dueAt!.toISOString();
    expect(await due(500, { kind: 'access' })).toBe('2026-12-18T09:00:00.000Z');
    expect(await due(501, { kind: 'access' })).toBe('2026-12-03T09:00:00.000Z');
    // A withdrawal by the ledger's own door knows no regime: its clock is set when it is first looked at.
    const [told] = await recordConsents(shop.project, [{ subject: 'customer', key: [500], purpose: 'sale', decision: 'withdrawn' }], BY);
    const listed = (await listRequests(shop.project, 1_000)).find(({ id }) => id === told!.requestId)!;
    expect([listed.clock.law, listed.dueAt < told!.dueAt!]).toEqual(['california', true]);
    expect((await read(listed.id)).regimes).toEqual(['ccpa']);
  });

  test('the list is by time left, and what is over comes last', async () => {
    const found = await listRequests(shop.project, 1_000, day('2026-12-01'));
    const openOnes = found.filter(({ closedAt }) => closedAt === null);
    const times = openOnes.map(({ clock }) => clock.target.getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(found.slice(0, openOnes.length)).toEqual(openOnes);
  });
});

describe('verbs', () => {
  test('a refusal names its article and closes; nothing more can be done', async () => {
    const { requestId } = await open(erasure({ verified: { method: 'login', evidence: 'S-1' } }));
    expect(await refusal(() => refuseRequest(shop.project, requestId, { ...BY, article: '15(4)' }))).toContain('17(3)(b)');
    expect(await refusal(() => refuseRequest(shop.project, requestId, { ...BY, article: '1798.105(d)' }))).toContain('not refused by that');
    await refuseRequest(shop.project, requestId, { ...BY, article: 'Art. 17(3)(b)', note: 'invoice 12' });
    const found = await read(requestId);
    expect(found).toMatchObject({ state: 'refused', refusedBy: '17(3)(b)' });
    expect(await draftReply(shop.project, found)).toContain('Art. 17(3)(b) GDPR');
    expect(await refusal(() => cancelRequest(shop.project, requestId, { ...BY, reason: 'duplicate' }))).toBe(`${requestId}: It cannot be cancelled: it was refused`);
    // Asked again it is another request.
    expect((await open({ ...customer(), key: [next - 2], kind: 'erasure', grounds: ['unlawful'] } as unknown as RequestAsk)).requestId).not.toBe(requestId);
  }); // prettier-ignore

  test('an objection that is weighed and refused may be processed again; one to direct marketing cannot be refused', async () => {
    const who = customer();
    const [weighed, absolute] = [
      await open({ ...who, kind: 'objection', purpose: 'profiling' }),
      await open({ ...who, kind: 'objection', purpose: 'direct' }),
    ];
    await shop.query(`update probity.request set state = 'suppressed' where request_id = any ($1)`, [
      [weighed.requestId, absolute.requestId],
    ]);
    const allowed = async (): Promise<boolean> =>
      (await shop.query<{ it: boolean }>(`select probity.permission('customer', $1, 'profiling', null) as it`, [String(who.key[0])]))[0]!
        .it;
    expect(await allowed()).toBe(false);
    expect(await refusal(() => refuseRequest(shop.project, absolute.requestId, { ...BY, article: '21(1)' }))).toContain('absolute');
    await refuseRequest(shop.project, weighed.requestId, { ...BY, article: '21(1)' });
    expect(await allowed()).toBe(true);
    expect(await repliedTo(shop.project, absolute.requestId, BY)).toMatchObject({ state: 'closed' });
  });

  test('an answer closes what it fulfils and nothing else', async () => {
    const [put, erase] = [
      await open({ ...customer(), kind: 'rectification', verified: { method: 'phone', evidence: 'C-1' } }),
      await open(erasure({ verified: { method: 'phone', evidence: 'C-2' } })),
    ];
    expect(await repliedTo(shop.project, put.requestId, BY)).toMatchObject({ state: 'closed' });
    expect(await repliedTo(shop.project, erase.requestId, BY)).toMatchObject({ state: 'open' });
    expect((await read(erase.requestId)).events.at(-1)).toMatchObject({ verb: 'reply', state: 'open' });
  });

  test('of two at the same time one wins, and the other is told why not', async () => {
    for (let round = 0; round < 8; round++) {
      const { requestId } = await open(erasure());
      const told = await Promise.all([
        refusal(() => cancelRequest(shop.project, requestId, { ...BY, reason: 'duplicate' })),
        refusal(() => refuseRequest(shop.project, requestId, { ...BY, article: '17(1)' })),
        refusal(() => cancelRequest(shop.project, requestId, { ...BY, reason: 'opened_in_error' })),
      ]);
      expect(told.filter((it) => it === 'not refused')).toHaveLength(1);
      const { events, state } = await read(requestId);
      expect([events.length, events.at(-1)!.state]).toEqual([2, state]);
    }
  });

  test('verbs and recorders of the same person do not block each other', async () => {
    const who = customer();
    const { requestId } = await open({ ...who, kind: 'objection', purpose: 'profiling' });
    await shop.query(`update probity.request set state = 'suppressed' where request_id = $1`, [requestId]);
    const results = await Promise.allSettled([
      ...Array.from({ length: 5 }, () => recordConsents(shop.project, [{ ...who, purpose: 'profiling', decision: 'objected' }], BY)),
      refuseRequest(shop.project, requestId, { ...BY, article: '21(1)' }),
      ...Array.from({ length: 5 }, () => recordConsents(shop.project, [{ ...who, purpose: 'profiling', decision: 'objected' }], BY)),
    ]);
    expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  test('requests that are not of the ledger are nothing to suppress', async () => {
    const { requestId } = await open(erasure({ verified: { method: 'login', evidence: 'S-1' } }));
    await shop.query('insert into probity.request_suppression select $1, p.store, now() from probity.replica p', [requestId]);
    await suppress(shop.project.home, requestId);
    expect((await read(requestId)).state).toBe('open');
  });

  test('what was done cannot be changed; what somebody wrote can be deleted', async () => {
    const { requestId } = await open(erasure({ note: 'called twice' }));
    for (const statement of [`update probity.request_event set actor = 'x'`, 'delete from probity.request_event', 'truncate probity.request_event cascade'])
      await expect(shop.query(statement)).rejects.toMatchObject({ code: 'PB011' });
    await shop.query('delete from probity.request_note n using probity.request_event e where e.event_id = n.event_id and e.request_id = $1', [requestId]);
    expect((await read(requestId)).events).toHaveLength(1);
  }); // prettier-ignore
});

describe('the command', () => {
  test('opens, verifies, extends, refuses and replies', async () => {
    const opened = await shop.probity(['request', 'open', '--kind', 'erasure', '--ground', '(a)', 'unlawful', '--subject', 'customer', '--reference', 'T-9'], '300');
    expect(opened).toMatchObject({ code: 0, out: containing('erasure, Art. 17(1)(a)(d)') });
    const id = /R-\d+/.exec(opened.out)![0];
    expect(opened.out).toMatch(/due \d+ \w+, (2[7-9]|30) days left/);
    expect(opened.out).toContain('weekends counted only');
    expect((await shop.probity(['request', 'verify', id, '--ask'])).out).toContain('the clock stands still');
    expect((await shop.probity(['request', 'reply', id])).out).toContain('does not run (Art. 12(6) GDPR)');
    expect((await shop.probity(['request', 'verify', id, '--method', 'login', '--evidence', 'S-2'])).out).toContain('is verified and open');
    expect((await shop.probity(['request', 'extend', id, '--reason', 'complexity'])).out).toContain('Tell them now');
    const status = await shop.probity(['request', 'status', id]);
    expect(status.out.split('\n')).toEqual([
      expect.stringMatching(/^R-\d+ {2}erasure, Art. 17\(1\)\(a\)\(d\) · verified by login · due \d+ \w+, \d+ days left$/),
      expect.stringMatching(/^Clock {7}received .* · by law \(GDPR\) until the end of .* · extended/),
      containing('opened, by tester'), containing('asked for proof, clock stopped'), containing('verified (login)'), containing('extended (complexity)'),
      expect.stringMatching(/^(NOT DONE|Next) /), '',
    ]);
    const watched = await shop.probity(['request', 'status', id, '--watch']);
    expect(watched.code).toBe(3);
    const refused = await shop.probity(['request', 'refuse', id, '--article', '17(3)(e)']);
    expect([refused.code, refused.out.includes('Art. 17(3)(e) GDPR'), refused.out.includes('Art. 77')]).toEqual([0, true, true]);
    expect(await shop.probity(['request', 'status', id, '--watch'])).toMatchObject({ code: 0, out: containing('refused by Art. 17(3)(e) GDPR') });
    expect(await shop.probity(['request', 'cancel', id, '--reason', 'duplicate'])).toMatchObject({ code: 2, err: containing('it was refused') });
    expect(await shop.probity(['request', 'open', '--kind', 'access', '--subject', 'customer', '--by', 'email'], 'twin@example.com')).toMatchObject({ code: 3, err: containing('a person must find out') });
    expect(await shop.probity(['request', 'status', 'R-999999'])).toMatchObject({ code: 2, err: containing('There is no request') });
    const listed = JSON.parse((await shop.probity(['request', 'list', '--json'])).out) as ShownRequest[];
    expect(listed.length).toBeGreaterThan(10);
    expect((await shop.probity(['request', 'list'])).out).toMatch(/^request +what +received +due +left +state\n/);
    for (const [, name] of (await shop.probity(['request', '--help'])).out.matchAll(/^ {2}([a-z]+) /gm))
      expect((await shop.probity(['request', name!, '--help'])).out).toContain(name === 'help' ? '' : 'Examples:');
  }); // prettier-ignore

  test('a file: good lines are kept, bad ones told, and again it opens nothing twice', async () => {
    const file = join(shop.folder, 'requests.csv');
    const rejects = join(shop.folder, 'rejected.csv');
    const lines = [
      'reference,kind,ground,purpose,key,email,received',
      'B-1,erasure,a d,,301,,2026-11-01',
      'B-2,access,,,,c302@example.com,',
      'B-3,withdrawal,,newsletter,303,,2026-11-02T10:00',
      'B-4,erasure,,,304,,',
      'B-5,forget,,,305,,',
      'B-6,access,,,,twin@example.com,',
      'B-7,access,,,999999,,',
      'B-8,access,,,306,,yesterday',
      'B-1,erasure,a d,,301,,2026-11-01',
      'B-9,access,,,307',
      'B-1,access,,,308,,',
    ];
    writeFileSync(file, lines.join('\n'));
    const run = () => shop.probity(['request', 'open', '--bulk', file, '--subject', 'customer', '--rejects', `${rejects}${next++}`]);
    const first = await run();
    expect([first.code, first.out]).toEqual([1, containing('3 opened, 0 joined one that is open, 1 known · 11 lines')]);
    const told = first.err.split('\n').filter((line) => line.startsWith('line'));
    expect(told.map((line) => Number(/^line (\d+): .{15}/.exec(line)![1])).sort((a, b) => a - b)).toEqual([5, 6, 7, 8, 9, 11, 12]);
    for (const reason of [
      'line 5: an erasure needs a ground',
      'line 6: kind: there is no such kind',
      'line 9: received is not a time',
      'line 11: has 5 fields',
      'line 12: under this reference',
    ])
      expect(first.err).toContain(reason);
    expect(readFileSync(`${rejects}${next - 1}`, 'utf8').split('\n')[0]).toBe(lines[0]);
    const counted = async () =>
      (await shop.query<{ n: string }>('select count(*)::text as n, sum(repeats)::text as repeats from probity.request'))[0];
    const before = await counted();
    expect((await run()).out).toContain('0 opened, 0 joined one that is open, 4 known');
    expect(await counted()).toEqual(before);
  });
});

test('no identity stands in a request, in what is said of it, or in an error', async () => {
  const canary = `canary${randomBytes(6).toString('hex')}`;
  await shop.query(`insert into customer values (900, $1, $2, 'DE', 1980, null)`, [`${canary}@example.com`, `${canary}-phone`]);
  const said: string[] = [];
  const run = async (args: readonly string[], input = ''): Promise<void> => {
    const { out, err } = await shop.probity(args, input);
    said.push(out, err);
  };
  const open_ = ['request', 'open', '--subject', 'customer', '--by', 'email', '--kind'];
  await run([...open_, 'erasure', '--ground', 'unlawful', '--reference', `${canary}-ref`], `${canary}@example.com`);
  await run([...open_, 'access', '--unknown'], `new-${canary}@example.com`);
  await run([...open_, 'access'], `nobody-${canary}@example.com`);
  await run([...open_, canary], canary);
  await run(['request', 'open', '--kind', 'withdrawal', '--purpose', 'newsletter', '--subject', 'customer'], canary);
  await run(['request', 'open', '--kind', 'access', '--email', canary]);
  await run(['request', 'status', canary]);
  const file = join(shop.folder, `${randomBytes(4).toString('hex')}.jsonl`);
  writeFileSync(file, [`{"email":"${canary}@example.com","kind":"portability","reference":"${canary}"}`, `{"email":"${canary}","kind":"${canary}","${canary}":1}`, `{"${canary}`,
    `{"key":"${canary}","kind":"access","received":"${canary}"}`, `{"email":"${canary}-2@example.com","kind":"access","purpose":"${canary}"}`].join('\n')); // prettier-ignore
  await run(['request', 'open', '--bulk', file, '--subject', 'customer', '--json']);
  await run(['request', 'list']);
  const ids = (await listRequests(shop.project, 1_000)).map(({ id }) => id);
  for (const id of ids.slice(-3)) for (const verb of ['status', 'reply']) await run(['request', verb, id]);
  const project = await openProject(shop.env['PROBITY_MANIFEST']!, shop.env);
  try {
    for (const wrong of [{ kind: canary }, { kind: 'access', key: [`${canary}\0`] }, { kind: 'access', [canary]: 1 }, { kind: 'access', reference: canary.repeat(100) }])
      said.push(await refusal(() => openRequests(project, [{ subject: 'customer', key: [900], ...wrong } as never], BY)).catch((error: Error) => `${error.stack} ${JSON.stringify(error)}`)); // prettier-ignore
  } finally {
    await project.close();
  }
  const tables = await shop.query<{ text: string }>(
    `select string_agg(it, ' ') as text from (
       select r::text as it from probity.request r union all select f::text from probity.request_reference f
       union all select e::text from probity.request_event e union all select n::text from probity.request_note n) all_of_it`,
  );
  said.push(tables[0]!.text);
  expect(said.join('\n').length).toBeGreaterThan(5_000);
  expect(said.filter((text) => text.includes(canary))).toEqual([]);
}); // prettier-ignore
