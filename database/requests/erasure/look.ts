import { sql } from 'kysely';
import { MASKED_PINNED } from '../../../domain/requests/outcome.ts';
import { StoreError } from '../../errors.ts';
import { tableRef } from '../../identifiers.ts';
import { maskedRow } from './write.ts';
import { enterNamed, enterRows, judgeShared, type Look, type Reached } from './judge.ts';
import { enterMentions, judgeOwned } from './mentions.ts';
import { settleReferences } from './references.ts';
import { analyseRows, countRows, isRow, ROWS, type Outcome, type RowCount } from './rows.ts';

/**
 * Settles for each row of the people what becomes of it, all conditions of an erasure in one place: a dry run, a step and its verification
 * ask nothing else. Tables in `without` have been dealt with already.
 */
export async function settle(look: Look, without: ReadonlySet<number>): Promise<Reached[]> {
  const reached = await enterAll(look, without);
  await settleEntered(look);
  return reached;
}

/** Parents first: once they are locked, nobody can write more rows under them. Before all, who owns what people share: ways ask for it. */
export async function enterAll(look: Look, without: ReadonlySet<number>): Promise<Reached[]> {
  const { tables } = look.target;
  const owners = new Set(
    tables.flatMap(({ plan }) => [plan?.shared?.owners.from, ...(plan?.ways ?? []).map((way) => way.shared?.owners.from)]),
  );
  const backwards = tables.map((_, at) => at).reverse();
  const first = backwards.filter((at) => owners.has(tables[at]!.name));
  const order = [...first, ...backwards.filter((at) => !first.includes(at))];
  const reached: Reached[] = [];
  for (const index of order) if (!without.has(index)) reached.push(...(await enterRows(look, index)));
  for (const index of order) {
    await enterNamed(look, index);
    await enterMentions(look, index);
  }
  await analyseRows(look.trx);
  return reached;
}

export async function settleEntered(look: Look): Promise<void> {
  for (const index of look.target.tables.keys()) {
    await judgeShared(look, index);
    await judgeOwned(look, index);
  }
  await settleReferences(look);
  for (const index of look.target.tables.keys()) await tryMasks(look, index);
}

/** Every row that is to be masked is judged by the table's checks as it would be: before anything is changed. */
async function tryMasks(look: Look, index: number): Promise<void> {
  const { trx, target } = look;
  const { name, plan, masks } = target.tables[index]!;
  if (plan === null || masks === null || masks.checks.length === 0) return;
  const broken = sql.join(
    masks.checks.map((check) => sql`when not (${sql.raw(check.expression)}) then ${check.name}`),
    sql` `,
  );
  const { rows } = await sql<{ broken: string }>`
    select q.broken from (
      select case ${broken} end as broken from (
        select ${maskedRow(look, plan, masks, 't')} from ${ROWS} as x, ${tableRef(name)} as t
        where x.tbl = ${sql.lit(index)} and (x.outcome = 'mask' or x.touch or x.json or x.mention <> 0) and x.outcome <> 'delete' and ${isRow('t')}) as masked) as q
    where q.broken is not null limit 1`.execute(trx);
  const [row] = rows;
  if (row === undefined) return;
  const sentence = `the masks of ${[...masks.values.keys()].join(', ')} do not fit a row that stays; nothing was changed`;
  throw new StoreError({
    store: target.store.name,
    table: name,
    code: 'PB006',
    kind: 'constraint',
    retryable: false,
    sentence,
    constraint: row.broken,
  });
}

/** Rows by table and outcome, as steps record them: `erased:public.order`, `kept:floor:de-hgb-257:public.invoice`, `held:H-12:public.note`. */
export function countsOf(look: Look, rows: readonly RowCount[]): Record<string, number> {
  const counts: Record<string, number> = {};
  const add = (key: string, number: number): void => {
    if (number > 0) counts[key] = (counts[key] ?? 0) + number;
  };
  for (const row of rows) {
    const table = look.target.tables[row.tbl]!.name;
    const label = OUTCOME_KEYS[row.outcome];
    const masked = maskedRows(row);
    add(`${row.outcome === 'pinned' ? MASKED_PINNED : 'masked'}:${table}`, masked);
    if (label !== null) add(`${label === 'held' || label === 'kept' ? outcomeWhy(row) : label}:${table}`, row.rows - masked);
    add(`detached:${table}`, row.detached);
  }
  return counts;
}

/** Of rows with an outcome those that get new values. A row that others need may have none to get, or have got them. */
export function maskedRows({ outcome, rows, rewritten }: RowCount): number {
  if (outcome === 'mask') return rows;
  return outcome === 'other' || outcome === 'shared' || outcome === 'pinned' ? rewritten : 0;
}

const OUTCOME_KEYS: Readonly<Record<Outcome, string | null>> = {
  delete: 'erased',
  mask: null,
  keep: 'kept',
  held: 'held',
  floor: 'kept',
  shared: 'kept',
  pinned: 'pinned',
  other: null,
};

function outcomeWhy({ outcome, why }: RowCount): string {
  if (outcome === 'held') return why?.replace(/^hold:/, 'held:') ?? 'held';
  if (outcome === 'floor') return `kept:${why ?? 'floor'}`;
  return outcome === 'shared' ? 'kept:shared' : 'kept:purpose';
}

/** Counts of a look at the rows as they stand, and whether something is left to do. */
export async function lookedAt(look: Look): Promise<{ rows: RowCount[]; counts: Record<string, number>; remaining: number }> {
  const rows = await countRows(look.trx);
  // A pinned row wears its mask; a reference to a row that is gone cannot be there.
  const open = rows.map((row) =>
    row.outcome === 'delete' || row.outcome === 'mask'
      ? row.rows
      : row.outcome === 'held' || row.outcome === 'floor'
        ? 0
        : Math.max(row.touched, row.named),
  );
  return { rows, counts: countsOf(look, rows), remaining: open.reduce((sum, number) => sum + number, 0) };
}
