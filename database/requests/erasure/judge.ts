import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { TableErasure } from '../../../domain/requests/model.ts';
import { namedElsewhere } from '../../../domain/retention/elsewhere.ts';
import { subjectPaths } from '../../../domain/retention/graph.ts';
import { floorCutOff } from '../../../domain/time.ts';
import type { Floor } from '../../../manifest/model.ts';
import { ACTIVE, type ActiveHolds } from '../../holds.ts';
import { ident, tableRef } from '../../identifiers.ts';
import { heldReasons } from '../../retention/held-names.ts';
import { all, any, type Reason } from '../../retention/protection.ts';
import { before, type Condition } from '../../retention/times.ts';
import type { People } from './keys.ts';
import { needsMask } from './masks.ts';
import { namesSomebody } from './json-paths.ts';
import { columnOf, joinedAlong, leadsTo, ROW, wayText, type OwnedAlone, type Who } from './reach.ts';
import { isRow, ROWS, stands, type Outcome } from './rows.ts';
import { subjectTable, type ErasureTarget, type TargetTable } from './target.ts';

/** One look at the rows of people: under which holds, at which time, and whether the rows are locked for a change. */
export interface Look {
  readonly trx: Transaction<unknown>;
  readonly target: ErasureTarget;
  readonly who: Who;
  readonly held: HeldPeople;
  readonly holds: ActiveHolds;
  /** By the store's clock. */
  readonly now: Date;
  readonly locking: boolean;
}

/** People with a hold on them, who are held as a whole, each with one hold. */
export interface HeldPeople {
  readonly people: readonly number[];
  readonly holds: readonly string[];
}

export async function lookAt(
  trx: Transaction<unknown>,
  target: ErasureTarget,
  people: People,
  holds: ActiveHolds,
  locking: boolean,
): Promise<Look> {
  const { subject } = target.erasure;
  const elsewhere = people.heldElsewhere ?? [];
  const { rows } = await sql<{ person: number; hold: string; here: boolean }>`
    with own as (
      select k.person, k.chunk, k.subject, k.parts from probity.run_key as k
      where k.run_id = ${people.runId} and k.class = ${people.class} and k.subject = ${subject} and k.identity = 'key'
    ), held as (
      select own.person, own.chunk, h.hold_id as hold from own join probity.hold as h on h.subject = own.subject and h.subject_key = own.parts and ${ACTIVE}
      union all
      select own.person, own.chunk, it.hold from own
      join unnest(${elsewhere.map(({ person }) => person)}::integer[], ${elsewhere.map(({ hold }) => hold)}::text[]) as it (person, hold)
        on it.person = own.person
    )
    select held.person, min(held.hold) as hold, coalesce(bool_or(held.chunk = ${people.chunk}::integer), true) as here
    from held group by held.person order by held.person`.execute(trx);
  const here = rows.filter((row) => row.here);
  const held = { people: here.map((row) => row.person), holds: here.map((row) => row.hold) };
  const heldAnywhere = rows.map((row) => row.person);
  const clock = await sql<{ now: Date }>`select now() as now`.execute(trx);
  return { trx, target, who: { ...people, subject, without: held.people, heldAnywhere }, held, holds, now: clock.rows[0]!.now, locking };
}

/** Rows that a way reaches and that no way before it did. */
export interface Reached {
  readonly table: string;
  readonly way: string;
  readonly rows: number;
}

/**
 * Enters the people's rows of one table with what the row alone decides: held, under a floor, kept, masked, deleted. Locks them when they are
 * to be changed; of the subjects' own table always, so that nobody can write more about them meanwhile.
 */
export async function enterRows(look: Look, index: number): Promise<Reached[]> {
  const { trx, target, who, held } = look;
  const { name, plan } = target.tables[index]!;
  if (plan === null) return [];
  const reached: Reached[] = [];
  for (const way of plan.ways) {
    let rows = 0;
    if (held.people.length > 0) {
      const { from, where } = joinedAlong(way, name, target.catalog, { ...who, without: [], heldAnywhere: [] }, ownedAlone(look, true));
      const result = await sql`
        insert into ${ROWS} (tbl, oid, tid, outcome, why)
        select ${sql.lit(index)}, ${ident(ROW)}.tableoid, ${ident(ROW)}.ctid, 'held', 'hold:' || min(it.hold)
        from ${from}, unnest(${held.people}::integer[], ${held.holds}::text[]) as it (person, hold)
        where ${where} and k.person = it.person group by ${ident(ROW)}.tableoid, ${ident(ROW)}.ctid on conflict do nothing`.execute(trx);
      rows += Number(result.numAffectedRows ?? 0n);
    }
    reached.push({ table: name, way: wayText(way), rows });
  }
  const { outcome, why } = judgement(look, plan, index);
  for (const [at, way] of plan.ways.entries()) {
    const result = await sql`
      insert into ${ROWS} (tbl, oid, tid, outcome, why)
      select ${sql.lit(index)}, ${ident(ROW)}.tableoid, ${ident(ROW)}.ctid, ${outcome}, ${why}
      from ${tableRef(name)} as ${ident(ROW)} where ${leadsTo(way, name, target.catalog, who, ownedAlone(look, false))}${lock(look, plan)} on conflict do nothing`.execute(
      trx,
    );
    reached[at] = { ...reached[at]!, rows: reached[at]!.rows + Number(result.numAffectedRows ?? 0n) };
  }
  return reached;
}

/**
 * Enters rows whose documents name the people, whosoever the rows are. What a hold or a floor protects stays as it is, and is counted so.
 */
export async function enterNamed(look: Look, index: number): Promise<number> {
  const { trx, target, who } = look;
  const { name, plan, live } = target.tables[index]!;
  if (plan === null || plan.json.length === 0) return 0;
  const { outcome, why } = judgement(look, plan, index, sql`'other'`);
  const locking = look.locking ? sql` for no key update of ${ident(ROW)}` : sql``;
  const result = await sql`
    insert into ${ROWS} as entered (tbl, oid, tid, outcome, reached, why, json)
    select ${sql.lit(index)}, ${ident(ROW)}.tableoid, ${ident(ROW)}.ctid, ${outcome}, false, ${why}, true
    from ${tableRef(name)} as ${ident(ROW)} where ${namesSomebody(plan.json, live, ROW, who)}${locking}
    on conflict (tbl, oid, tid) do update set json = entered.outcome not in ('held', 'floor'),
      outcome = case entered.outcome when 'keep' then 'mask' else entered.outcome end`.execute(trx);
  await sql`update ${ROWS} as x set json = false where x.tbl = ${sql.lit(index)} and x.outcome in ('held', 'floor') and x.json`.execute(
    trx,
  );
  return Number(result.numAffectedRows ?? 0n);
}

/** What people share is owned by nobody but them: of a row that is entered in the owners' table. Held people go on owning. */
export function ownedAlone({ target }: Look, held: boolean): OwnedAlone {
  return (owners, alias) => {
    const at = target.tables.findIndex((table) => table.name === owners.from);
    const theirs = at < 0 || target.tables[at]!.plan === null ? sql<boolean>`false` : stands(at, 'o', held ? [...THEIRS, 'held'] : THEIRS);
    const same = owners.columns.map((column, part) => sql<boolean>`${ident('o', column)} = ${ident(alias, owners.toColumns[part] ?? '')}`);
    return sql<boolean>`not exists (select from ${tableRef(owners.from)} as o where ${all([...same, sql<boolean>`not ${theirs}`])})`;
  };
}

const THEIRS: readonly Outcome[] = ['delete', 'mask', 'keep', 'floor', 'shared', 'pinned'];

function lock(look: Look, plan: TableErasure): RawBuilder<unknown> {
  if (!look.locking) return sql``;
  if (plan.rows === 'delete' || plan.table === subjectTable(look.target)) return sql` for update of ${ident(ROW)}`;
  return plan.rows === 'mask' ? sql` for no key update of ${ident(ROW)}` : sql``;
}

export function judgement(
  look: Look,
  plan: TableErasure,
  index: number,
  said?: RawBuilder<unknown>,
): { outcome: RawBuilder<unknown>; why: RawBuilder<unknown> } {
  const held = heldBy(look, plan.table, ROW);
  const floor =
    plan.floor === null || !floorMatters(plan)
      ? []
      : [{ condition: underFloor(look, plan.table, plan.floor, ROW), label: `floor:${plan.floor.rule}` }];
  const labels = [
    ...held.map(({ condition, label }) => sql`when ${condition} then ${label}`),
    ...floor.map((it) => sql`when ${it.condition} then ${it.label}`),
  ];
  const why = labels.length === 0 ? sql`null::text` : sql`case ${sql.join(labels, sql` `)} end`;
  const masks = look.target.tables[index]!.masks;
  const needed = masks === null ? null : needsMask(masks, plan, 'kept', ROW);
  const kept = needed === null ? sql`'keep'` : sql`case when ${needed} then 'mask' else 'keep' end`;
  const otherwise = said ?? (plan.rows === 'delete' ? sql`'delete'` : kept);
  const cases = [
    ...(held.length === 0 ? [] : [sql`when ${any(held.map((it) => it.condition))} then 'held'`]),
    ...floor.map((it) => sql`when ${it.condition} then 'floor'`),
  ];
  return { outcome: cases.length === 0 ? otherwise : sql`case ${sql.join(cases, sql` `)} else ${otherwise} end`, why };
}

/** Holds on rows of a table, by table and by whichever subject a path leads to. */
export function heldBy({ target, holds }: Look, table: string, alias: string): Reason[] {
  const { edges, manifest, store, catalog } = target;
  const anybody = holds.subjects.length > 0;
  const paths = anybody ? subjectPaths(table, edges, manifest, store.name) : [];
  const elsewhere = anybody ? namedElsewhere(table, edges, manifest, catalog) : [];
  return heldReasons(table, alias, holds, { paths, elsewhere, catalog });
}

/** Rows of which nothing would become anyway, such as those that a withdrawal is not about, are not kept by a floor and wait for no day. */
export function floorMatters({ rows, masks, json, mentions }: TableErasure): boolean {
  return rows !== 'keep' || masks.length + json.length + mentions.length > 0;
}

/** By which a floor is judged. */
export interface FloorClock {
  readonly target: Pick<ErasureTarget, 'manifest' | 'catalog'>;
  readonly now: Date;
}

/** Younger than the floor, or of an age that cannot be told. */
export function underFloor({ target, now }: FloorClock, table: string, floor: Floor, alias: string): Condition {
  const zone = target.manifest.timezone;
  const column = columnOf(target.catalog, table, floor.after);
  const free = before(ident(alias, floor.after), column, floorCutOff(now, floor, zone), { zone, zoneless: 'local' });
  return sql<boolean>`(${free} is not true)`;
}

/** What people share stays while somebody else owns it, or as declared for the last owner. After all rows were entered. */
export async function judgeShared(look: Look, index: number): Promise<void> {
  const { trx, target } = look;
  const { name, plan } = target.tables[index]!;
  if (plan?.shared === null || plan?.shared === undefined) return;
  const { owners, onErase, lastOwner } = plan.shared;
  const others = sql<boolean>`not ${ownedAlone(look, false)(owners, ROW)}`;
  const stays: Condition[] = [];
  if (onErase !== 'delete') stays.push(others);
  if (lastOwner === 'keep') stays.push(ownedAlone(look, false)(owners, ROW));
  for (const condition of stays) {
    await sql`
      update ${ROWS} as x set outcome = 'shared' from ${tableRef(name)} as ${ident(ROW)}
      where x.tbl = ${sql.lit(index)} and x.outcome in ('delete', 'mask', 'keep') and ${isRow(ROW)} and ${condition}`.execute(trx);
  }
}

/** The protection that a row of a referencing table has in its own right; null when nothing protects any. */
export function protectedBy(look: Look, table: TargetTable, alias: string): Condition | null {
  const floor =
    table.plan === null ? (look.target.manifest.tables[`${look.target.store.name}.${table.name}`]?.floor ?? null) : table.plan.floor;
  const conditions = [
    ...heldBy(look, table.name, alias).map((it) => it.condition),
    ...(floor === null ? [] : [underFloor(look, table.name, floor, alias)]),
  ];
  return conditions.length === 0 ? null : any(conditions);
}
