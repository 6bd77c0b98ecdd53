import { unfit, type Reason } from './decided.ts';

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
export function keyOf(values: readonly string[], kinds: readonly KeyKind[]): { readonly key: string } | { readonly reason: Reason } {
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
  if (texts.length === 1) return { key: texts[0]! };
  return { key: `[${texts.map((text) => JSON.stringify(text)).join(', ')}]` };
}
