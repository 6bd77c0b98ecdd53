import { sql, type RawBuilder } from 'kysely';
import { AT, NEAR_DOMAIN, type TermIndex, type TermKind } from '../../domain/requests/tokens.ts';
import { calledStems } from '../../domain/requests/called.ts';
import { PHONE_TAIL } from '../../domain/requests/phones.ts';
import { any } from '../retention/protection.ts';
import type { Condition } from '../retention/times.ts';

/**
 * Words and numbers of many people are looked for by asking of each token of a text whether it is one of theirs: a list of constants is hashed, so that
 * their number does not matter. A superset: the text is judged outside. Cheap tests go first, since expressions cost more than everything
 * else that is done with a row.
 */

const EMAIL = '([0-9a-z]*)[^0-9a-z@[:space:]]*@([0-9a-z]*)';
const TAGGED = String.raw`([0-9a-z]+)[^0-9a-z@[:space:]+]*\+[0-9a-z._+%-]*@([0-9a-z]*)`;
const DIGITS = String.raw`[0-9](?:[^0-9a-z,:;"%\\\n]{0,4}[0-9]){6,}`;
/** Cheaper than to take them out, and true of few texts: seven digits or more, no letter beside them. */
const NUMBER = String.raw`(?:^|[^0-9a-z])[0-9](?:[^0-9a-z,:;"%\\\n]*[0-9]){6,}(?:$|[^0-9a-z])`;
/** Of ASCII, what may stand between two digits of a number (`BETWEEN` in domain/requests/phones.ts), and a plus. */
const BETWEEN_DIGITS = ' \t()./-+';
const DECIMALS = '0123456789';
const BESIDE_NUMBER = `abcdefghijklmnopqrstuvwxyz${BETWEEN_DIGITS}`;
/** A number and little else: its digits are taken out at once. Characters. */
const SHORT = 24;
const ENCODED_PLUS = String.raw`%(?:25)*2b|\\+u002b|&#43;`;
const ENCODED = String.raw`%(?:25)*[0-9a-f]{2}|\\+u[0-9a-f]{4}|\\+[bfnrt"/]|&#x?[0-9a-f]+;`;

/** Of `text`, which is the columns in lower case, one below the other: whether a token of it is one of the run. */
export function holdsToken(text: RawBuilder<unknown>, columns: readonly RawBuilder<unknown>[], index: TermIndex): Condition {
  // What is encoded is looked at once more as far as tokens need it decoded.
  const decoded = exists(sql`(select ${decode(text)} as body offset 0) d`, any(inPlain(sql`d.body`, [sql`d.body`], index)));
  const encoded = any(['%', '\\', '&#'].map((sign) => has(text, sign)));
  return any([...inPlain(text, columns, index), sql<boolean>`(${encoded} and ${decoded})`]);
}

function inPlain(text: RawBuilder<unknown>, columns: readonly RawBuilder<unknown>[], index: TermIndex): Condition[] {
  return [
    ...(index.tokens.has('email') ? [holdsEmail(text, columns, index)] : []),
    ...(index.tokens.has('phone') ? [holdsNumber(text, columns, tokensOf(index, 'phone'))] : []),
    ...(index.tokens.has('id') ? [holdsId(text, index)] : []),
    ...(index.tokens.has('called') ? [holdsCalled(text, index)] : []),
  ];
}

function decode(text: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`regexp_replace(regexp_replace(regexp_replace(${text}, ${AT}::text, '@', 'g'), ${ENCODED_PLUS}::text, '+', 'g'), ${ENCODED}::text, ' ', 'g')`;
}

/**
 * Most texts with an address have one, as it is: then the characters on both sides of the sign are the token. Only expressions find the
 * addresses in others.
 */
function holdsEmail(text: RawBuilder<unknown>, columns: readonly RawBuilder<unknown>[], index: TermIndex): Condition {
  const tokens = among(sql`m[1] || '@' || m[2]`, tokensOf(index, 'email'));
  const held = columns.map((column) => {
    const matched = (pattern: string): Condition => exists(sql`regexp_matches(${column}, ${pattern}::text, 'g') m`, tokens);
    const every = sql<boolean>`(${matched(EMAIL)} or (${has(column, '+')} and ${matched(TAGGED)}))`;
    if (index.near === null) return sql<boolean>`(${has(column, '@')} and ${every})`;
    const near = [...index.near].map(([size, ends]) =>
      among(sql`right(split_part(${column}, '@', 1), ${size}) || '@' || left(split_part(${column}, '@', 2), ${NEAR_DOMAIN})`, ends),
    );
    const single = sql`strpos(${column}, '+') = 0 and split_part(${column}, '@', 3) = ''`;
    return sql<boolean>`(${has(column, '@')} and case when ${single} then ${any(near)} else ${every} end)`;
  });
  return sql`(${has(text, '@')} and ${any(held)})`;
}

/** Every seven digits in a row, since a number may stand beside another one. */
function holdsNumber(text: RawBuilder<unknown>, columns: readonly RawBuilder<unknown>[], tokens: readonly string[]): Condition {
  const found = (column: RawBuilder<unknown>) => sql`regexp_matches(${column}, ${DIGITS}::text, 'g') m
    cross join lateral (select regexp_replace(m[1], '[^0-9]', '', 'g') as digits offset 0) d
    cross join lateral generate_series(1, length(d.digits) - ${PHONE_TAIL - 1}) s (start)`;
  const tail = among(sql`substr(d.digits, s.start, ${PHONE_TAIL})`, tokens);
  const held = columns.map((column) => {
    const each = sql<boolean>`(${column} ~ ${NUMBER}::text and ${exists(found(column), tail)})`;
    return sql<boolean>`case when ${isShort(column)} then ${among(shortTail(column), tokens)} else ${each} end`;
  });
  return sql`(${text} ~ ${NUMBER}::text and ${any(held)})`;
}

/**
 * A text in which only one number can stand, and ends: a number ends where a group of digits does, and what stands before the last group is
 * too short for another one.
 */
function isShort(text: RawBuilder<unknown>): Condition {
  const before = sql`btrim(rtrim(${text}, ${DECIMALS}::text), ${BESIDE_NUMBER}::text)`;
  return sql`octet_length(${text}) <= ${SHORT} and octet_length(${text}) = length(${text}) and length(${before}) < ${PHONE_TAIL}`;
}

function shortTail(text: RawBuilder<unknown>): RawBuilder<unknown> {
  // At half the cost of translate().
  const digits = [...BETWEEN_DIGITS].reduce((rest, sign) => sql`replace(${rest}, ${sign}::text, '')`, text);
  return sql`right(${digits}, ${PHONE_TAIL})`;
}

function holdsId(text: RawBuilder<unknown>, index: TermIndex): Condition {
  const words = `[0-9a-z]{${index.shortestId},}`;
  return exists(sql`regexp_matches(${text}, ${words}::text, 'g') m`, among(sql`m[1]`, tokensOf(index, 'id')));
}

/** What follows where a text calls somebody's key by a name. Of keys that are numbers, the numbers that come next. */
function holdsCalled(text: RawBuilder<unknown>, index: TermIndex): Condition {
  const stems = [...new Set(index.called.flatMap(({ as }) => calledStems(as)))];
  const tokens = tokensOf(index, 'called');
  const numbers =
    tokens.every((token) => /^[0-9]+$/.test(token)) && !index.called.some(({ as }) => as.names.some((name) => /[0-9]/.test(name)));
  const behind = numbers ? `(?:${stems.join('|')})[^0-9]*([0-9]+(?:[^0-9a-z]+[0-9]+)*)` : '(.*)';
  const words = (numbers ? ['([0-9]+)'] : ['([0-9]+)', '([0-9a-z]*[0-9][0-9a-z]*)']).map((word) =>
    exists(
      sql`regexp_matches(m[1], ${word}::text, 'g') w`,
      among(sql`coalesce(nullif(ltrim(w[1], '0'), ''), '0')`, tokens),
    ),
  ); // prettier-ignore
  return sql`(${any(stems.map((stem) => has(text, stem)))} and ${exists(sql`regexp_matches(${text}, ${behind}::text, 'g') m`, any(words))})`;
}

function tokensOf({ tokens }: TermIndex, kind: TermKind): readonly string[] {
  return tokens.get(kind) ?? [];
}

function has(text: RawBuilder<unknown>, sign: string): Condition {
  return sql`strpos(${text}, ${sign}::text) > 0`;
}

function among(value: RawBuilder<unknown>, tokens: readonly string[]): Condition {
  return sql`(${value}) collate "C" = any(${tokens}::text[])`;
}

function exists(from: RawBuilder<unknown>, condition: Condition): Condition {
  return sql`exists (select from ${from} where ${condition})`;
}
