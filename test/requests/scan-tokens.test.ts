import { expect, test } from 'vitest';
import { phoneForm, phonesIn, samePhone } from '../../domain/requests/phones.ts';
import { calledNames } from '../../domain/requests/called.ts';
import { findTerms, indexTerms, searchable, termsOf } from '../../domain/requests/tokens.ts';

const ADDRESS = 'Anna.Muster@Example.com';
const NUMBER = '+49 (0)170 1234567';
const ID = '6f1e2d3c-aaaa-4bbb-8ccc-123456789abc';

function finds(identity: string, parts: readonly string[], text: string, names = false): boolean {
  const terms = termsOf({ person: 1, subject: 'customer', identity, parts }, names);
  return findTerms(text, indexTerms(terms)).size > 0;
}

test.each([
  'anna.muster@example.com',
  'ANNA.MUSTER@EXAMPLE.COM',
  'Write to <anna.muster@example.com>.',
  'mailto:anna.muster@example.com?subject=x',
  '{"to":["other@example.com","anna.muster@example.com"]}',
  String.raw`{"text":"Dear team,\nanna.muster@example.com\twrote"}`,
  String.raw`{"to":"anna.muster\u0040example.com"}`,
  '?email=anna.muster%40example.com&x=1',
  '?next=%2Flogin%3Femail%3Danna.muster%2540example.com',
  'q=write+to+anna.muster%40example.com',
  'anna.muster+shop@example.com',
  'anna.muster%2Bshop%40example.com',
  'anna.muster&#64;example.com',
  "'anna.muster@example.com'",
  '**anna.muster@example.com**',
  'user|anna.muster@example.com|42',
])('the address is found in %s', (text) => expect(finds('email', [ADDRESS], text)).toBe(true));

test.each([
  'joanna.muster@example.com',
  'hanna_anna.muster@example.com',
  'anna.muster@example.com.au',
  'anna.muster@example.co',
  'anna.muster@sub.example.com',
  'anna.muster at example.com',
  'muster@example.com',
  'annaXmuster@example.com',
])('a look-alike is none: %s', (text) => expect(finds('email', [ADDRESS], text)).toBe(false));

test.each([
  '+491701234567',
  '0049 170 1234567',
  '0170/123 45 67',
  '(0170) 1234567',
  '+49 (170) 123-4567',
  '+49(0)170-1234567',
  '1701234567',
  '491701234567@s.whatsapp.net',
  'tel:+49%20170%201234567',
  'call 0170 1234567 2024 times',
  '12 01701234567',
  '030 999999, 0170 1234567',
  '030 99 1701234567',
  String.raw`{"a": "030 99\n1701234567"}`,
  '+49\u00a0170\u00a01234567',
  '{"phone": 491701234567}',
])('the number is found in %s', (text) => expect(finds('phone', [NUMBER], text)).toBe(true));

test.each([
  '+33 170 1234567',
  '+1 170 1234567',
  '0171 1234567',
  '0170 12345678',
  '0170 123456',
  '1234567',
  '030 1234567',
  '9901701234567890123',
  'a01701234567',
  '0170\n1234567',
])('another number is none: %s', (text) => expect(finds('phone', [NUMBER], text)).toBe(false));

test.each([ID, ID.toUpperCase(), ID.replaceAll('-', ''), `{${ID}}`, `/user/${ID}/orders`, `x="${ID}"`, `id_${ID}`])(
  'the id is found in %s',
  (text) => expect(finds('key', [ID], text)).toBe(true),
);

test.each([`0${ID}`, `${ID}0`, ID.slice(0, -1), '123456789abc', ID.replace('aaaa', 'aaab')])('another id is none: %s', (text) =>
  expect(finds('key', [ID], text)).toBe(false),
);

test('what is too short for free texts is not looked for there', () => {
  const free = (identity: string, ...parts: string[]) => searchable(termsOf({ person: 1, subject: 'customer', identity, parts }, false));
  expect([free('key', '4711'), free('key', '12345678'), free('key', '1', '2'), free('login', 'jo'), free('login', 'j.doe')]).toEqual(
    Array.from({ length: 5 }, () => false),
  );
  expect([free('key', '123456789'), free('key', 'CUST-0815-77'), free('login', 'annamuster')]).toEqual([true, true, true]);
  // While it is rare.
  expect([free('login', 'anna'), free('login', 'a_muster'), free('user_name', 'Zoe7')]).toEqual([true, true, true]);
  // A placeholder has no form, however long it is.
  expect([free('phone', 'not given'), free('phone', '112'), free('email', 'not-provided')]).toEqual([false, false, false]);
});

test('a short word is found as a whole word', () => {
  expect(finds('login', ['anna'], 'by Anna, or anna_')).toBe(true);
  expect(finds('login', ['anna'], 'by hanna and annas')).toBe(false);
});

test('names are looked for when they are asked for, as whole words', () => {
  expect([finds('name', ['Anna'], 'Hello ANNA', true), finds('name', ['Anna'], 'Hello ANNA', false)]).toEqual([true, false]);
  expect(finds('name', ['Zoë', 'Müller'], 'MÜLLER, Zoë (Frau)', true)).toBe(true);
  expect(finds('name', ['Zoë', 'Müller'], 'Müllermeister Zoë', true)).toBe(false);
  expect(finds('name', ['Zoë', 'Müller'], 'Zoë Müller', false)).toBe(false);
});

test('numbers are the same with and without a country, a trunk prefix or neither', () => {
  const same = (a: string, b: string) => samePhone(phoneForm(a)!, phoneForm(b)!) && samePhone(phoneForm(b)!, phoneForm(a)!);
  expect([same('+4512345678', '12345678'), same('+39 06 12345678', '06 12345678'), same('555 123 4567', '+1 555 123 4567')]).toEqual([
    true,
    true,
    true,
  ]);
  expect([same('+4512345678', '+4712345678'), same('2345678', '+452345678'), same('0170 1234567', '01 70 12 34 56')]).toEqual([
    false,
    false,
    false,
  ]);
  expect(phonesIn('no number 12-34')).toEqual([]);
});

const KEY = { subject: 'customer', identity: 'key', names: calledNames(['customer', 'customer_id', 'buyer', 'id']) };
const calls = (text: string, value = '17'): boolean => {
  const terms = termsOf({ person: 1, subject: 'customer', identity: 'key', parts: [value] }, false, [KEY]);
  return findTerms(text, indexTerms(terms, [KEY])).size > 0;
};

test.each([
  '{"customer_id": 17}',
  '{"customer_id":"17","x":18}',
  '{"customerId":17}',
  '{"customer": {"id": 17, "city": "x"}}',
  '{"customer_ids": [16, 17]}',
  'customer 17',
  "the customer's 17",
  'Customer #17 wrote',
  'customer_id=17&x=1',
  'customer%3D17',
  'CUSTOMER-ID: 0017.',
  'customer number 17',
  'customer no. 17',
  'cust. no. 17',
  'cust #17',
  'fk_customer = 17',
  '/customers/17/orders',
  'cache:customer:17',
  String.raw`{"text":"{\"customer_id\":17}"}`,
  'old buyer: 17',
  'BUYER_ID=17',
])('a small key is found behind its name in %s', (text) => expect(calls(text)).toBe(true));

test.each([
  '17',
  'order 17',
  '{"order_id": 17}',
  'customer 170',
  'customer 117',
  'customer 17.5',
  'customer 17-11-2026',
  'customer of 17',
  'customary 17',
  '{"id": 17}',
])('the same number is none of its own: %s', (text) => expect(calls(text)).toBe(false));

test('what texts call a key is a name of its own', () => {
  expect(calledNames(['customer', 'customerId', 'customer_no', 'id', 'no', 'xy', 'Käufer'])).toEqual(['customer']);
  expect([calls('customer A7', 'A7'), calls('customer a71', 'A7'), calls('customer jo', 'jo')]).toEqual([true, false, false]);
});
