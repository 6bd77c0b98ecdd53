import { snake } from '../words.ts';

/**
 * A key such as 17 stands in every second text. Where it is somebody's, something beside it says so: `"customer_id": 17`, `customer #17`,
 * `customerId=17`, `cust. no. 17`.
 */
export interface Called {
  readonly subject: string;
  /** `key`, or the identity's name. */
  readonly identity: string;
  /** In snake case: the subject, the key's column, columns that reference it. */
  readonly names: readonly string[];
}

/** A shorter one stands inside other words. */
const LEAST_NAME = 3;
/** Of a name, where texts may cut it off. */
const STEM = 4;
const KINDS_OF_KEY = 'ids?|uid|no|nr|num|number|key|ref|code';
/** What may stand between a name and its value: quotes, colons, brackets, not words. */
const BETWEEN = String.raw`[^\p{L}\p{N}]{0,8}`;
const LIST = 2_000;

/** Names by which texts may call it. Those that every table's key has, and those too short, say nothing. */
export function calledNames(names: readonly string[]): string[] {
  const said = names
    .filter((name) => /^\w+$/.test(name))
    .map(snake)
    .map((name) => name.replace(new RegExp(`_(${KINDS_OF_KEY})$`), ''));
  return [...new Set(said)].filter((name) => name.length >= LEAST_NAME && !new RegExp(`^(${KINDS_OF_KEY})$`).test(name)).sort();
}

/** Null where it cannot be told from the text around it. */
export function calledToken(part: string): string | null {
  const value = part.trim().toLowerCase();
  return /^[0-9a-z]+$/.test(value) && /[0-9]/.test(value) ? withoutZeros(value) : null;
}

function withoutZeros(value: string): string {
  return /^[0-9]+$/.test(value) ? value.replace(/^0+(?=.)/, '') : value;
}

/** One of them stands in every text, in lower case, that calls it by a name. */
export function calledStems({ names }: Called): string[] {
  return [...new Set(names.map((name) => name.split('_')[0]!.slice(0, STEM)))];
}

/** Postgres's expression that every text, in lower case, matches in which the value stands behind a name. */
export function calledPattern(as: Called, token: string): string {
  return `(?:${calledStems(as).join('|')}).*${token}(?:[^0-9a-z]|$)`;
}

const EXPRESSIONS = new WeakMap<Called, RegExp>();

/** The values that a text calls so. */
export function calledIn(text: string, as: Called): string[] {
  const expression = EXPRESSIONS.get(as) ?? expressionOf(as);
  EXPRESSIONS.set(as, expression);
  const values = [...text.toLowerCase().matchAll(expression)].flatMap(
    ([, list, single]) => list?.match(/[0-9a-z]+/g) ?? (single === undefined ? [] : [single]),
  );
  return values.map(withoutZeros);
}

function expressionOf({ names }: Called): RegExp {
  const whole = names.map((name) => name.split('_').join(String.raw`[\s_.-]*`));
  const short = names
    .filter((name) => name.split('_')[0]!.length > STEM)
    .map((name) => String.raw`(?<![\p{L}\p{N}])${name.slice(0, STEM)}[\s_.-]*(?=#|${KINDS_OF_KEY})`);
  const kind = String.raw`(?:'?s)?(?:[\s_.-]*(?:${KINDS_OF_KEY})(?![\p{L}]))?`;
  const inner = String.raw`(?:(?:${KINDS_OF_KEY}|is|was|value)[^\p{L}\p{N}]{1,6})?`;
  // Not the whole part of a fraction, nor the year of a day.
  const single = String.raw`([0-9]+|(?<![\p{L}\p{N}])[0-9a-z]*[0-9][0-9a-z]*)(?![\p{L}\p{N}]|[.,-]\d)`;
  const list = String.raw`[^\p{L}\p{N}\[]{0,8}\[([^\]{}]{0,${LIST}})\]`;
  return new RegExp(String.raw`(?:${[...whole, ...short].join('|')})${kind}(?:${list}|${BETWEEN}${inner}${single})`, 'gu');
}
