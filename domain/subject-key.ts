import { unfit, type Reason } from './consent/decided.ts';

/*
 * The one spelling of a subject's key. A key of one column is that column as text; one of several is a JSON array of texts, as jsonb prints it,
 * with a blank behind each comma (`database/subject-key.ts` writes the same in SQL). Two spellings of one key would be two people.
 */

/** A key as one text, from its columns. */
export function keyText(parts: readonly string[]): string {
  const [only = ''] = parts;
  return parts.length === 1 ? only : `[${parts.map((part) => JSON.stringify(part)).join(', ')}]`;
}

/** A key's columns, from its text. Throws where the text is no key of so many columns, without quoting it. */
export function keyParts(text: string, columns: number): string[] {
  if (columns === 1) return [text];
  const parts = parsed(text);
  if (!isTexts(parts) || parts.length !== columns) throw new Error(`a key of ${columns} columns is spelled in another way`);
  return parts;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What a parser says of it quotes it.
    return null;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((it) => typeof it === 'string');
}

/**
 * How a column writes its values: in types that are read in several spellings each value has one. `unknown`: nobody can tell the type now, so
 * that only what is spelled alike in all of them is a key.
 */
export type KeyKind = 'integer' | 'uuid' | 'padded' | 'text' | 'unknown';

const WHOLE = /^[+-]?[0-9]{1,40}$/;
const UUID = /^(\{?)([0-9a-f]{4}(?:-?[0-9a-f]{4}){7})(\}?)$/;
const INT8 = 2n ** 63n;

/** By the catalog's base type. */
export function keyKind(baseType: string): KeyKind {
  if (['int2', 'int4', 'int8'].includes(baseType)) return 'integer';
  if (baseType === 'bpchar') return 'padded';
  return baseType === 'uuid' ? 'uuid' : 'text';
}

/** A subject's key as the ledger spells it, from however somebody wrote its columns (`042`, `{A0EE…}`); or why it is none. */
export function canonicalKey(values: readonly string[], kinds: readonly KeyKind[]): { readonly key: string } | { readonly reason: Reason } {
  const texts: string[] = [];
  for (const [index, value] of values.entries()) {
    const reason = value === '' ? 'is missing' : unfit(value);
    if (reason !== null) return { reason: `key ${reason}` };
    const text = canonicalPart(value, kinds[index] ?? 'text');
    if (text === null) return { reason: `key is not ${WANTED[kinds[index] ?? 'text']}` };
    texts.push(text);
  }
  return { key: keyText(texts) };
}

const WANTED: Readonly<Record<KeyKind, string>> = {
  integer: 'a whole number, as its column is',
  uuid: 'a uuid, as its column is',
  padded: 'a text, as its column is',
  text: 'a text, as its column is',
  unknown: 'spelled as its column would write it, and the store that has the column does not answer',
};

function canonicalPart(value: string, kind: KeyKind): string | null {
  switch (kind) {
    case 'integer':
      return wholeNumber(value);
    case 'uuid':
      return uuid(value);
    case 'padded':
      return value.replace(/ +$/, '') || null;
    case 'text':
      return value;
    case 'unknown':
      return value === (wholeNumber(value) ?? uuid(value) ?? value.trim()) ? value : null;
  }
}

function wholeNumber(value: string): string | null {
  const text = value.trim();
  if (!WHOLE.test(text)) return null;
  const number = BigInt(text.replace('+', ''));
  return number >= -INT8 && number < INT8 ? number.toString() : null;
}

function uuid(value: string): string | null {
  const [, open, digits, close] = UUID.exec(value.trim().toLowerCase()) ?? [];
  if (digits === undefined || (open === '') !== (close === '')) return null;
  return digits.replaceAll('-', '').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
