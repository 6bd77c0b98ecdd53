import { sql, type RawBuilder } from 'kysely';
import type { TableErasure } from '../../../domain/requests/model.ts';

type JsonPart = TableErasure['json'][number];

/** A path as the steps that `probity.json_without` takes; null for what it cannot follow, such as filters. */
export function jsonSteps(path: string): string[] | null {
  const steps: string[] = [];
  let rest = path.trim().replace(/^(strict|lax)\s+/, '');
  if (!rest.startsWith('$')) return null;
  rest = rest.slice(1);
  while (rest !== '') {
    const match = /^(?:\.([\p{L}_][\p{L}\p{N}_]*)|\."([^"\\]+)"|(\[\d{1,9}\])|(\[\*\])|(\.\*))/u.exec(rest);
    if (match === null) return null;
    const name = match[1] ?? match[2];
    steps.push(name !== undefined ? `.${name}` : (match[3] ?? match[4] ?? match[5] ?? ''));
    rest = rest.slice(match[0].length);
  }
  return steps.length === 0 ? null : steps;
}

/** The document without the parts; everything beside them stays as it is. Null stays null. */
export function withoutParts(value: RawBuilder<unknown>, type: string, parts: readonly JsonPart[]): RawBuilder<unknown> {
  const document = type === 'json' ? sql`${value}::jsonb` : value;
  const cleaned = parts.reduce((inner, { path, onErase }) => {
    const steps = jsonSteps(path) ?? [];
    return sql`probity.json_without(${inner}, ${steps}::text[], ${onErase === 'null'})`;
  }, document);
  // A document in which nothing was found keeps its very text.
  return type === 'json' ? sql`case when ${cleaned} = ${document} then ${value} else (${cleaned})::json end` : cleaned;
}
