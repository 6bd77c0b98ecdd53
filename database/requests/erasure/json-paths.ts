import { sql, type RawBuilder } from 'kysely';
import type { CatalogTable } from '../../../domain/catalog.ts';
import type { PersonalPart } from '../../../domain/requests/model.ts';
import { EMAIL } from '../../../domain/serving/replica.ts';
import { ident } from '../../identifiers.ts';
import { any } from '../../retention/protection.ts';
import type { Condition } from '../../retention/times.ts';
import { addressText, identityKeys, type Who } from './reach.ts';

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

/** The same for `jsonb_path_query`. */
export function jsonPath(steps: readonly string[]): string {
  return `lax $${steps.map((step) => (step.startsWith('.') && step !== '.*' ? `.${JSON.stringify(step.slice(1))}` : step)).join('')}`;
}

/** What stands there and says who somebody is, compared as the keys are. */
function valuesOf(part: PersonalPart, who: Who): RawBuilder<unknown> {
  const { value, where } = identityKeys(part.identity, who);
  return sql`select ${value} from probity.run_key as k where ${where}`;
}

/** In the row that `alias` names, one of the people stands at one of the paths. */
export function namesSomebody(parts: readonly PersonalPart[], live: CatalogTable, alias: string, who: Who): Condition {
  const each = parts.map((part) => {
    const { from, value } = found(part, live, alias);
    return sql<boolean>`exists (select from ${from} where ${value} in (${valuesOf(part, who)}))`;
  });
  return any(each);
}

/** Rows under `alias` joined with the keys `k` of the people who stand at the path. */
export function namedIn(
  part: PersonalPart,
  live: CatalogTable,
  alias: string,
  rows: RawBuilder<unknown>,
  who: Who,
): { from: RawBuilder<unknown>; where: Condition } {
  const { from, value } = found(part, live, alias);
  const { value: key, where } = identityKeys(part.identity, who);
  return {
    from: sql`${rows} as ${ident(alias)} cross join lateral ${from} join probity.run_key as k on ${value} = ${key}`,
    where,
  };
}

/** What stands at the path, as `v`, and its text as keys are compared. */
function found(part: PersonalPart, live: CatalogTable, alias: string): { from: RawBuilder<unknown>; value: RawBuilder<unknown> } {
  const column = ident(alias, part.column);
  const document = live.columns.find(({ name }) => name === part.column)?.baseType === 'json' ? sql`${column}::jsonb` : column;
  const text = sql`(v #>> '{}')`;
  return {
    from: sql`jsonb_path_query(${document}, ${jsonPath(jsonSteps(part.path) ?? [])}::text::jsonpath, '{}', true) as v`,
    value: part.identity === EMAIL ? addressText(text) : text,
  };
}

/** The document without what names the people; everything beside it stays as it is. Null stays null. */
export function withoutPeople(value: RawBuilder<unknown>, type: string, parts: readonly PersonalPart[], who: Who): RawBuilder<unknown> {
  const cleaned = parts.reduce<RawBuilder<unknown>>(
    (inner, part) => sql`
      probity.json_without(${inner}, ${jsonSteps(part.path) ?? []}::text[], ${part.onErase === 'null'}, array(${valuesOf(part, who)}),
        ${part.identity === EMAIL})`,
    type === 'json' ? sql`${value}::jsonb` : value,
  );
  return type === 'json' ? sql`(${cleaned})::json` : cleaned;
}
