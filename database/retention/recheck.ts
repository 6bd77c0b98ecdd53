import { sql } from 'kysely';
import type { Faults } from '../faults.ts';
import { activeHolds } from '../holds.ts';
import { lastStep, restored, takeStep } from '../ledger.ts';
import { inTransaction } from '../store.ts';
import { COUNTING, countOutcomes, keptByReason } from './count.ts';
import { targetChange } from './target.ts';
import { stepRequest, type LaneWork } from './work.ts';

export interface Recheck {
  /** Rows that the rule still takes: none, unless rows moved meanwhile or failed. */
  readonly remaining: number;
  /** Object ids of the physical tables where they are. */
  readonly units: readonly number[];
  readonly seq: number;
}

const LIMIT_MS = 10_000;

/**
 * Looks once more at the whole table in one snapshot and records what it found: the closing statement, or the reason for another
 * pass. The count runs before the step, so that nobody who places a hold has to wait for it.
 */
export async function recheckTable(work: LaneWork, faults: Faults): Promise<Recheck> {
  const { target, runId } = work;
  const { store, plan } = target;
  const root = target.catalog.tables[plan.table];
  const counted = await inTransaction(
    store,
    { readOnly: true, isolation: 'repeatable read', lockTimeoutMs: LIMIT_MS, settings: COUNTING },
    async (trx) => {
      const holds = await activeHolds(trx);
      const change = targetChange(target, holds, { table: plan.table, oid: root?.oid ?? 0 });
      const counts = await countOutcomes(trx, change, null);
      const { rows } = await sql<{ snapshot: string }>`select pg_current_snapshot()::text as snapshot`.execute(trx);
      return { counts, snapshot: rows[0]?.snapshot ?? '' };
    },
  );
  const taken = counted.counts.filter((count) => count.outcome === 'take');
  const remaining = taken.reduce((sum, count) => sum + count.rows, 0);
  const kept = Object.fromEntries(Object.entries(keptByReason(counted.counts)).map(([reason, rows]) => [`kept:${reason}`, rows]));
  const last = await lastStep(store.db, runId, 0);
  if ((last?.body.seq ?? 0) < work.knownSteps) throw restored(store.name, plan.table);
  const step = await takeStep(
    store,
    stepRequest(work, 0, (last?.body.seq ?? 0) + 1, 'recheck', { lockTimeoutMs: LIMIT_MS, statementTimeoutMs: LIMIT_MS }),
    () => Promise.resolve({ range: `snapshot ${counted.snapshot}`, counts: { remaining, ...kept }, cursor: null }),
    faults,
  );
  return { remaining, units: taken.map((count) => count.oid), seq: step.body.seq };
}
