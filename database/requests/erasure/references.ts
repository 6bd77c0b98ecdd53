import { sql, type RawBuilder } from 'kysely';
import type { IncomingEdge } from '../../../domain/requests/model.ts';
import { ident, tableRef } from '../../identifiers.ts';
import { all, any, joins } from '../../retention/protection.ts';
import type { Condition } from '../../retention/times.ts';
import { protectedBy, type Look } from './judge.ts';
import { needsMask } from './masks.ts';
import { isRow, ROWS, rowsWith, stands } from './rows.ts';
import type { TargetTable } from './target.ts';

/** Alias of a row that references the row `t`. */
const REF = 'r';

interface Incoming extends IncomingEdge {
  readonly from: number;
  readonly to: number;
}

/** References to rows that would be deleted, from rows that stay: they pin the row, or lose their reference. */
export async function settleReferences(look: Look): Promise<void> {
  const { tables } = look.target;
  const incoming = tables.flatMap((table, to) =>
    (table.plan?.incoming ?? []).map((it): Incoming => ({ ...it, to, from: tables.findIndex((other) => other.name === it.edge.from) })),
  );
  const doomed = await tablesWith(look, 'delete');
  // Children stand before their parents: what a child's fate means for its parents is known when their turn comes.
  for (const edge of incoming) if (doomed.has(edge.to)) await pin(look, edge);
  if (incoming.some((edge) => edge.from >= edge.to && tables[edge.from]!.plan !== null)) await pinAlongCycles(look, incoming);
  for (const index of await tablesWith(look, 'pinned')) await touchPinned(look, index);
  for (const edge of incoming) if (edge.otherwise === 'detach' && doomed.has(edge.to)) await detach(look, edge);
}

async function tablesWith({ trx }: Look, outcome: 'delete' | 'pinned'): Promise<ReadonlySet<number>> {
  const { rows } = await sql<{ tbl: number }>`select distinct x.tbl from ${ROWS} as x where x.outcome = ${outcome}`.execute(trx);
  return new Set(rows.map((row) => row.tbl));
}

/** A row that references `t` along the edge and is not going itself. */
function survivors({ target }: Look, edge: Incoming): { from: RawBuilder<unknown>; where: Condition } {
  const going = target.tables[edge.from]!.plan === null ? [] : [sql<boolean>`not ${stands(edge.from, REF, ['delete'])}`];
  return { from: sql`${tableRef(edge.edge.from)} as ${ident(REF)}`, where: all([joins(edge.edge, REF, 't'), ...going]) };
}

async function pin(look: Look, edge: Incoming): Promise<void> {
  const table = look.target.tables[edge.from]!;
  const conditions: Condition[] = [];
  if (edge.otherwise === 'detach') {
    // Not even its reference is taken from a row that a hold or a floor protects: it would no longer say whose it is.
    const own = protectedBy(look, table, REF);
    const known = table.plan === null || (own === null && look.held.people.length === 0) ? [] : [stands(edge.from, REF, ['held', 'floor'])];
    if (own === null && known.length === 0) return;
    conditions.push(any([...(own === null ? [] : [own]), ...known]));
  }
  const { from, where } = survivors(look, edge);
  await sql`
    update ${ROWS} as x set outcome = 'pinned' from ${tableRef(edge.edge.to)} as t
    where x.tbl = ${sql.lit(edge.to)} and x.outcome = 'delete' and ${isRow('t')}
      and exists (select from ${from} where ${all([where, ...conditions])})`.execute(look.trx);
}

/** In a cycle a row may be found to stay after those were judged that it references: whatever pinned rows reference is pinned too. */
async function pinAlongCycles(look: Look, incoming: readonly Incoming[]): Promise<void> {
  const pinned = await tablesWith(look, 'pinned');
  if (pinned.size === 0) return;
  const links = incoming
    .filter((edge) => edge.otherwise === 'pin' && look.target.tables[edge.from]!.plan !== null)
    .map(
      (edge) => sql`
        select y.tbl as from_tbl, y.oid as from_oid, y.tid as from_tid, x.tbl, x.oid, x.tid
        from ${ROWS} as x join ${tableRef(edge.edge.to)} as t on ${isRow('t')}
        join ${tableRef(edge.edge.from)} as ${ident(REF)} on ${joins(edge.edge, REF, 't')}
        join ${ROWS} as y on y.tbl = ${sql.lit(edge.from)} and y.oid = ${ident(REF)}.tableoid and y.tid = ${ident(REF)}.ctid
        where x.tbl = ${sql.lit(edge.to)} and x.outcome = 'delete' and y.outcome in ('delete', 'pinned')`,
    );
  if (links.length === 0) return;
  await sql`
    with recursive link as materialized (${sql.join(links, sql` union all `)}),
    pinned as (
      select x.tbl, x.oid, x.tid from ${ROWS} as x where x.outcome = 'pinned'
      union
      select link.tbl, link.oid, link.tid from pinned
      join link on link.from_tbl = pinned.tbl and link.from_oid = pinned.oid and link.from_tid = pinned.tid
    )
    update ${ROWS} as x set outcome = 'pinned' from pinned
    where x.tbl = pinned.tbl and x.oid = pinned.oid and x.tid = pinned.tid and x.outcome = 'delete'`.execute(look.trx);
}

async function touchPinned({ trx, target }: Look, index: number): Promise<void> {
  const { name, plan, masks }: TargetTable = target.tables[index]!;
  const needed = plan === null || masks === null ? null : needsMask(masks, plan, 'pinned', 't');
  if (needed === null) return;
  const { where } = rowsWith(index, name, 'pinned');
  await sql`update ${ROWS} as x set touch = true from ${tableRef(name)} as t where ${where} and ${needed}`.execute(trx);
}

async function detach(look: Look, edge: Incoming): Promise<void> {
  const bit = look.target.tables[edge.from]!.detachable.indexOf(edge.edge);
  const doomed = rowsWith(edge.to, edge.edge.to, 'delete');
  const { where } = survivors(look, edge);
  const locking = look.locking ? sql` for no key update of ${ident(REF)}` : sql``;
  await sql`
    insert into ${ROWS} as entered (tbl, oid, tid, outcome, detach)
    select ${sql.lit(edge.from)}, ${ident(REF)}.tableoid, ${ident(REF)}.ctid, 'other', 1::bigint << ${sql.lit(bit)}
    from ${tableRef(edge.edge.from)} as ${ident(REF)} where exists (select from ${doomed.from} where ${doomed.where} and ${where})${locking}
    on conflict (tbl, oid, tid) do update set detach = entered.detach | excluded.detach`.execute(look.trx);
}
