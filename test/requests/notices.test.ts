import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { signNotice, verifyNotice } from '../../domain/requests/notice-signature.ts';
import {
  nextAttempt,
  noticeText,
  receivedBy,
  recipientsToTell,
  silentDays,
  type ChangedData,
  type Notice,
} from '../../domain/requests/notices.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';

const recipient = (receives: string[], more: object = {}): NonNullable<ManifestInput['recipients']>[string] => ({
  role: 'processor',
  receives,
  notify: { webhook: '${URL}' },
  ...more,
});

function manifestWith(recipients: ManifestInput['recipients']): Manifest {
  const { manifest, problems } = parseManifestValue({
    organisation: 'Told',
    stores: { shop: { url: 'postgres://unused', home: true }, desk: { url: 'postgres://unused' } },
    purposes: { news: { basis: 'consent' }, tax: { basis: 'legal_obligation' } },
    subjects: {
      customer: { table: 'shop.public.customer', key: 'id', identities: { email: 'mail', phone: 'tel' } },
      member: { table: 'shop.public.member', key: ['club', 'no'], identities: { email: 'mail' } },
    },
    tables: {
      'shop.public.customer': { purposes: ['news'] },
      'shop.public.member': { purposes: ['news'] },
      'shop.public.visit': { purposes: ['news'] },
      'desk.public.ticket': { purposes: ['news'] },
    },
    references: [{ from: 'desk.public.ticket.who', to: 'customer.email' }],
    recipients: recipients!,
  });
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  return manifest!;
}

const changed = (more: Partial<ChangedData> = {}): ChangedData => ({
  class: 0,
  subject: 'customer',
  remaining: ['tax'],
  ended: null,
  tables: new Map([['shop.public.customer', ['mail', 'name']]]),
  ...more,
});

test('a recipient knows people by what it receives, and by nothing else', () => {
  const identities = (...receives: string[]) => receivedBy(manifestWith({}), { receives }).identities;
  expect(identities('customer.email')).toEqual(['customer.email']);
  expect(identities('customer.mail')).toEqual(['customer.email']);
  expect(identities('customer.name')).toEqual([]);
  expect(identities('customer.id')).toEqual(['customer.key']);
  expect(identities('customer.*')).toEqual(['customer.email', 'customer.key', 'customer.phone']);
  expect(identities('shop.public.customer.tel')).toEqual(['customer.phone']);
  expect(identities('desk.public.ticket.who', 'desk.public.ticket.body')).toEqual(['customer.email']);
  expect(identities('member.club')).toEqual([]);
});

test('who received a column that goes is told, about the people of whom it goes; whoever knows nobody is told by a person', () => {
  const manifest = manifestWith({
    mailer: recipient(['customer.email']),
    texts: recipient(['customer.phone']),
    names: recipient(['customer.name']),
    visits: recipient(['shop.public.visit.url']),
    crm: recipient(['customer.*'], { notify: { activity: 'forget', taskQueue: 'crm' } }),
    club: recipient(['member.email']),
    ads: recipient(['customer.phone'], { purposes: ['news'] }),
    bank: recipient(['customer.phone'], { purposes: ['tax'] }),
  });
  const told = (...some: ChangedData[]) => recipientsToTell(manifest, some).map(({ recipient: name, way }) => `${name} ${way}`);
  expect(told(changed())).toEqual(['mailer webhook', 'names task', 'crm activity', 'ads webhook']);
  expect(told(changed({ tables: new Map([['shop.public.visit', null]]), ended: [] }))).toEqual(['visits task', 'crm activity']);
  expect(told(changed({ tables: new Map(), ended: ['news'] }))).toEqual(['ads webhook']);
  expect(told(changed({ tables: new Map(), ended: [] }))).toEqual([]);
  const two = [changed({ tables: new Map(), ended: [] }), changed({ class: 1 }), changed({ class: 2, subject: 'member' })];
  expect(recipientsToTell(manifest, two).find((it) => it.recipient === 'mailer')).toEqual({
    recipient: 'mailer',
    way: 'webhook',
    classes: [1],
    identities: ['customer.email'],
  });
});

test.each([30, 10])('attempts come quickly, then hourly, then daily, and end after %i days', (days) => {
  const first = new Date('2026-01-01T00:00:00Z');
  const times: number[] = [];
  for (let now = first, attempts = 1; ; attempts++) {
    const next = nextAttempt({ attempts, first, now, patienceDays: days });
    if (next === null) break;
    times.push((next.getTime() - now.getTime()) / 60_000);
    now = next;
    expect(attempts).toBeLessThan(100);
  }
  expect(times.slice(0, 5)).toEqual([10 / 60, 1, 5, 15, 60]);
  expect(times.filter((minutes) => minutes === 60)).toHaveLength(24);
  expect(times.at(-1)).toBe(24 * 60);
  expect(times.reduce((sum, minutes) => sum + minutes, 0)).toBeLessThanOrEqual(days * 24 * 60);
  expect(times.filter((minutes) => minutes === 24 * 60)).toHaveLength(days - 2);
});

test('silence is said after days, of programs only, and never of what is settled', () => {
  const notice = (more: Partial<Notice>): Notice => ({
    id: 'x',
    request: 'R-1',
    run: 'r',
    recipient: 'ads',
    news: 'erasure',
    way: 'webhook',
    classes: [0],
    identities: [],
    people: 1,
    pages: 1,
    state: 'open',
    attempts: 2,
    openedAt: new Date('2026-01-01T00:00:00Z'),
    patienceDays: 30,
    silentAfterDays: 3,
    firstAttemptAt: null,
    lastAttemptAt: null,
    nextAttemptAt: null,
    settledAt: null,
    settledBy: null,
    problem: null,
    ...more,
  });
  const day = (n: number): Date => new Date(Date.UTC(2026, 0, 1 + n));
  expect([2, 3, 6].map((n) => silentDays(notice({ state: 'sent' }), day(n)))).toEqual([null, 3, 6]);
  expect(silentDays(notice({ state: 'sent', silentAfterDays: 5 }), day(4))).toBeNull();
  expect(silentDays(notice({ state: 'acknowledged' }), day(6))).toBeNull();
  expect(silentDays(notice({ way: 'task' }), day(6))).toBeNull();
  expect(noticeText(notice({ state: 'sent' }), day(6))).toBe('ads SILENT 6 days');
  expect(noticeText(notice({ problem: 'http_503' }), day(1))).toBe('ads not reached (http 503), 2 attempts');
  expect(noticeText(notice({ way: 'task' }), day(9))).toBe('ads task open');
});

test('a signature holds for its body, its time and its key', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const at = new Date('2026-01-01T00:00:00Z');
  const header = signNotice('{"a":1}', at, privateKey);
  const check = (body: string, shown: string | undefined, key = publicKey, now = at) => verifyNotice(body, shown, key, { now });
  expect(check('{"a":1}', header)).toBe(true);
  expect(check('{"a":2}', header)).toBe(false);
  expect(
    check(
      '{"a":1}',
      header.replace(/t=(\d+)/, (_, t: string) => `t=${Number(t) + 1}`),
    ),
  ).toBe(false);
  expect(check('{"a":1}', header, generateKeyPairSync('ed25519').publicKey)).toBe(false);
  expect(check('{"a":1}', header, publicKey, new Date(at.getTime() + 600_000))).toBe(false);
  for (const shown of [undefined, '', 'anything', header.slice(0, -4)]) expect(check('{"a":1}', shown)).toBe(false);
});
