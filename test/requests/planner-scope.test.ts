import { describe, expect, test } from 'vitest';
import { erasureScope, remainingPurposes, type ErasureRequest, type PurposeFacts } from '../../domain/requests/remaining.ts';
import { parseManifestText } from '../../manifest/load.ts';

const { manifest } = parseManifestText(`organisation: O
stores: { shop: { url: x } }
regimes: { default: gdpr, map: { US-CA: ccpa } }
purposes:
  deliver: { basis: contract, while: ordered }
  books: { basis: legal_obligation }
  task: { basis: public_task, objection: balanced }
  health: { basis: vital_interests }
  stats: { basis: legitimate_interests, objection: balanced, assessment: L }
  post: { basis: legitimate_interests, objection: absolute, assessment: L }
  ads: { basis: consent }
  news: { basis: { default: consent, email: soft_opt_in }, channels: [email] }
  sale: { basis: { default: consent, ccpa: opt_out } }
`);

type Answers = Record<string, PurposeFacts['answers'][string]>;
const NAMES = Object.keys(manifest!.purposes);
const ALLOWED: Answers = Object.fromEntries(NAMES.map((it) => [it, { allowed: true, reason: 'basis_holds' }]));
const request = (more: Partial<ErasureRequest>): ErasureRequest => ({
  kind: 'erasure',
  grounds: [],
  purposes: [],
  channel: null,
  upheld: [],
  ...more,
});
const scope = (more: Partial<ErasureRequest>, answers: Answers = {}, regime: string | null = 'gdpr') => {
  const { ended, remaining } = erasureScope(request(more), { regime, answers: { ...ALLOWED, ...answers } }, manifest!);
  return { ended, remaining: remaining.map((it) => it.purpose) };
};
const without = (...names: string[]): string[] => NAMES.filter((it) => !names.includes(it)).sort();

describe('erasure of everything', () => {
  test.each(['no_longer_necessary', 'unlawful', 'legal_duty', 'child'] as const)(
    '%s leaves duties, tasks and a live contract',
    (ground) => {
      expect(remainingPurposes(request({ grounds: [ground] }), { regime: 'gdpr', answers: ALLOWED }, manifest!)).toEqual([
        { purpose: 'books', basis: 'legal_obligation', article: 'Art. 17(3)(b)' },
        { purpose: 'deliver', basis: 'contract', article: 'Art. 6(1)(b)' },
        { purpose: 'health', basis: 'vital_interests', article: 'Art. 6(1)(d)' },
        { purpose: 'task', basis: 'public_task', article: 'Art. 17(3)(b)' },
      ]);
      expect(scope({ grounds: [ground] }).ended).toBeNull();
    },
  );

  test('a contract that has ended keeps nothing, and neither does any other purpose after its end', () => {
    const ended = { allowed: false, reason: 'ended' } as const;
    expect(scope({ grounds: ['unlawful'] }, { deliver: ended, books: ended }).remaining).toEqual(['health', 'task']);
  });

  test('a contract that ends on request is over with a demand to erase everything, and with nothing else', () => {
    const ends = { ...manifest!, purposes: { ...manifest!.purposes, deliver: { ...manifest!.purposes['deliver']!, endsOnRequest: true } } };
    const left = (more: Partial<ErasureRequest>): string[] =>
      remainingPurposes(request(more), { regime: 'gdpr', answers: ALLOWED }, ends).map((it) => it.purpose);
    for (const ground of ['no_longer_necessary', 'unlawful', 'legal_duty', 'child'] as const)
      expect(left({ grounds: [ground] })).toEqual(['books', 'health', 'task']);
    expect(left({ kind: 'withdrawal', purposes: ['*'] })).toContain('deliver');
    expect(left({ grounds: ['consent_withdrawn'], purposes: ['*'] })).toContain('deliver');
    expect(left({ kind: 'objection', purposes: ['*'], upheld: ['*'] })).toContain('deliver');
    expect(left({ kind: 'access' })).toContain('deliver');
  });

  test('of somebody whom nobody knows, only what the law demands stays', () => {
    const { remaining } = erasureScope(request({ grounds: ['unlawful'] }), { regime: null, answers: {} }, manifest!);
    expect(remaining.map((it) => it.purpose)).toEqual(['books', 'health']);
  });

  test('beside a withdrawal it is still of everything', () => {
    const both = scope({ grounds: ['no_longer_necessary', 'consent_withdrawn'], purposes: ['ads'] });
    expect(both).toEqual({ ended: null, remaining: ['books', 'deliver', 'health', 'task'] });
  });
});

describe('withdrawal', () => {
  const withdraw = { kind: 'withdrawal' } as const;

  test('ends what was consented to and nothing else', () => {
    expect(scope({ ...withdraw, purposes: ['ads'] })).toEqual({ ended: ['ads'], remaining: without('ads') });
    expect(scope({ ...withdraw, purposes: ['*'] })).toEqual({ ended: ['ads', 'news', 'sale'], remaining: without('ads', 'news', 'sale') });
    expect(scope({ ...withdraw, purposes: ['deliver'] })).toEqual({ ended: [], remaining: without() });
    expect(scope({ grounds: ['consent_withdrawn'], purposes: ['ads'] }).ended).toEqual(['ads']);
  });

  test('of one channel erases nothing', () => {
    expect(scope({ ...withdraw, purposes: ['ads'], channel: 'email' })).toEqual({ ended: [], remaining: without() });
  });

  test('an opt-out stops a sale and erases nothing; of an unknown regime the strictest counts', () => {
    expect(scope({ ...withdraw, purposes: ['sale'] }, {}, 'ccpa').ended).toEqual([]);
    expect(scope({ ...withdraw, purposes: ['sale'] }, {}, null).ended).toEqual(['sale']);
  });

  test('only a basis in force keeps: restricted data and an objection that nobody has weighed do, what was refused does not', () => {
    const no = (reason: 'withdrawn' | 'no_consent' | 'restricted' | 'objected' | 'objection_upheld' | 'under_age') => ({
      allowed: false,
      reason,
    });
    const answers = {
      news: no('withdrawn'),
      sale: no('no_consent'),
      deliver: no('restricted'),
      stats: no('objected'),
      post: no('objected'),
    };
    expect(scope({ ...withdraw, purposes: ['ads'] }, answers).remaining).toEqual(without('ads', 'news', 'sale', 'post'));
    expect(scope({ ...withdraw, purposes: ['ads'] }, { stats: no('objection_upheld') }).remaining).toEqual(without('ads', 'stats'));
    expect(scope({ ...withdraw, purposes: ['ads'] }, { deliver: no('under_age') }).remaining).toEqual(without('ads', 'deliver'));
  });
});

describe('objection', () => {
  const object = { kind: 'objection' } as const;

  test('ends at once what is objected to absolutely, and the rest when it is upheld', () => {
    expect(scope({ ...object, purposes: ['post', 'stats'] })).toEqual({ ended: ['post'], remaining: without('post') });
    expect(scope({ ...object, purposes: ['stats'], upheld: ['stats'] }).ended).toEqual(['stats']);
    expect(scope({ ...object, purposes: ['task'], upheld: ['*'] }).ended).toEqual(['task']);
  });

  test('ends a consent, and never a contract or a duty', () => {
    expect(scope({ ...object, purposes: ['*'], upheld: ['*'] }).remaining).toEqual(['books', 'deliver', 'health']);
  });
});

test('other requests end nothing, whatever they name', () => {
  for (const kind of ['restriction', 'access', 'portability', 'rectification'] as const) {
    expect(scope({ kind, grounds: ['unlawful'], purposes: ['*'] })).toEqual({ ended: [], remaining: without() });
  }
  expect(scope({ grounds: [], purposes: ['*'] }).ended).toEqual([]);
});

test('whoever is in the same situation gets the same scope, in whatever order the purposes are declared', () => {
  const purposes = Object.fromEntries(Object.entries(manifest!.purposes).reverse());
  const facts = { regime: 'gdpr', answers: ALLOWED };
  const asked = request({ kind: 'withdrawal', purposes: ['*'] });
  expect(erasureScope(asked, facts, { ...manifest!, purposes })).toEqual(erasureScope(asked, facts, manifest!));
});
