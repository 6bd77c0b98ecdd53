import { sql, type Kysely } from 'kysely';
import type { Unit } from '../../domain/retention/plan.ts';
import { StoreError, translating } from '../errors.ts';
import type { Faults } from '../faults.ts';
import { tableRef } from '../identifiers.ts';
import { lastStep, restored, takeStep, type Step, type StepEffect } from '../ledger.ts';
import type { Store } from '../store.ts';
import type { ActiveHolds } from '../holds.ts';
import { ROW, takes } from './change.ts';
import type { LaneResult } from './lane.ts';
import { all, holdReasons } from './protection.ts';
import { targetChange } from './target.ts';
import { stepRequest, type LaneWork } from './work.ts';

// DETACH waits for every transaction that has used the table: longer, and readers that arrive later queue behind it.
const DETACH_LOCK_MS = 2_000;
// The drop's own lock is exclusive, on a partition that nobody can reach through its parent any more.
const DROP_LOCK_MS = 1_000;
// The count under the lock reads the whole partition.
const DROP_STATEMENT_MS = 600_000;

type Attachment = 'attached' | 'pending' | 'detached' | 'gone';

/**
 * Drops the wholly expired partitions of a table, one by one. DDL of this kind cannot share the step's transaction, so each begins
 * with a recorded intent; whoever comes after a kill reads the partition's state from the catalog and goes on from there.
 */
export async function dropPartitions(work: LaneWork, faults: Faults, beat: () => void): Promise<LaneResult> {
  const { store, plan } = work.target;
  const before = (await lastStep(store.db, work.runId, 0))?.body.seq ?? 0;
  if (before < work.knownSteps) throw restored(store.name, plan.table);
  let changed = 0;
  for (const unit of work.units.filter((candidate) => candidate.strategy.kind === 'drop')) {
    beat();
    changed += await dropPartition(work, unit, faults);
    await faults('before heartbeat');
  }
  const seq = (await lastStep(store.db, work.runId, 0))?.body.seq ?? 0;
  return { done: true, seq, changed, steps: seq - before };
}

/** Returns the rows that went. */
async function dropPartition(work: LaneWork, unit: Unit, faults: Faults): Promise<number> {
  const { store, plan } = work.target;
  const done = await recorded(store.db, work.runId, unit);
  if (done.dropped) return 0;
  let state = await attachment(store.db, unit.oid);
  if (state === 'gone' || (state === 'detached' && done.bound === null)) throw vanished(store, unit);
  let bound = done.bound;
  if (bound === null) {
    bound = await partitionBound(store.db, unit.oid);
    const cursor = { unit: unit.table, bound };
    await record(work, 'detach-intent', faults, () => Promise.resolve({ range: unit.table, counts: {}, cursor }));
  }
  if (state === 'attached') {
    await detach(store, plan.table, unit, 'concurrently');
    state = await attachment(store.db, unit.oid);
  }
  if (state === 'pending') await detach(store, plan.table, unit, 'finalize');
  const step = await record(work, 'drop', faults, (trx, holds) => dropOrReattach(trx, work, holds, unit, bound));
  return step.body.counts['erased'] ?? 0;
}

/** Under an exclusive lock: every row is still to go, and the partition goes; otherwise it returns to its table. */
async function dropOrReattach(trx: Kysely<unknown>, work: LaneWork, holds: ActiveHolds, unit: Unit, bound: string): Promise<StepEffect> {
  const change = targetChange(work.target, holds, unit);
  // A hold may name the partition, which is no part of its table any more.
  const held = holdReasons(unit.table, ROW, { ...holds, subjects: [] }, [], work.target.catalog);
  const goes = all([takes(change), ...held.map((reason) => sql<boolean>`not ${reason.condition}`)]);
  await sql`lock table ${tableRef(unit.table)} in access exclusive mode`.execute(trx);
  const { rows } = await sql<{ going: number; staying: number }>`
    select count(*) filter (where ${goes}) as going, count(*) filter (where (${goes}) is not true) as staying
    from ${tableRef(unit.table)} as ${sql.id(ROW)}`.execute(trx);
  const { going = 0, staying = 0 } = rows[0] ?? {};
  const cursor = { unit: unit.table };
  if (staying > 0) {
    // The bound's text is Postgres's own (pg_get_expr), recorded before the partition was detached.
    await sql`alter table ${tableRef(work.target.plan.table)} attach partition ${tableRef(unit.table)} ${sql.raw(bound)}`.execute(trx);
    return { range: `${unit.table} attached again`, counts: { erased: 0 }, cursor };
  }
  await sql`drop table ${tableRef(unit.table)}`.execute(trx);
  return { range: `${unit.table} dropped`, counts: { erased: going }, cursor };
}

async function record(
  work: LaneWork,
  kind: string,
  faults: Faults,
  act: (trx: Kysely<unknown>, holds: ActiveHolds) => Promise<StepEffect>,
): Promise<Step> {
  const last = await lastStep(work.target.store.db, work.runId, 0);
  const limits = { lockTimeoutMs: DROP_LOCK_MS, statementTimeoutMs: DROP_STATEMENT_MS };
  const request = stepRequest(work, 0, (last?.body.seq ?? 0) + 1, kind, limits);
  return takeStep(work.target.store, request, act, faults);
}

async function recorded(db: Kysely<unknown>, runId: string, unit: Unit): Promise<{ dropped: boolean; bound: string | null }> {
  const { rows } = await sql<{ kind: string; bound: string | null }>`
    select kind, next_cursor ->> 'bound' as bound from probity.step
    where run_id = ${runId} and lane = 0 and kind in ('detach-intent', 'drop') and next_cursor ->> 'unit' = ${unit.table}
    order by seq`.execute(db);
  return {
    dropped: rows.some((row) => row.kind === 'drop'),
    bound: rows.find((row) => row.kind === 'detach-intent')?.bound ?? null,
  };
}

async function attachment(db: Kysely<unknown>, oid: number): Promise<Attachment> {
  const { rows } = await sql<{ pending: boolean | null }>`
    select i.inhdetachpending as pending from pg_class c left join pg_inherits i on i.inhrelid = c.oid where c.oid = ${oid}::oid`.execute(
    db,
  );
  const [row] = rows;
  if (row === undefined) return 'gone';
  return row.pending === null ? 'detached' : row.pending ? 'pending' : 'attached';
}

async function partitionBound(db: Kysely<unknown>, oid: number): Promise<string> {
  const { rows } = await sql<{
    bound: string;
  }>`select pg_get_expr(relpartbound, oid) as bound from pg_class where oid = ${oid}::oid`.execute(db);
  const bound = rows[0]?.bound;
  if (bound === undefined) throw new Error('The partition has no bounds');
  return bound;
}

/** Outside a transaction, as DETACH CONCURRENTLY wants it, on a connection of its own whose lock limit ends with it. */
async function detach(store: Store, parent: string, unit: Unit, how: 'concurrently' | 'finalize'): Promise<void> {
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

function vanished(store: Store, unit: Unit): StoreError {
  const sentence = 'the partition was detached or dropped by somebody else since the plan';
  return new StoreError({ store: store.name, table: unit.table, code: 'PB004', kind: 'schema', retryable: false, sentence });
}
