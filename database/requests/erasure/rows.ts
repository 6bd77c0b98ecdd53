import { sql, type RawBuilder, type Transaction } from 'kysely';
import { ident, tableRef } from '../../identifiers.ts';
import type { Condition } from '../../retention/times.ts';

/**
 * What becomes of each row that a statement is about, kept for one transaction. Rows are named by where they lie: they are locked before
 * anything is changed, and everything is changed by one statement, so that nothing moves in between.
 */
export const OUTCOMES = ['delete', 'mask', 'keep', 'held', 'floor', 'shared', 'pinned', 'other'] as const;

/** `other`: the row is somebody else's; only a reference goes from it, or what its documents say of the people. */
export type Outcome = (typeof OUTCOMES)[number];

export const ROWS = sql`pg_temp.probity_row`;

/**
 * Rows of a few people lie scattered over a large table. At Postgres's own price for that, of a disk with an arm, it would rather read the whole
 * table once more for every chunk.
 */
const SCATTERED_PAGE_COST = '1.1';

/** Dropped at the end of the transaction: behind pgbouncer a session is shared with strangers. */
export async function createRows(trx: Transaction<unknown>): Promise<void> {
  await sql`select pg_catalog.set_config('random_page_cost', ${SCATTERED_PAGE_COST}, true)`.execute(trx);
  await sql`
    create temporary table probity_row (
      tbl integer not null,
      oid oid not null,
      tid tid not null,
      outcome text not null,
      reached boolean not null default true,
      why text,
      touch boolean not null default false,
      json boolean not null default false,
      mention bigint not null default 0,
      detach bigint not null default 0,
      primary key (tbl, oid, tid)
    ) on commit drop`.execute(trx);
}

/** Nobody else analyses a temporary table, and without it Postgres expects a few rows. */
export async function analyseRows(trx: Transaction<unknown>): Promise<void> {
  await sql`analyze ${ROWS}`.execute(trx);
}

/** `x` is the entry of the row that `alias` names. */
export function isRow(alias: string): Condition {
  return sql<boolean>`(${ident(alias, 'ctid')} = x.tid and ${ident(alias, 'tableoid')} = x.oid)`;
}

/** The row that `alias` names stands there with one of the outcomes, reached by a way: not only since its document names somebody. */
export function stands(index: number, alias: string, outcomes: readonly Outcome[]): Condition {
  return sql<boolean>`exists (
    select from ${ROWS} as y
    where y.tbl = ${sql.lit(index)} and y.reached and y.oid = ${ident(alias, 'tableoid')} and y.tid = ${ident(alias, 'ctid')}
      and y.outcome in (${sql.join(outcomes.map((outcome) => sql.lit(outcome)))}))`;
}

/** Rows of a table with an outcome, together with the rows themselves as `t`: what stands behind `from`, and the condition. */
export function rowsWith(index: number, table: string, outcome: Outcome): { from: RawBuilder<unknown>; where: Condition } {
  return {
    from: sql`${ROWS} as x, ${tableRef(table)} as t`,
    where: sql<boolean>`x.tbl = ${sql.lit(index)} and x.outcome = ${sql.lit(outcome)} and ${isRow('t')}`,
  };
}

export interface RowCount {
  readonly tbl: number;
  readonly outcome: Outcome;
  readonly why: string | null;
  readonly rows: number;
  /** Of these, rows of which a mask is still to be written. */
  readonly touched: number;
  /** Of these, rows of which a document or a reference names the people, and loses that. */
  readonly named: number;
  /** Of these, rows that get new values by either. */
  readonly rewritten: number;
  /** Of these, rows of which a reference goes. */
  readonly detached: number;
  /** Of these, rows that are masked and lose a reference, too. */
  readonly twice: number;
  /** Of these, rows of which any of the three is true. */
  readonly any: number;
}

export async function countRows(trx: Transaction<unknown>): Promise<RowCount[]> {
  const { rows } = await sql<RowCount>`
    select x.tbl, x.outcome, x.why, count(*) as rows, count(*) filter (where x.touch) as touched, count(*) filter (where x.detach <> 0) as detached,
      count(*) filter (where x.json or x.mention <> 0) as named,
      count(*) filter (where x.detach <> 0 and (x.outcome = 'mask' or x.touch or x.json or x.mention <> 0)) as twice,
      count(*) filter (where x.touch or x.json or x.mention <> 0) as rewritten,
      count(*) filter (where x.detach <> 0 and (x.outcome = 'mask' or x.touch or x.json or x.mention <> 0)) as twice,
      count(*) filter (where x.touch or x.json or x.mention <> 0 or x.detach <> 0) as any
    from ${ROWS} as x group by x.tbl, x.outcome, x.why order by x.tbl, x.outcome, x.why`.execute(trx);
  return rows;
}
