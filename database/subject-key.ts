import { sql, type RawBuilder } from 'kysely';
import { ident } from './identifiers.ts';

/** The key of the row `alias` as `domain/subject-key.ts` spells it. */
export function keyTextIn(alias: string, columns: readonly string[]): RawBuilder<string> {
  const texts = columns.map((column) => sql`${ident(alias, column)}::text`);
  return texts.length === 1 ? sql<string>`${texts[0]}` : sql<string>`to_jsonb(array[${sql.join(texts)}])::text`;
}

/** The same from an array of texts. */
export function keyTextOfParts(parts: RawBuilder<unknown>): RawBuilder<string> {
  return sql<string>`case when cardinality(${parts}) = 1 then (${parts})[1] else to_jsonb(${parts})::text end`;
}
