import { expect, test } from 'vitest';
import { ofAge } from '../../../domain/permission/age.ts';
import { permission } from '../../../domain/permission/permission.ts';
import { permissionRules } from '../../../domain/permission/rules.ts';
import type { ConsentRecord, SubjectFacts } from '../../../domain/permission/types.ts';
import { manifestOf } from '../../permission/manifests.ts';

const micros = (text: string): number => Date.parse(text) * 1000;
const rules = permissionRules(
  manifestOf(
    {
      news: { basis: { default: 'consent', email: 'soft_opt_in' }, channels: ['email', 'web'] },
      adult: { basis: 'consent', minimum_age: 16, expires: 'P1Y', double_opt_in: true },
      ads: { basis: { default: 'consent', ccpa: 'opt_out' } },
      books: { basis: 'legal_obligation' },
      use: { basis: 'contract' },
    },
    'Europe/Berlin',
  ).manifest,
);
const known: SubjectFacts = { known: true, regime: 'gdpr', birth: '2000-01-01', ends: {} };
let last = 0;
function said(purpose: string, decision: ConsentRecord['decision'], at: string, more: Partial<ConsentRecord> = {}): ConsentRecord {
  const time = micros(at);
  const fixed = { source: 'self', linkedAt: -Infinity, channel: null, givenBy: 'self', basis: 'consent', expiresAt: null } as const;
  return { id: ++last, purpose, decision, capturedAt: time, receivedAt: time, ...fixed, ...more };
}
const ask = (purpose: string, history: readonly ConsentRecord[], facts: Partial<SubjectFacts> = {}, channel: string | null = null) => {
  const { allowed, reason, record } = permission(
    rules,
    history,
    { ...known, ...facts },
    { purpose, channel, at: micros('2026-06-01T00:00Z') },
  );
  return [allowed, reason, record === null ? null : history.findIndex((it) => it.id === record)];
};

test('the rules of purposes on which all regimes agree are one row a channel', () => {
  expect(rules.map((it) => [it.purpose, it.regime, it.channel, it.basis])).toEqual([
    ['news', '*', 'email', 'soft_opt_in'],
    ['news', '*', 'web', 'consent'],
    ['adult', '*', '', 'consent'],
    ['ads', 'gdpr', '', 'consent'],
    ['ads', 'ccpa', '', 'opt_out'],
    ['books', '*', '', 'legal_obligation'],
    ['use', '*', '', 'contract'],
  ]);
});

test('an answer says why, and which record decided', () => {
  const grant = said('news', 'granted', '2026-01-01');
  expect(ask('news', [grant], {}, 'web')).toEqual([true, 'granted', 0]);
  expect(ask('news', [said('news', 'asked', '2026-01-01')])).toEqual([true, 'offered', 0]);
  expect(ask('news', [], {}, 'email')).toEqual([false, 'not_asked', null]);
  expect(ask('news', [], {}, 'web')).toEqual([false, 'no_consent', null]);
  expect(ask('news', [], {}, 'fax')).toEqual([false, 'unknown_channel', null]);
  expect(ask('novel', [])).toEqual([false, 'unknown_purpose', null]);
  expect(ask('use', [])).toEqual([true, 'basis_holds', null]);
  expect(ask('use', [], { known: false })).toEqual([false, 'unknown_subject', null]);
  expect(ask('use', [], { ends: { use: micros('2026-06-01') } })).toEqual([false, 'ended', null]);
  expect(ask('use', [said('*', 'restricted', '2026-01-01')])).toEqual([false, 'restricted', 0]);
  expect(ask('books', [said('*', 'restricted', '2026-01-01')])).toEqual([true, 'basis_holds', null]);
  expect(ask('news', [grant, said('news', 'withdrawn', '2026-01-01')], {}, 'web')).toEqual([false, 'withdrawn', 1]);
  expect(ask('ads', [], { regime: 'ccpa' })).toEqual([true, 'basis_holds', null]);
  expect(ask('ads', [], { regime: null })).toEqual([false, 'no_consent', null]);
  expect(ask('ads', [], { regime: 'lgpd' })).toEqual([false, 'unknown_regime', null]);
  expect(ask('ads', [], { regime: 'ccpa', birth: null })).toEqual([false, 'unknown_age', null]);
});

test('consent under double opt-in, with an age and an end', () => {
  const pending = said('adult', 'pending', '2026-01-01');
  const grant = said('adult', 'granted', '2026-01-02');
  expect(ask('adult', [pending])).toEqual([false, 'unconfirmed', 0]);
  expect(ask('adult', [grant])).toEqual([false, 'unconfirmed', 0]);
  expect(ask('adult', [pending, grant])).toEqual([true, 'granted', 1]);
  expect(ask('adult', [pending, grant], { birth: null })).toEqual([false, 'unknown_age', 1]);
  expect(ask('adult', [pending, grant], { birth: '2010-01-03' })).toEqual([false, 'under_age', 1]);
  expect(ask('adult', [pending, grant], { birth: '2010-01-02' })).toEqual([true, 'granted', 1]);
  expect(ask('adult', [pending, said('adult', 'granted', '2026-01-02', { givenBy: 'parent' })], { birth: null })).toEqual([
    true,
    'granted',
    1,
  ]);
  expect(ask('adult', [said('adult', 'pending', '2025-05-30'), said('adult', 'granted', '2025-05-31')])).toEqual([false, 'expired', 1]);
});

test('on linking the stricter answer wins until somebody who knows of both says otherwise', () => {
  const device = { source: 'device', linkedAt: micros('2026-03-01') };
  const refused = said('news', 'refused', '2026-01-01', device);
  expect(ask('news', [refused, said('news', 'granted', '2026-02-01')], {}, 'web')).toEqual([false, 'refused', 0]);
  expect(ask('news', [refused, said('news', 'granted', '2026-03-01')], {}, 'web')).toEqual([true, 'granted', 1]);
});

test('what a later manifest says rescues nothing', () => {
  expect(ask('use', [said('use', 'withdrawn', '2026-01-01')])).toEqual([false, 'withdrawn', 0]);
  expect(ask('use', [said('use', 'withdrawn', '2026-01-01', { basis: 'contract' })])).toEqual([true, 'basis_holds', null]);
  const promised = said('news', 'granted', '2026-01-01', { expiresAt: micros('2026-05-01') });
  expect(ask('news', [promised], {}, 'web')).toEqual([false, 'expired', 0]);
});

test('an age is reached at local midnight, on 1 March for those born on 29 February', () => {
  const at = (text: string): boolean | null => ofAge('2008-02-29', 18, micros(text), 'Europe/Berlin');
  expect(at('2026-02-28T22:59:59.999Z')).toBe(false);
  expect(at('2026-02-28T23:00:00Z')).toBe(true);
  expect(ofAge('2008-02-29', 16, micros('2024-02-28T23:00:00Z'), 'Europe/Berlin')).toBe(true);
  expect(ofAge(null, 16, 0, 'UTC')).toBe(null);
});
