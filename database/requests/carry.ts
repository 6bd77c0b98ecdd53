import { sql } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { CLOSING, isHeld } from '../../domain/requests/outcome.ts';
import { translating } from '../errors.ts';
import { ACTIVE } from '../holds.ts';
import { noFaults, type Faults } from '../faults.ts';
import { runRecords, takeStep, type StepRequest } from '../ledger.ts';
import { releaseLease, takeLease, whileLeased, type Lease } from '../lease.ts';
import type { Store } from '../store.ts';
import { eraseChunk } from './erasure/chunk.ts';
import { verifyChunk } from './erasure/count.ts';
import { countKeys } from './erasure/keys.ts';
import type { ErasureTarget } from './erasure/target.ts';

/** All chunks of a run go through one lane of each store: one chain of evidence. */
const LANE = 0;
/** An application that keeps a row locked for longer is asked again later. Milliseconds. */
const LOCK_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 600_000;
/** Rows that come while it works are taken by another pass; an application that writes them faster must be told, not raced. */
const MOST_PASSES = 5;

export interface Carried {
  /** Steps of the store's chain that are known to be committed. */
  readonly seq: number;
  /** Rows that would still be deleted or masked; more than none when rows came faster than they went. */
  readonly remaining: number;
}

/**
 * Takes every table that the erasure changes for the run, all or none. Returns null, without waiting, while another run has one. In the tables' order by
 * name, so that two runs cannot each hold what the other waits for.
 */
export async function takeTables(target: ErasureTarget, runId: string): Promise<Lease[] | null> {
  const taken: Lease[] = [];
  for (const table of target.tables.map(({ name }) => name).sort()) {
    const lease = await takeLease(target.store, table, runId);
    if (lease === null) {
      await releaseTables(target.store, taken);
      return null;
    }
    taken.push(lease);
  }
  return taken;
}

export async function releaseTables(store: Store, leases: readonly Lease[]): Promise<void> {
  for (const lease of leases) await releaseLease(store, lease);
}

/**
 * Carries out an erasure in one store: each chunk of people is a step of the ledger, then every planned row is read again, and what is
 * found is taken by another pass. The last step is the closing statement. Repeating it goes on behind the last step that was committed.
 */
export async function carryOut(
  target: ErasureTarget,
  run: { readonly runId: string; readonly class: number; readonly incarnation: string; readonly leases: readonly Lease[] },
  options: { readonly beat: () => void; readonly faults?: Faults },
): Promise<Carried> {
  const { store } = target;
  const { runId, leases } = run;
  const faults = options.faults ?? noFaults;
  const [lease, ...furtherLeases] = leases;
  if (lease === undefined) return { seq: 0, remaining: 0 };
  // A lost lease is noticed by the next step.
  return whileLeased(store, leases, async () => {
    const chunks = (await countKeys(store, runId)).chunks.filter((it) => it.class === run.class).map(({ chunk }) => chunk);
    const steps = (await runRecords(store.db, runId)).map(({ body }) => body).filter(({ lane }) => lane === LANE);
    const last = steps.at(-1);
    let seq = last?.seq ?? 0;
    // Nothing is left of this call but its answer. What is held may have been released meanwhile.
    if (last?.kind === CLOSING && !isHeld(last) && last.counts['remaining'] === 0) return { seq, remaining: 0 };
    let taken = steps.length - 1 - steps.findLastIndex(({ kind }) => kind === CLOSING);
    const step = (): Omit<StepRequest, 'runId' | 'kind' | 'pass' | 'cutOff'> => ({
      lane: LANE,
      seq: seq + 1,
      lease,
      furtherLeases,
      incarnation: run.incarnation,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    });
    for (let pass = Math.floor(taken / chunks.length); ; pass++) {
      for (const chunk of chunks.slice(taken % chunks.length)) {
        await eraseChunk(target, { runId, chunk, class: run.class }, step(), { step: faults });
        seq += 1;
        taken += 1;
        options.beat();
      }
      const found = await verify(chunks);
      if (found.remaining > 0 && pass + 1 < MOST_PASSES) continue;
      const body = { range: `at ${found.snapshot}`, counts: { ...found.counts, remaining: found.remaining }, cursor: null };
      await takeStep(store, { ...step(), runId, kind: CLOSING, pass, cutOff: null }, () => Promise.resolve(body), faults);
      return { seq: seq + 1, remaining: found.remaining };
    }
  });

  async function verify(chunks: readonly number[]): Promise<{ remaining: number; counts: Record<string, number>; snapshot: string }> {
    const counts: Record<string, number> = {};
    let remaining = 0;
    let snapshot = '';
    for (const chunk of chunks) {
      const found = await verifyChunk(target, { runId, chunk, class: run.class });
      remaining += found.remaining;
      snapshot = found.snapshot;
      for (const [name, rows] of Object.entries(found.counts)) counts[name] = (counts[name] ?? 0) + rows;
      options.beat();
    }
    return { remaining, counts, snapshot };
  }
}

/** Whether somebody of the run is under a hold of the store as a whole, so that everything of theirs stays. */
export async function anyHeld(store: Store, runId: string): Promise<boolean> {
  const { rows } = await translating(store, () =>
    sql<{ held: boolean }>`
      select exists (
        select from probity.hold h join probity.run_key k on k.run_id = ${runId} and k.identity = ${KEY_IDENTITY}
          and k.subject = h.subject and k.parts = h.subject_key
        where ${ACTIVE}) as held`.execute(store.db),
  );
  return rows[0]?.held === true;
}
