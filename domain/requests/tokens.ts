import { has } from '../words.ts';
import { calledIn, calledPattern, calledToken, type Called } from './called.ts';
import { phoneForm, phonesIn, phoneTail, samePhone, type PhoneForm } from './phones.ts';
import { KEY_IDENTITY } from './graph.ts';

/**
 * How an identity is looked for: as an address, a number or a word anywhere in a text, by its parts, behind what it is called there, or as the whole
 * value of a named column. A `word` may be one of the language: it counts for as long as few rows hold it. `near` only helps to find an address among
 * those of many people.
 */
export type TermKind = 'email' | 'near' | 'phone' | 'id' | 'word' | 'name' | 'called' | 'value';

/** One identity of somebody in a form in which it can be found. */
export interface Term {
  /** Ordinal within the run. */
  readonly person: number;
  readonly subject: string;
  /** `key`, or the identity's name. */
  readonly identity: string;
  readonly kind: TermKind;
  /** What a text that holds it holds too. ASCII in lower case, except for `value`. */
  readonly token: string;
  /** A word that such a text, in lower case, contains: cheaper to look for than a pattern. Empty where there is none to go by. */
  readonly word: string;
  /** Where there is no such word: a regular expression (Postgres's, without regard to case) that such a text matches. Empty for `value`. */
  readonly pattern: string;
  /** Its normal form. */
  readonly value: string;
}

export interface Identity {
  readonly person: number;
  readonly subject: string;
  readonly identity: string;
  readonly parts: readonly string[];
}

/** A shorter number is also an amount, a year or an order's: only columns that are known to hold it can be searched. */
const LEAST_NUMBER = 9;
/** With letters and digits; with letters alone it may be a word of the language. Shorter ones are looked for while they are rare. */
const LEAST_MIXED = 6;
const LEAST_LETTERS = 8;
const LEAST_RARE = 4;
/** The longest word of it; a join on shorter ones would bring too many rows to judge. */
const LEAST_ANCHOR = 4;
/** Longer texts between two delimiters are no address: RFC 5321 ends one at 254. */
export const MOST_TOKEN = 320;
/** Between the columns of a composite value. */
export const SEPARATOR = '\u001f';

const PHONES = 'phone|tel|telephone|mobile|mobil|handy|fax|msisdn|cell';
const EMAILS = 'email|mail';
const NAMES = 'name|full_name';
const HANDLES = 'user_name|screen_name|login_name|account_name|nick_name';
const UUID = /^\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;

/** Whether a column of numbers may hold telephone numbers, by its name. */
export function namedLikePhone(column: string): boolean {
  return has(column, PHONES);
}

/**
 * What to look for. Everything gets a `value`; what a free text can be searched for gets more. Names only where they are asked for. What is too
 * short for texts is looked for behind what it is called there.
 */
export function termsOf(it: Identity, names: boolean, called: readonly Called[] = []): Term[] {
  const { person, subject, identity, parts } = it;
  const make = (kind: TermKind, token: string, pattern: string, value: string, word = ''): Term => ({
    person,
    subject,
    identity,
    kind,
    token,
    // Not both: alternatives of a regular expression cost more than all other work on a row.
    pattern: word === '' ? pattern : '',
    word,
    value,
  });
  const whole = parts.join(SEPARATOR);
  const terms = [make('value', whole, '', whole)];
  if (isName(identity)) return names ? nameTerms() : [];
  for (const part of parts.length === 1 ? parts : []) {
    const address = emailForm(part);
    const number = has(identity, PHONES) ? phoneForm(part) : null;
    if (address !== null) {
      terms.push(make('email', emailKey(address), emailPattern(address), address, emailWord(address)));
      const near = nearSign(address);
      if (near !== null) terms.push(make('near', near, '', address));
    } else if (number !== null) terms.push(make('phone', phoneTail(number), phonePattern(phoneTail(number)), number));
    // `n/a`, `112`: a placeholder is nobody's, and has no form of its own.
    else if (!has(identity, `${PHONES}|${EMAILS}`)) {
      const forms = idForms(part);
      for (const [anchor, value] of forms) terms.push(make('id', anchor, '', value, anchor));
      const token = forms.length === 0 ? calledToken(part) : null;
      for (const as of token === null ? [] : called.filter((one) => one.subject === subject && one.identity === identity))
        terms.push(make('called', token!, calledPattern(as, token!), token!));
      if (!searchable(terms) && !terms.some(({ kind }) => kind === 'called')) terms.push(...wordTerms(part));
    }
  }
  return terms;

  function wordTerms(part: string): Term[] {
    return wordForms(part).map(([anchor, value]) => make('word', anchor, '', value, anchor));
  }

  function nameTerms(): Term[] {
    const words = wordsOf(parts.join(' '));
    const longest = words.toSorted((a, b) => b.length - a.length)[0];
    if (words.length === 1) return wordTerms(words[0]!);
    return longest === undefined ? [] : [make('name', '', anyCase(longest), words.join(' '), /^[0-9a-z]+$/.test(longest) ? longest : '')];
  }
}

/** Whether a free text can be searched for it, whatever stands beside it there. */
export function searchable(terms: readonly Term[]): boolean {
  return terms.some(({ kind }) => kind !== 'value' && kind !== 'called');
}

/** Strangers have the same. */
export function isName(identity: string): boolean {
  return identity !== KEY_IDENTITY && has(identity, NAMES) && !has(identity, HANDLES);
}

/** Whether it holds nothing that the search has a form for, however long it is. */
export function isFormless({ identity, parts }: Pick<Identity, 'identity' | 'parts'>): boolean {
  return parts.length !== 1 || has(identity, `${PHONES}|${EMAILS}`) || !/[0-9a-z]/i.test(parts[0]!);
}

// --- addresses

const LOCAL = String.raw`[\p{L}\p{N}\p{M}!#$%'*+^_\x60~.{}-]`;
const ADDRESS = new RegExp(`(${LOCAL}+)@([\\p{L}\\p{N}\\p{M}.-]+)`, 'gu');
const TAG = /^([^+]+)\+[0-9A-Za-z._+%-]*$/;

/** In lower case, without the tag after a plus: it reaches the same person. Null when it is no address. */
export function emailForm(written: string): string | null {
  const parts = new RegExp(`^${ADDRESS.source}$`, 'u').exec(written.trim().toLowerCase());
  if (parts === null || written.length > MOST_TOKEN) return null;
  const [, local = '', domain = ''] = parts;
  return `${TAG.exec(local)?.[1] ?? local}@${domain.replace(/\.+$/, '')}`;
}

/** Every address that a text may mean, in that form. */
export function emailsIn(text: string): string[] {
  const found = new Set<string>();
  for (const [all, rawLocal = '', rawDomain = ''] of text.matchAll(ADDRESS)) {
    if (all.length > MOST_TOKEN) continue;
    const domain = rawDomain.toLowerCase().replace(/[.-]+$/, '');
    const local = rawLocal.toLowerCase();
    const inner = local.replace(/^[^\p{L}\p{N}]+/u, '');
    for (const one of [local, inner]) {
      found.add(`${one}@${domain}`);
      const tagged = TAG.exec(one)?.[1];
      if (tagged !== undefined) found.add(`${tagged}@${domain}`);
      // In a query string a plus is a blank.
      found.add(`${one.slice(one.lastIndexOf('+') + 1)}@${domain}`);
    }
  }
  return [...found];
}

/** The words nearest to the sign: whatever stands before or behind them, and however it is encoded, they stand there. */
function emailKey(form: string): string {
  const [local = '', domain = ''] = splitAddress(form);
  return `${/([0-9a-z]*)[^0-9a-z]*$/.exec(local)?.[1] ?? ''}@${/^[0-9a-z]*/.exec(domain)?.[0] ?? ''}`;
}

/** Characters behind the sign, and before it the most that fit: an address without a tag has them in every plain text. */
export const NEAR_DOMAIN = 4;
const NEAR_SIZES = [8, 6, 4, 2, 1];

/** Null where lower case of it is not ASCII, or it is too short. */
function nearSign(form: string): string | null {
  const [local, domain] = splitAddress(form);
  const size = NEAR_SIZES.find((it) => it <= local.length);
  const near = `${local.slice(-(size ?? 0))}@${domain.slice(0, NEAR_DOMAIN)}`;
  return size !== undefined && domain.length >= NEAR_DOMAIN && /^[\u0021-\u007e]+$/.test(near) ? near : null;
}

function splitAddress(form: string): [string, string] {
  const at = form.lastIndexOf('@');
  return [form.slice(0, at), form.slice(at + 1)];
}

/** The sign as it stands, and as addresses, JSON and HTML write it. */
export const AT = String.raw`(?:@|%(?:25)*40|\\+u0040|&#(?:64|x40);)`;

// A shorter one stands in every second text.
const LEAST_WORD = 4;

function emailWord(form: string): string {
  const words = splitAddress(form)[0].match(/[0-9a-z]+/g) ?? [];
  const longest = words.toSorted((a, b) => b.length - a.length)[0] ?? '';
  return longest.length >= LEAST_WORD ? longest : '';
}

function emailPattern(form: string): string {
  const [before = '', after = ''] = emailKey(form).split('@');
  return `${before}[^@[:space:]]*${AT}${after}`;
}

// --- numbers

/** What may stand between two digits of a number, also where it is encoded. A superset of what `phonesIn` takes. */
const GAP = String.raw`(?:%(?:25)*[0-9a-f]{2}|\\+u[0-9a-f]{4}|\\+[a-z/]|[^0-9A-Za-z])*`;

function phonePattern(tail: string): string {
  return [...tail].join(GAP);
}

// --- ids

/** The word that a join looks for, and the value that has to stand around it. */
function idForms(raw: string): [string, string][] {
  const value = raw.trim().toLowerCase();
  const uuid = UUID.exec(value);
  if (uuid !== null) {
    const groups = uuid.slice(1);
    return [
      [groups[4]!, groups.join('-')],
      [groups.join(''), groups.join('')],
    ];
  }
  const written = value.replace(/[^0-9a-z]/g, '');
  const anchor = (value.match(/[0-9a-z]+/g) ?? []).toSorted((a, b) => b.length - a.length)[0] ?? '';
  const least = /^[0-9]+$/.test(written) ? LEAST_NUMBER : /[0-9]/.test(written) ? LEAST_MIXED : LEAST_LETTERS;
  return written.length >= least && anchor.length >= LEAST_ANCHOR && value.length <= MOST_TOKEN ? [[anchor, value]] : [];
}

/** Too short for a word of its own, and no mere number. */
function wordForms(raw: string): [string, string][] {
  const value = raw.trim().toLowerCase();
  const anchor = (value.match(/[0-9a-z]+/g) ?? []).toSorted((a, b) => b.length - a.length)[0] ?? '';
  return /\p{L}/u.test(value) && anchor.length >= LEAST_RARE && value.length <= MOST_TOKEN ? [[anchor, value]] : [];
}

function standsIn(text: string, value: string): boolean {
  for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
    if (!isWord(text[at - 1]) && !isWord(text[at + value.length])) return true;
  }
  return false;
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}]/u.test(character);
}

// --- names

function wordsOf(text: string): string[] {
  return text.normalize('NFC').toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? []; // prettier-ignore
}

/** Postgres compares by the collation `C` here, which knows no case beyond ASCII. */
function anyCase(word: string): string {
  return [...word].map((letter) => (letter < '\u0080' ? letter : `[${letter}${letter.toUpperCase().slice(0, 1)}]`)).join('');
}

// --- finding

/** Terms by what leads to them. */
export interface TermIndex {
  readonly emails: ReadonlyMap<string, readonly Term[]>;
  readonly phones: ReadonlyMap<string, readonly Term[]>;
  readonly ids: ReadonlyMap<string, readonly Term[]>;
  readonly names: readonly Term[];
  /** What texts call a key, and its terms by token. */
  readonly called: readonly { readonly as: Called; readonly terms: ReadonlyMap<string, readonly Term[]> }[];
  /** By `valueKey`. */
  readonly values: ReadonlyMap<string, readonly Term[]>;
  /** By `wholeKey`: the values of that identity. */
  readonly whole: ReadonlyMap<string, readonly string[]>;
  /** All that are looked for in texts. */
  readonly texts: readonly Term[];
  /** What a text that holds one of that kind holds, each once. */
  readonly tokens: ReadonlyMap<TermKind, readonly string[]>;
  /** Of the words that stand for ids. */
  readonly shortestId: number;
  /** The `near` tokens by their characters before the sign; null: an address has none, so that all are looked for as they are. */
  readonly near: ReadonlyMap<number, readonly string[]> | null;
}

export function indexTerms(terms: readonly Term[], called: readonly Called[] = []): TermIndex {
  const of = (kind: TermKind): Term[] => terms.filter((term) => term.kind === kind);
  const [near, emails, ids] = [of('near'), of('email'), [...of('id'), ...of('word')]];
  return {
    emails: Map.groupBy(emails, ({ value }) => value),
    phones: Map.groupBy(of('phone'), ({ token }) => token),
    ids: Map.groupBy(ids, ({ token }) => token),
    names: of('name'),
    called: called.flatMap((as) => {
      const its = of('called').filter(({ subject, identity }) => subject === as.subject && identity === as.identity);
      return its.length === 0 ? [] : [{ as, terms: Map.groupBy(its, ({ token }) => token) }];
    }),
    values: Map.groupBy(of('value'), ({ subject, identity, value }) => valueKey(subject, identity, value)),
    whole: new Map(
      [...Map.groupBy(of('value'), ({ subject, identity }) => wholeKey(subject, identity))].map(([key, its]) => [
        key,
        its.map(({ value }) => value),
      ]),
    ),
    texts: terms.filter(({ kind }) => kind !== 'value' && kind !== 'near'),
    tokens: new Map(
      [...Map.groupBy(terms, ({ kind }) => (kind === 'word' ? 'id' : kind))].map(([kind, its]) => [
        kind,
        [...new Set(its.map(({ token }) => token))],
      ]),
    ),
    shortestId: ids.reduce((least, { token }) => Math.min(least, token.length), Infinity),
    near:
      near.length < emails.length ? null : Map.groupBy(new Set(near.map(({ token }) => token)), (token) => splitAddress(token)[0].length),
  };
}

export function wholeKey(subject: string, identity: string): string {
  return JSON.stringify([subject, identity]);
}

export function valueKey(subject: string, identity: string, value: string): string {
  return JSON.stringify([subject, identity, value]);
}

/** The terms that a text holds, as it stands or decoded. */
export function findTerms(text: string, index: TermIndex): Set<Term> {
  const found = new Set<Term>();
  const decoded = decode(text);
  for (const variant of decoded === text ? [text] : [text, decoded]) collect(variant);
  return found;

  function collect(variant: string): void {
    if (index.emails.size > 0 && variant.includes('@'))
      for (const address of emailsIn(variant)) for (const term of index.emails.get(address) ?? []) found.add(term);
    for (const number of index.phones.size > 0 ? phonesIn(variant) : []) addPhone(number);
    if (index.ids.size > 0) {
      const lower = variant.toLowerCase();
      for (const word of new Set(lower.match(/[0-9a-z]+/g)))
        for (const term of index.ids.get(word) ?? []) if (standsIn(lower, term.value)) found.add(term);
    }
    for (const { as, terms } of index.called)
      for (const token of calledIn(variant, as)) for (const term of terms.get(token) ?? []) found.add(term);
    if (index.names.length > 0) {
      const words = new Set(wordsOf(variant));
      for (const term of index.names) if (term.value.split(' ').every((word) => words.has(word))) found.add(term);
    }
  }

  function addPhone(number: PhoneForm): void {
    for (const term of index.phones.get(phoneTail(number)) ?? []) if (samePhone(number, term.value)) found.add(term);
  }
}

// A link inside a link inside a link.
const DECODINGS = 3;

/** Without the encodings of addresses (`%40`), JSON and HTML. Equal to what was given when there are none. */
export function decode(text: string): string {
  let now = text;
  for (let round = 0; round < DECODINGS; round++) {
    const before = now;
    now = now
      .replace(/&#(?:x([0-9a-f]{1,6})|([0-9]{1,7}));/gi, (_, hex?: string, digits?: string) => point(Number(hex ? `0x${hex}` : digits)))
      .replace(/\\+u([0-9a-f]{4})/gi, (_, hex: string) => point(Number(`0x${hex}`)))
      // A line break ends a number, so it must not become a blank.
      .replace(/\\+[bfnrt"/]/g, '\n')
      .replace(/(?:%[0-9a-f]{2})+/gi, bytes);
    if (now === before) break;
  }
  return now;
}

function point(code: number): string {
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ' ';
}

function bytes(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return ' ';
  }
}
