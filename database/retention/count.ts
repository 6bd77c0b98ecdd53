import { sql, type Kysely, type RawBuilder } from 'kysely';
import { ident, tableRef } from '../identifiers.ts';
import { ROW, takes, type Change } from './change.ts';
import type { RulePredicates } from './predicates.ts';
import { any, type Reason } from './protection.ts';
import type { Condition } from './times.ts';

/** Rows of one physical table by what the rule means for them. */
export interface UnitCount {
  readonly oid: number;
  /** `take`, `next` (within the horizon), or why the row stays. */
  readonly outcome: string;
  readonly rows: number;
}

/**
 * Classifies the rows of a table in one pass: those that the rule takes, those that stay and why, and, given a later cut-off's
 * predicates, those that it would take next. Rows that the rule does not concern are not counted.
 */
export async function countOutcomes(db: Kysely<unknown>, change: Change, next: RulePredicates | null): Promise<UnitCount[]> {
  const { expired, odd, protectedBy } = change.predicates;
  const masked = change.action.kind === 'mask' ? takesNothing(change) : [];
  const branches = [
    ...odd.map((reason) => when(reason)),
    ...(next === null ? [] : [sql`when not ${expired} then 'next'`]),
    ...masked,
    ...protectedBy.map((reason) => when(reason)),
  ];
  const candidates = any([next === null ? expired : any([expired, next.expired]), ...odd.map((reason) => reason.condition)]);
  const outcome: RawBuilder<unknown> = branches.length === 0 ? sql`'take'` : sql`case ${sql.join(branches, sql` `)} else 'take' end`;
  const { rows } = await sql<UnitCount>`
    select q.oid as oid, q.outcome as outcome, count(*) as rows
    from (select ${ident(ROW, 'tableoid')} as oid, ${outcome} as outcome from ${tableRef(change.unit)} as ${ident(ROW)} where ${candidates}) as q
    where q.outcome is not null
    group by q.oid, q.outcome order by q.oid, q.outcome`.execute(db);
  return rows;
}

function when({ condition, label }: Reason): RawBuilder<unknown> {
  return sql`when ${condition} then ${label}`;
}

/** Rows that already wear their mask concern the rule no more. */
function takesNothing(change: Change): RawBuilder<unknown>[] {
  return [sql`when not ${needsMask(change)} then null`];
}

function needsMask(change: Change): Condition {
  const bare: Change = { ...change, predicates: { ...change.predicates, expired: sql<boolean>`true`, protectedBy: [] } };
  return takes(bare);
}

/** Rows that stay, by reason, over all physical tables. */
export function keptByReason(counts: readonly UnitCount[]): Record<string, number> {
  const kept: Record<string, number> = {};
  for (const { outcome, rows } of counts) if (outcome !== 'take' && outcome !== 'next') kept[outcome] = (kept[outcome] ?? 0) + rows;
  return kept;
}
