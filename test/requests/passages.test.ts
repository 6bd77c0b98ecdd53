import { describe, expect, test } from 'vitest';
import { MARK, passagesIn, redactDocument, redactText } from '../../domain/requests/passages.ts';
import { findTerms, indexTerms, termsOf } from '../../domain/requests/tokens.ts';
import { createRandom } from '../../scripts/sample/random.ts';

const CALLED = [{ subject: 'customer', identity: 'key', names: ['customer', 'customer_id'] }];
const of = (identity: string, part: string, person = 0) => termsOf({ person, subject: 'customer', identity, parts: [part] }, true, CALLED);
const INDEX = indexTerms(
  [
    ...of('key', '17'),
    ...of('email', 'Sunny.Day44@example.org'),
    ...of('phone', '+49 170 5550006'),
    ...of('name', 'Nora Quell'),
    ...of('card', 'AB-123456'),
  ],
  CALLED,
);

describe('only the words that name somebody go', () => {
  test.each([
    ['write to sunny.day44@example.org, please', `write to ${MARK}, please`],
    ['<SUNNY.DAY44@Example.org>; sunny.day44@example.org.au', `<${MARK}>; sunny.day44@example.org.au`],
    ['from=sunny.day44+shop@example.org&to=x@example.org', `from=${MARK}&to=x@example.org`],
    ['/find?mail=sunny.day44%40example.org&p=2', `/find?mail=${MARK}&p=2`],
    ['call +49 170 5550006 or +49 170 5550007', `call ${MARK} or +49 170 5550007`],
    ['her number: 0170/5550006!', `her number: ${MARK}!`],
    ['Quell, Nora came with Peter Quell', `${MARK} came with Peter Quell`],
    ['Nora came, and so did Peter; Quell left', `${MARK} came, and so did Peter; ${MARK} left`],
    ['customer 17 has 17 apples', `customer ${MARK} has 17 apples`],
    ['the cards ab-123456 and ab-1234567', `the cards ${MARK} and ab-1234567`],
    ['of nobody', 'of nobody'],
  ])('%s', (text, redacted) => {
    expect(redactText(text, INDEX)).toBe(redacted);
  });

  test('of a document its texts, not its form', () => {
    const json = '{"n": 12345678901234567890, "to": ["sunny.day44@example.org", "x"], "say": "a\\nNora Quell \\"b\\""}';
    expect(redactDocument(json, INDEX)).toBe(`{"n": 12345678901234567890, "to": ["${MARK}", "x"], "say": "a\\n${MARK} \\"b\\""}`);
    // What is no text of it cannot be replaced.
    expect(redactDocument('{"customer_id": 17}', INDEX)).toBeNull();
    expect(redactDocument('{"sunny.day44@example.org": 1}', INDEX)).toBeNull();
  });
});

const HERS = [
  'sunny.day44@example.org',
  'Sunny.Day44+x@EXAMPLE.org',
  'sunny.day44%40example.org',
  '+49 170 5550006',
  '0170-5550006',
  'Nora Quell',
  'customer 17',
  'AB-123456',
];
const OTHERS = ['an.other@example.org', '+49 30 1234567', 'Peter', 'order 18', 'AC-123456', 'umbrella', '17', '—', 'x=1', '("ok")', 'Ünal'];
const BETWEEN = [' ', ', ', '; ', '\n', ' – ', ' / '];

test('whatever stands around it, nothing is found afterwards, and everybody else’s words are there', () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = createRandom(seed);
    const words = Array.from({ length: 1 + random.below(14) }, () => random.pick(random.below(3) === 0 ? HERS : OTHERS));
    const text = words.map((word) => word + random.pick(BETWEEN)).join('');
    const now = redactText(text, INDEX);
    expect(now, text).not.toBeNull();
    expect([...findTerms(now!, INDEX)], text).toEqual([]);
    for (const word of ['an.other@example.org', 'umbrella', 'AC-123456', '("ok")', 'Ünal'])
      expect(now!.split(word).length, `${text} → ${now!}`).toBe(text.split(word).length);
    if (findTerms(text, INDEX).size === 0) expect(now).toBe(text);
    else expect(passagesIn(text, INDEX).length).toBeGreaterThan(0);
  }
});
