import { stringify } from 'yaml';

/** A scalar or key of YAML, quoted where a plain one would be read as something else; safe inside `{ … }` too. */
export function scalar(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const plain = /^[A-Za-z_][A-Za-z0-9_ ./*-]*$/.test(value) && !value.endsWith(' ');
  // `stringify` knows the words that YAML takes for booleans, nulls and numbers.
  return plain && stringify(value).trimEnd() === value ? value : JSON.stringify(value);
}

/** `{ a: 1, b: two }` from pairs of a key and finished YAML. */
export function flow(pairs: readonly (readonly [string, string])[]): string {
  return `{ ${pairs.map(([key, value]) => `${scalar(key)}: ${value}`).join(', ')} }`;
}

export function list(values: readonly string[]): string {
  return `[${values.map(scalar).join(', ')}]`;
}

/** What a reviewer looks for. */
export const MARK = ' # guess';

/** The mark with its reason. A comment ends with its line, so the reason may hold no line break. */
export function mark(reason: string): string {
  return `${MARK}: ${reason.replaceAll(/\s+/g, ' ')}`;
}
