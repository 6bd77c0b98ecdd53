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

/** Types whose text has one form; in any other type every text is a key. */
export type KeyKind = 'integer' | 'uuid' | 'text';

const INTEGER = /^(0|-?[1-9][0-9]{0,18})$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** How a column's type writes its values, by the catalog's base type. */
export function keyKind(baseType: string): KeyKind {
  if (['int2', 'int4', 'int8'].includes(baseType)) return 'integer';
  return baseType === 'uuid' ? 'uuid' : 'text';
}

/** A subject's key as the ledger spells it: the column as text; several as jsonb writes an array of texts. */
export function canonicalKey(values: readonly string[], kinds: readonly KeyKind[]): { readonly key: string } | { readonly reason: Reason } {
  const texts: string[] = [];
  for (const [index, value] of values.entries()) {
    const reason = value === '' ? 'is missing' : unfit(value);
    if (reason !== null) return { reason: `key ${reason}` };
    const kind = kinds[index] ?? 'text';
    const text = kind === 'uuid' ? value.toLowerCase() : value;
    if (kind === 'integer' && !INTEGER.test(text)) return { reason: 'key is not a whole number, as its column is' };
    if (kind === 'uuid' && !UUID.test(text)) return { reason: 'key is not a uuid, as its column is' };
    texts.push(text);
  }
  return { key: keyText(texts) };
}
