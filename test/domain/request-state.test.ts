import { describe, expect, test } from 'vitest';
import { articlesFor, refusalArticle } from '../../domain/requests/articles.ts';
import { replyText, type ReplyFacts } from '../../domain/requests/reply.ts';
import {
  isOver,
  LEDGER_KINDS,
  move,
  needsVerification,
  REQUEST_KINDS,
  REQUEST_STATES,
  REQUEST_VERBS,
} from '../../domain/requests/state.ts';

describe('states', () => {
  test('what is over stays over, but for what is found later', () => {
    for (const kind of REQUEST_KINDS)
      for (const state of REQUEST_STATES.filter(isOver))
        for (const verb of REQUEST_VERBS)
          expect([kind, state, verb, 'state' in move(kind, state, verb)]).toEqual([
            kind,
            state,
            verb,
            verb === 'reopen' && state === 'closed',
          ]);
  });

  test('every verb leads to a state, or to a sentence that names it', () => {
    for (const kind of REQUEST_KINDS)
      for (const state of REQUEST_STATES)
        for (const verb of REQUEST_VERBS) {
          const found = move(kind, state, verb);
          if ('state' in found) expect(REQUEST_STATES).toContain(found.state);
          else expect(found.refused).toMatch(/^[A-Z].{15,}/);
        }
  });

  test('nothing is planned before its requester is known, or approved before it is planned', () => {
    for (const kind of REQUEST_KINDS.filter(needsVerification)) {
      for (const state of ['received', 'verifying'] as const)
        for (const verb of ['plan', 'approve', 'start', 'finish', 'answer'] as const)
          expect(move(kind, state, verb)).toHaveProperty('refused');
      expect(move(kind, 'open', 'start')).toHaveProperty('refused');
      expect(move(kind, 'planned', 'start')).toHaveProperty('refused');
    }
  });

  test('the way of an erasure and of a withdrawal', () => {
    const way = (
      kind: (typeof REQUEST_KINDS)[number],
      from: (typeof REQUEST_STATES)[number],
      verbs: readonly (typeof REQUEST_VERBS)[number][],
    ) =>
      verbs.reduce((state, verb) => {
        const found = move(kind, state, verb);
        if ('refused' in found) throw new Error(found.refused);
        return found.state;
      }, from);
    expect(way('erasure', 'received', ['ask', 'verify', 'plan', 'revise', 'plan', 'approve', 'start', 'finish'])).toBe('closed');
    expect(way('withdrawal', 'open', ['suppress', 'plan', 'approve', 'start', 'finish', 'reopen'])).toBe('suppressed');
    expect(way('rectification', 'received', ['verify', 'answer'])).toBe('closed');
  });

  test('leaving is as easy as joining', () => {
    for (const kind of LEDGER_KINDS)
      expect([needsVerification(kind), move(kind, 'open', 'verify')]).toEqual([
        false,
        { refused: expect.stringContaining('no verification') as string },
      ]);
    expect(move('withdrawal', 'suppressed', 'refuse')).toEqual({
      refused: 'A withdrawal cannot be refused (Art. 7(3) GDPR): it is in force',
    });
    // Not before every store has followed: those that have not must still hear of it.
    expect(move('withdrawal', 'open', 'cancel')).toEqual({ refused: 'It cannot be cancelled: not every store has followed yet' });
  });
});

describe('articles', () => {
  test.each(['17(3)(b)', 'Art. 17(3)(b)', 'art.17 (3)(b) GDPR'])('%s', (given) => {
    expect(refusalArticle(given, 'erasure')?.code).toBe('17(3)(b)');
  });

  test('an article is of its kind, and none is of a withdrawal', () => {
    expect(refusalArticle('17(3)(b)', 'access')).toBeNull();
    expect(refusalArticle('12(5)-excessive', 'access')?.article).toBe('Art. 12(5)(b) GDPR');
    expect(articlesFor('withdrawal')).toEqual([]);
  });
});

describe('replies', () => {
  const facts: ReplyFacts = {
    id: 'R-1001', kind: 'erasure', purpose: null, state: 'refused', law: 'gdpr', received: '3 November 2026', due: '3 December 2026', extended: false,
    refusal: refusalArticle('17(3)(b)', 'erasure'), organisation: 'Acme', controller: null,
  }; // prettier-ignore

  test('a refusal names its article, the complaint and the courts', () => {
    const text = replyText(facts);
    for (const part of [
      'Art. 17(3)(b) GDPR',
      'the law obliges us to keep',
      'supervisory authority',
      'Art. 77',
      'Art. 79',
      'R-1001',
      '3 November 2026',
    ])
      expect(text).toContain(part);
    expect(replyText({ ...facts, law: 'california' })).toContain('California Privacy Protection Agency');
  });

  test('every state of every kind has words', () => {
    for (const kind of REQUEST_KINDS)
      for (const state of REQUEST_STATES) expect(replyText({ ...facts, kind, state }).split('\n').length).toBeGreaterThan(7);
    expect(replyText({ ...facts, state: 'open', extended: true })).toContain('need more time');
  });
});
