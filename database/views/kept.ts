import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { KeptKey, StoreViews } from '../../domain/views/model.ts';
import { isBusy } from '../errors.ts';
import { ident } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import type { ViewChange } from './changes.ts';
import type { ViewState } from './state.ts';

/*
 * Pseudonyms that are kept beside the spans (migration 0007), so that a view can look for one by an index. They only name: who is shown is
 * asked of the spans as ever.
 */

/** Clean-up keeps recorders out for a moment; rather leave it for the next time than queue behind a long import. */
const CLEAN_LOCK_MS = 1_000;

/** A column of a view's row whose pseudonym is kept. */
export interface Kept {
  readonly alias: string;
  readonly column: RawBuilder<unknown>;
  readonly key: KeptKey;
}

/** `left join …` for each: Postgres leaves it out of statements that do not read the pseudonym, and begins with it where one is looked for. */
export function keptJoins(purpose: string, kept: readonly Kept[]): RawBuilder<unknown> {
  const joins = kept.map(({ alias, column, key }) => {
    const of = (name: string): RawBuilder<unknown> => ident(alias, name);
    const same = [
      sql`${of('purpose')} = ${sql.lit(purpose)}`,
      sql`${of('subject')} = ${sql.lit(key.subject)}`,
      sql`${of('key')} = ${column}::text`,
      ...(key.type === 'text' ? [] : [sql`${of(TYPED[key.type])} = ${column}`]),
    ];
    return sql` left join probity.pseudonym as ${ident(alias)} on ${sql.join(same, sql` and `)}`;
  });
  return sql.join(joins, sql``);
}

/** In the column's own type, for its index. */
const TYPED = { integer: 'integer_key', uuid: 'uuid_key' } as const;

/** What brings the kept pseudonyms in line with the plan; run before the views are changed, and after. */
export function keptChanges(planned: StoreViews, state: ViewState): { readonly before: ViewChange[]; readonly after: ViewChange[] } {
  const wanted = planned.purposes.flatMap(({ purpose, kept }) => kept.map((kind) => ({ purpose, ...kind })));
  const missing = wanted.filter(
    (it) => !state.kept.some((has) => has.purpose === it.purpose && has.subject === it.subject && has.domain === it.domain),
  );
  const gone = state.kept.filter((has) => !wanted.some((it) => it.purpose === has.purpose && it.subject === has.subject));
  const before = missing.map(({ purpose, subject, domain }): ViewChange => ({
    kind: 'create',
    what: `pseudonyms of ${subject} for ${purpose}`,
    statements: [sql`select probity.keep_pseudonyms(${sql.lit(purpose)}, ${sql.lit(subject)}, ${sql.lit(domain)})`],
  }));
  const after = gone.map(({ purpose, subject }): ViewChange => ({
    kind: 'drop',
    what: `pseudonyms of ${subject} for ${purpose}`,
    statements: [sql`select probity.drop_pseudonyms(${sql.lit(purpose)}, ${sql.lit(subject)})`],
  }));
  const meanwhile: ViewChange = {
    kind: 'create',
    what: 'pseudonyms of whoever agreed meanwhile',
    statements: [sql`select probity.keep_missing_pseudonyms()`],
  };
  return { before, after: missing.length === 0 ? after : [...after, meanwhile] };
}

export async function readKept(db: Kysely<unknown>): Promise<ViewState['kept']> {
  const { rows: there } = await sql<{ it: boolean }>`select to_regclass('probity.pseudonym_kind') is not null as it`.execute(db);
  if (there[0]?.it !== true) return [];
  const { rows } = await sql<
    ViewState['kept'][number]
  >`select purpose, subject, domain from probity.pseudonym_kind order by purpose, subject`.execute(db);
  return rows;
}

/** Deletes the pseudonyms of whoever no longer has an allowing span. Returns how many; null: recorders were busy, so it is left for the next time. */
export async function forgetPseudonyms(store: Store): Promise<number | null> {
  try {
    return await inTransaction(store, { lockTimeoutMs: CLEAN_LOCK_MS }, async (trx) => {
      const { rows } = await sql<{ n: number }>`select probity.forget_pseudonyms() as n`.execute(trx);
      return rows[0]?.n ?? 0;
    });
  } catch (error) {
    if (isBusy(error)) return null;
    throw error;
  }
}
