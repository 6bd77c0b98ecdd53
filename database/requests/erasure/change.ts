import { sql, type RawBuilder } from 'kysely';
import type { CatalogTable } from '../../../domain/catalog.ts';
import { cutColumns } from '../../../domain/requests/cut.ts';
import { StoreError } from '../../errors.ts';
import { ident, tableRef } from '../../identifiers.ts';
import { heldBy, ownedAlone, type Look } from './judge.ts';
import { leadsTo, ROW } from './reach.ts';
import { countRows, isRow, ROWS, type RowCount } from './rows.ts';
import { subjectTable, type ErasureTarget, type TargetTable } from './target.ts';
import { newValues } from './write.ts';

/**
 * Carries out what was settled: all deletions, masks and detached references of all tables in one statement, since constraints are checked at
 * its end: the order of keys, cycles and self-references do not matter then, and no ON DELETE action finds anything to do.
 */
export async function change(look: Look): Promise<void> {
  const { trx, target } = look;
  const rows = await countRows(trx);
  const changes = target.tables.flatMap((table, index) => changesOf(look, table, index, rows));
  if (changes.length === 0) return;
  const parts = changes.map(({ statement }, at) => sql`${ident(`c${at}`)} as (${statement} returning 1)`);
  const counts = changes.map((_, at) => sql`(select count(*) from ${ident(`c${at}`)})`);
  const result = await sql<{ counts: string[] }>`with ${sql.join(parts)} select array[${sql.join(counts)}]::text[] as counts`.execute(trx);
  const done = (result.rows[0]?.counts ?? []).map(Number);
  const lost = changes.find((it, at) => done[at] !== it.rows);
  if (lost !== undefined) throw swallowed(target.store.name, lost.table);
}

interface TableChange {
  readonly table: string;
  readonly statement: RawBuilder<unknown>;
  readonly rows: number;
}

function changesOf(look: Look, table: TargetTable, index: number, counts: readonly RowCount[]): TableChange[] {
  const own = counts.filter((row) => row.tbl === index);
  const changes: TableChange[] = [];
  const doomed = own.filter((row) => row.outcome === 'delete').reduce((sum, row) => sum + row.rows, 0);
  const from = sql`${ROWS} as x`;
  if (doomed > 0) {
    const statement = sql`
      delete from ${tableRef(table.name)} as ${ident(ROW)} using ${from}
      where x.tbl = ${sql.lit(index)} and x.outcome = 'delete' and ${isRow(ROW)}`;
    changes.push({ table: table.name, statement, rows: doomed });
  }
  const masked = own.some((row) => row.outcome === 'mask' || row.touched > 0 || row.named > 0);
  const detached = own.some((row) => row.detached > 0);
  const sets = [...(masked ? maskSets(look, table) : []), ...(detached ? detachSets(table) : [])];
  if (sets.length > 0) {
    const touched = sql`(x.outcome = 'mask' or x.touch or x.json or x.mention <> 0 or x.detach <> 0) and x.outcome <> 'delete'`;
    const statement = sql`
      update ${tableRef(table.name)} as ${ident(ROW)} set ${sql.join(sets)} from ${from}
      where x.tbl = ${sql.lit(index)} and ${touched} and ${isRow(ROW)}`;
    changes.push({ table: table.name, statement, rows: changedRows(own) });
  }
  return changes;
}

/** A masked row may lose a reference as well: counted once. */
function changedRows(own: readonly RowCount[]): number {
  return own.reduce((sum, row) => sum + (row.outcome === 'delete' ? 0 : row.outcome === 'mask' ? row.rows : row.any), 0);
}

function maskSets(look: Look, { plan, masks }: TargetTable): RawBuilder<unknown>[] {
  if (plan === null || masks === null) return [];
  return [...newValues(look, plan, masks, ROW)].map(([name, value]) => sql`${ident(name)} = ${value}`);
}

function detachSets({ live, detachable }: TargetTable): RawBuilder<unknown>[] {
  const bits = new Map<string, bigint>();
  for (const [bit, edge] of detachable.entries()) {
    for (const name of cutColumns(live, edge)) bits.set(name, (bits.get(name) ?? 0n) | (1n << BigInt(bit)));
  }
  return [...bits].map(
    ([name, mask]) => sql`${ident(name)} = case when x.detach & ${String(mask)}::bigint <> 0 then null else ${ident(ROW, name)} end`,
  );
}

/**
 * Tables whose rows may simply go, by the condition itself and before all others: nothing references them, no hold, floor or owner has a say,
 * no trigger looks on, and nobody is found by way of them. Most rows of most people are in such tables.
 */
export function directTables(look: Look): ReadonlySet<number> {
  const { target, held } = look;
  if (held.people.length > 0) return new Set();
  const found = target.tables.flatMap((table, index) => (isDirect(look, target, table) ? [index] : []));
  return new Set(found);
}

function isDirect(look: Look, target: ErasureTarget, { name, plan, live }: TargetTable): boolean {
  if (
    plan === null ||
    plan.rows !== 'delete' ||
    plan.incoming.length > 0 ||
    plan.json.length + plan.mentions.length + plan.owners.length > 0 ||
    plan.floor !== null ||
    plan.shared !== null
  )
    return false;
  if (name === subjectTable(target) || watchesDeletions(target, live) || heldBy(look, name, ROW).length > 0) return false;
  const between = target.tables.some((other) =>
    other.plan?.ways.some((way) => way.steps.some((step) => step.to === name || step.from === name) && other.name !== name),
  );
  return !between && !target.tables.some((other) => other.plan?.shared?.owners.from === name);
}

function watchesDeletions({ catalog }: ErasureTarget, live: CatalogTable): boolean {
  if (live.triggers.some((trigger) => trigger.enabled && trigger.events.includes('delete'))) return true;
  return (live.partitioning?.partitions ?? []).some(({ table }) => {
    const leaf = catalog.tables[table];
    return leaf !== undefined && watchesDeletions({ catalog } as ErasureTarget, leaf);
  });
}

/** Deletes the people's rows of such a table. Returns how many. */
export async function deleteDirectly(look: Look, index: number): Promise<number> {
  const { name, plan } = look.target.tables[index]!;
  let rows = 0;
  for (const way of plan?.ways ?? []) {
    const result =
      await sql`delete from ${tableRef(name)} as ${ident(ROW)} where ${leadsTo(way, name, look.target.catalog, look.who, ownedAlone(look, false))}`.execute(
        look.trx,
      );
    rows += Number(result.numAffectedRows ?? 0n);
  }
  return rows;
}

export function maySwallow(live: CatalogTable): boolean {
  return live.triggers.some((it) => it.enabled && it.timing === 'before' && it.level === 'row' && it.events.includes('delete'));
}

export function swallowed(store: string, table: string): StoreError {
  const sentence = 'a trigger of the table swallows changes: rows that were to be changed are as they were; nothing was changed';
  return new StoreError({ store, table, code: 'PB003', kind: 'swallowed', retryable: false, sentence });
}
