import { sql } from 'kysely';
import { endOfKeep } from '../../../domain/time.ts';
import { activeHolds } from '../../holds.ts';
import { ident, tableRef } from '../../identifiers.ts';
import { looking } from './count.ts';
import { floorMatters, lookAt, ownedAlone, type Look } from './judge.ts';
import type { People } from './keys.ts';
import { settle } from './look.ts';
import { columnOf, joinedAlong, ROW } from './reach.ts';
import { isRow, ROWS } from './rows.ts';
import type { ErasureTarget } from './target.ts';

/** Rows of a table that would go if no floor were over them. */
export interface FloorRows {
  /** `schema.table` */
  readonly table: string;
  readonly rule: string;
  readonly rows: number;
  /** When the first of them, and the last, may go; null: nobody can tell of any. */
  readonly next: Date | null;
  readonly until: Date | null;
}

export interface Floors {
  readonly tables: readonly FloorRows[];
  /** Ordinals of the people whose rows they are. */
  readonly people: readonly number[];
}

/** What stays of an erasure's rows under floors alone, as of now. Changes nothing. */
export async function floorsOf(target: ErasureTarget, people: People): Promise<Floors> {
  if (!target.tables.some((_, index) => waits(target, index))) return { tables: [], people: [] };
  return looking(target.store, async (trx) => {
    const look = await lookAt(trx, target, people, await activeHolds(trx), false);
    await settle(look, new Set());
    const tables: FloorRows[] = [];
    const whose = new Set<number>();
    for (const index of target.tables.keys()) {
      const found = waits(target, index) ? await floorRows(look, index) : null;
      if (found === null) continue;
      tables.push(found);
      for (const person of await peopleUnder(look, index)) whose.add(person);
    }
    return { tables, people: [...whose].sort((one, other) => one - other) };
  });
}

function waits({ tables }: ErasureTarget, index: number): boolean {
  const plan = tables[index]?.plan ?? null;
  return plan !== null && plan.floor !== null && floorMatters(plan);
}

async function floorRows({ trx, target }: Look, index: number): Promise<FloorRows | null> {
  const { name, plan } = target.tables[index]!;
  const floor = plan!.floor!;
  const zone = target.manifest.timezone;
  const value = ident(ROW, floor.after);
  const instant =
    columnOf(target.catalog, name, floor.after).baseType === 'timestamptz' ? value : sql`${value}::timestamp at time zone ${zone}`;
  const { rows } = await sql<{ rows: number; first: Date | null; last: Date | null }>`
    select count(*) as rows, min(${instant}) filter (where isfinite(${value})) as first, max(${instant}) filter (where isfinite(${value})) as last
    from ${ROWS} as x, ${tableRef(name)} as ${ident(ROW)} where x.tbl = ${sql.lit(index)} and x.outcome = 'floor' and ${isRow(ROW)}`.execute(
    trx,
  );
  const [row] = rows;
  if (row === undefined || row.rows === 0) return null;
  const end = (after: Date | null): Date | null => (after === null ? null : endOfKeep(after, floor, zone));
  return { table: name, rule: floor.rule, rows: row.rows, next: end(row.first), until: end(row.last) };
}

async function peopleUnder(look: Look, index: number): Promise<number[]> {
  const { trx, target, who } = look;
  const { name, plan } = target.tables[index]!;
  const found: number[] = [];
  for (const way of plan!.ways) {
    const { from, where } = joinedAlong(way, name, target.catalog, who, ownedAlone(look, false));
    const { rows } = await sql<{ person: number }>`
      select distinct k.person from ${from}, ${ROWS} as x
      where ${where} and x.tbl = ${sql.lit(index)} and x.outcome = 'floor' and ${isRow(ROW)}`.execute(trx);
    found.push(...rows.map(({ person }) => person));
  }
  return found;
}
