/** A legal hold as the stores keep it: rows under it are not changed while it is active. */
export interface Hold {
  readonly id: string;
  readonly scope: TableHold | SubjectHold;
  readonly reason: string;
  readonly actor: string;
  readonly placedAt: string;
  readonly endsAt: string | null;
}

export interface TableHold {
  readonly kind: 'table';
  /** `schema.table` in the store that records the hold. */
  readonly table: string;
  /** All must hold; none means every row. */
  readonly conditions: readonly Condition[];
}

export interface SubjectHold {
  readonly kind: 'subject';
  readonly subject: string;
  /** The subject's key, one text per key column. */
  readonly key: readonly string[];
}

export const OPERATORS = ['=', '<>', '<', '<=', '>', '>='] as const;
export type Operator = (typeof OPERATORS)[number];

/** `value` is text and compared in the column's own type; null only with `=` (is null) and `<>` (is not null). */
export interface Condition {
  readonly column: string;
  readonly operator: Operator;
  readonly value: string | null;
}

const CONDITION =
  /^\s*("(?<quoted>(?:[^"]|"")+)"|(?<plain>[A-Za-z_][\w$]*))\s*(?<operator><>|<=|>=|!=|=|<|>|is\s+not|is)\s*(?<value>'(?:[^']|'')*'|null|[-+]?[\w.:+-]+)\s*$/i;

/**
 * Reads `country = 'DE' and placed_at >= '2025-01-01'` into conditions; null when it is not of that form.
 * A small language on purpose: whoever places a hold must be able to read it back.
 */
export function parseConditions(text: string): Condition[] | null {
  if (text.trim() === '') return null;
  const conditions: Condition[] = [];
  for (const part of splitAnd(text)) {
    const groups = CONDITION.exec(part)?.groups;
    if (groups?.['value'] === undefined || groups['operator'] === undefined) return null;
    const column = groups['quoted']?.replaceAll('""', '"') ?? groups['plain'];
    if (column === undefined) return null;
    const word = groups['operator'].toLowerCase().replaceAll(/\s+/g, ' ');
    const isNull = groups['value'].toLowerCase() === 'null';
    if (word.startsWith('is') && !isNull) return null;
    const operator = word === 'is' ? '=' : word === 'is not' || word === '!=' ? '<>' : (word as Operator);
    if (isNull && operator !== '=' && operator !== '<>') return null;
    const raw = groups['value'];
    const value = isNull ? null : raw.startsWith("'") ? raw.slice(1, -1).replaceAll("''", "'") : raw;
    conditions.push({ column, operator, value });
  }
  return conditions;
}

/** Splits at `and` outside quotes. */
function splitAnd(text: string): string[] {
  const parts: string[] = [];
  let current = '';
  for (const token of text.match(/'(?:[^']|'')*'|"(?:[^"]|"")*"|\s+and\s+|[^'"\s]+|\s+|./gi) ?? []) {
    if (/^\s+and\s+$/i.test(token)) {
      parts.push(current);
      current = '';
    } else current += token;
  }
  return [...parts, current];
}
