import { sql, type Kysely } from 'kysely';
import type { Unit } from '../../domain/retention/plan.ts';
import { StoreError } from '../errors.ts';
import type { Faults } from '../faults.ts';
import { tableRef } from '../identifiers.ts';
import { lastStep, restored, takeStep, type Step, type StepEffect } from '../ledger.ts';
import type { Store } from '../store.ts';
import type { ActiveHolds } from '../holds.ts';
import { ROW, takes } from './change.ts';
import { attach, attachment, checksOf, detach, partitionBound, recorded, referenced, type Intent } from './detach.ts';
import type { LaneResult } from './lane.ts';
import { all, holdReasons } from './protection.ts';
import { targetChange } from './target.ts';
import { stepRequest, type LaneWork } from './work.ts';

// The drop's own lock is exclusive, on a partition that nobody can reach through its parent any more.
const DROP_LOCK_MS = 1_000;
// The count under the lock reads the whole partition.
const DROP_STATEMENT_MS = 600_000;

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
  if (done.settled) return 0;
  let state = await attachment(store.db, unit.oid);
  if (state === 'gone' || (state === 'detached' && done.intent === null)) throw vanished(store, unit);
  let intent = done.intent;
  if (intent === null) {
    intent = { bound: await partitionBound(store.db, unit.oid), checks: await checksOf(store.db, unit.oid) };
    const cursor = { unit: unit.table, ...intent };
    await record(work, 'detach-intent', faults, () => Promise.resolve({ range: unit.table, counts: {}, cursor }));
  }
  if (state === 'attached') {
    await detach(store, plan.table, unit, 'concurrently');
    state = await attachment(store.db, unit.oid);
  }
  if (state === 'pending') await detach(store, plan.table, unit, 'finalize');
  const step = await record(work, 'drop', faults, (trx, holds) => dropOrReattach(trx, work, holds, unit, intent));
  return step.body.counts['erased'] ?? 0;
}

/** Under an exclusive lock: every row is still to go, and the partition goes; otherwise it returns to its table. */
async function dropOrReattach(trx: Kysely<unknown>, work: LaneWork, holds: ActiveHolds, unit: Unit, intent: Intent): Promise<StepEffect> {
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
  // Whoever refers to the partition by now would lose the key with it.
  if (staying > 0 || (await referenced(trx, unit.oid))) {
    await attach(trx, work.target.plan.table, unit, intent);
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

function vanished(store: Store, unit: Unit): StoreError {
  const sentence = 'the partition was detached or dropped by somebody else since the plan';
  return new StoreError({ store: store.name, table: unit.table, code: 'PB004', kind: 'schema', retryable: false, sentence });
}
