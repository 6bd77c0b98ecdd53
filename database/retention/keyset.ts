import { sql, type Transaction } from 'kysely';
import { ident, tableRef } from '../identifiers.ts';
import { ROW, type Change } from './change.ts';
import type { Condition } from './times.ts';

/** How far a walk along the time index has come: everything up to and with this time has been seen. Never leaves the ledger. */
export interface KeysetPosition {
  readonly upTo: string;
}

export interface KeysetRange {
  readonly range: Condition;
  readonly next: KeysetPosition;
}

/**
 * The next expired rows along the index over `column`: about `limit`, more when they share one time, so that the walk never has
 * to tell equal times apart. Null when none is left.
 */
export async function nextKeysetRange(
  trx: Transaction<unknown>,
  change: Change,
  column: string,
  at: KeysetPosition | null,
  limit: number,
): Promise<KeysetRange | null> {
  const value = ident(ROW, column);
  const type = sql.raw(change.scope.catalog.tables[change.table]?.columns.find((one) => one.name === column)?.type ?? 'timestamptz');
  const after = at === null ? sql<boolean>`true` : sql<boolean>`${value} > cast(${at.upTo}::text as ${type})`;
  const { rows } = await sql<{ upper: string | null }>`
    select to_json(max(ahead.value)) #>> '{}' as upper
    from (select ${value} as value from ${tableRef(change.unit)} as ${ident(ROW)}
      where ${after} and ${change.predicates.expired} order by ${value} limit ${limit}) as ahead`.execute(trx);
  const upper = rows[0]?.upper ?? null;
  if (upper === null) return null;
  return { range: sql<boolean>`${after} and ${value} <= cast(${upper}::text as ${type})`, next: { upTo: upper } };
}
