import { sql, type Kysely } from 'kysely';
import type { TablePlan, Unit } from '../../domain/retention/plan.ts';
import { translating } from '../errors.ts';
import type { Faults } from '../faults.ts';
import { ident, tableRef } from '../identifiers.ts';
import { lastStep, takeStep } from '../ledger.ts';
import type { Lease } from '../lease.ts';
import type { Store } from '../store.ts';

// DETACH waits for every transaction that has used the table: longer, and readers that arrive later queue behind it.
const DETACH_LOCK_MS = 2_000;
// ATTACH reads nothing: the detached partition has a check that says what its bounds say.
const ATTACH_LOCK_MS = 1_000;
const ATTACH_STATEMENT_MS = 60_000;

export type Attachment = 'attached' | 'pending' | 'detached' | 'gone';

/** What is recorded before a partition is detached: how it was a part of its table. */
export interface Intent {
  /** As Postgres prints it. */
  readonly bound: string;
  /** Its check constraints: DETACH CONCURRENTLY adds one. */
  readonly checks: readonly string[];
}

type Physical = Pick<Unit, 'table' | 'oid'>;

export async function attachment(db: Kysely<unknown>, oid: number): Promise<Attachment> {
  const { rows } = await sql<{ pending: boolean | null }>`
    select i.inhdetachpending as pending from pg_class c left join pg_inherits i on i.inhrelid = c.oid where c.oid = ${oid}::oid`.execute(
    db,
  );
  const [row] = rows;
  if (row === undefined) return 'gone';
  return row.pending === null ? 'detached' : row.pending ? 'pending' : 'attached';
}

export async function partitionBound(db: Kysely<unknown>, oid: number): Promise<string> {
  const { rows } = await sql<{
    bound: string;
  }>`select pg_get_expr(relpartbound, oid) as bound from pg_class where oid = ${oid}::oid`.execute(db);
  const bound = rows[0]?.bound;
  if (bound === undefined) throw new Error('The partition has no bounds');
  return bound;
}

export async function checksOf(db: Kysely<unknown>, oid: number): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select conname as name from pg_constraint where conrelid = ${oid}::oid and contype = 'c' order by conname`.execute(db);
  return rows.map(({ name }) => name);
}

/** Whether a foreign key points at the physical table itself. */
export async function referenced(db: Kysely<unknown>, oid: number): Promise<boolean> {
  const { rows } = await sql<{
    found: boolean;
  }>`select exists (select from pg_constraint where contype = 'f' and confrelid = ${oid}::oid) as found`.execute(db);
  return rows[0]?.found === true;
}

/** What a run has recorded of a partition: its intent, and whether it was dropped or attached again since. */
export async function recorded(
  db: Kysely<unknown>,
  runId: string,
  unit: Physical,
): Promise<{ readonly intent: Intent | null; readonly settled: boolean }> {
  const { rows } = await sql<{ kind: string; cursor: Intent }>`
    select kind, next_cursor as cursor from probity.step
    where run_id = ${runId} and lane = 0 and kind in ('detach-intent', 'drop') and next_cursor ->> 'unit' = ${unit.table}
    order by seq`.execute(db);
  return {
    intent: rows.find((row) => row.kind === 'detach-intent')?.cursor ?? null,
    settled: rows.some((row) => row.kind === 'drop'),
  };
}

/** Outside a transaction, as DETACH CONCURRENTLY wants it, on a connection of its own whose lock limit ends with it. */
export async function detach(store: Store, parent: string, unit: Physical, how: 'concurrently' | 'finalize'): Promise<void> {
  await translating(
    store,
    () =>
      store.db.connection().execute(async (connection) => {
        await sql`select set_config('lock_timeout', ${String(DETACH_LOCK_MS)}, false)`.execute(connection);
        try {
          const word = sql.raw(how);
          await sql`alter table ${tableRef(parent)} detach partition ${tableRef(unit.table)} ${word}`.execute(connection);
        } finally {
          await sql`reset lock_timeout`.execute(connection);
        }
      }),
    unit.table,
  );
}

/** As it was: the check that came with the detachment goes. */
export async function attach(trx: Kysely<unknown>, parent: string, unit: Physical, { bound, checks }: Intent): Promise<void> {
  // The bound's text is Postgres's own (pg_get_expr), recorded before the partition was detached.
  await sql`alter table ${tableRef(parent)} attach partition ${tableRef(unit.table)} ${sql.raw(bound)}`.execute(trx);
  for (const added of (await checksOf(trx, unit.oid)).filter((name) => !checks.includes(name)))
    await sql`alter table ${tableRef(unit.table)} drop constraint ${ident(added)}`.execute(trx);
}

/** A run that works on a table no further, with what its steps need. */
export interface Leaving {
  readonly store: Store;
  readonly runId: string;
  readonly plan: TablePlan;
  readonly lease: Lease;
  readonly incarnation: string;
}

/** Gives back what the run has detached and not dropped: whoever stops it must not leave rows outside of every plan. */
export async function attachAgain({ store, runId, plan, lease, incarnation }: Leaving, faults: Faults): Promise<void> {
  for (const unit of plan.units.filter(({ strategy }) => strategy.kind === 'drop')) {
    const { intent, settled } = await recorded(store.db, runId, unit);
    if (intent === null || settled) continue;
    const state = await attachment(store.db, unit.oid);
    if (state === 'pending') await detach(store, plan.table, unit, 'finalize');
    if (state !== 'pending' && state !== 'detached') continue;
    const seq = ((await lastStep(store.db, runId, 0))?.body.seq ?? 0) + 1;
    const limits = { lockTimeoutMs: ATTACH_LOCK_MS, statementTimeoutMs: ATTACH_STATEMENT_MS };
    const request = { runId, lane: 0, seq, kind: 'drop', pass: 0, cutOff: plan.cutOff, lease, incarnation, ...limits };
    await takeStep(
      store,
      request,
      async (trx) => {
        await attach(trx, plan.table, unit, intent);
        return { range: `${unit.table} attached again`, counts: { erased: 0 }, cursor: { unit: unit.table } };
      },
      faults,
    );
  }
}
