import { PROOFS_CLOSED, PROOFS_LANE, PROOFS_PRUNED, PROOFS_TABLE } from '../../domain/retention/proofs.ts';
import { isBusy } from '../errors.ts';
import type { Faults } from '../faults.ts';
import type { Lease } from '../lease.ts';
import { lastStep, restored, takeStep, type Step, type StepEffect, type StepRequest } from '../ledger.ts';
import type { Store } from '../store.ts';
import { forgetPseudonyms } from '../views/kept.ts';
import { deleteLinks, LINK_LOCK_MS } from './prune-links.ts';
import { nextPeople, pruneBatch } from './prune.ts';

/** The ledger's own retention as part of a run: each batch is a step, in a lane beside those of the tables. */
export interface ProofsWork {
  readonly home: Store;
  readonly runId: string;
  readonly cutOff: Date;
  readonly lease: Lease;
  readonly incarnation: string;
  /** Steps known to be committed. */
  readonly knownSteps: number;
}

export interface ProofsPruned {
  /** False: stopped before the end; the next call goes on from there. */
  readonly done: boolean;
  readonly seq: number;
}

/** An import may hold people for a batch; longer, and the activity is better tried again later. Milliseconds. */
const LOCK_TIMEOUT_MS = 10_000;
/** A batch derives the answers for two hundred people. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** Prunes from where the ledger says that this run stands. Whatever was lost in the middle is looked at again. Throws `StoreError`. */
export async function pruneForRun(
  work: ProofsWork,
  { stop, beat }: { readonly stop: () => boolean; readonly beat: () => void },
  faults: Faults,
): Promise<ProofsPruned> {
  const { home, cutOff } = work;
  const last = await lastStep(home.db, work.runId, PROOFS_LANE);
  let seq = last?.body.seq ?? 0;
  if (seq < work.knownSteps) throw restored(home.name, PROOFS_TABLE);
  if (last?.body.kind === PROOFS_CLOSED) return { done: true, seq };
  const record = (kind: string, act: Parameters<typeof takeStep>[2], lockTimeoutMs = LOCK_TIMEOUT_MS): Promise<Step> =>
    takeStep(home, stepOf(work, seq + 1, kind, lockTimeoutMs), act, faults);
  let recorded = placeOf(last);
  for (let after = recorded; ;) {
    const roots = await nextPeople(home, after, cutOff);
    const next = roots.at(-1);
    if (next === undefined) break;
    await pruneBatch(home, roots, cutOff, async (act) => {
      const step = await record(PROOFS_PRUNED, async (trx) => {
        const { pruned, kept, held, requested } = await act(trx);
        return {
          range: null,
          counts: { erased: pruned.length, 'kept:answer': kept, 'kept:hold': held, 'kept:request': requested },
          cursor: next,
        };
      });
      seq = step.body.seq;
      recorded = placeOf(step);
    });
    beat();
    after = next;
    if (!stop()) continue;
    // Where nothing went there was no step; the next call must not begin before it.
    if (recorded !== after) seq = (await record(PROOFS_PRUNED, () => Promise.resolve(nothing(after)))).body.seq;
    return { done: false, seq };
  }
  await forgetPseudonyms(home);
  const closing = await close(record);
  return { done: true, seq: closing.body.seq };
}

/** With the links of people of whom nothing is left; where recorders are busy these wait for the next run. */
async function close(record: (kind: string, act: Parameters<typeof takeStep>[2], lockTimeoutMs?: number) => Promise<Step>): Promise<Step> {
  try {
    const act: Parameters<typeof takeStep>[2] = async (trx) => ({ ...nothing(null), counts: { links: await deleteLinks(trx) } });
    return await record(PROOFS_CLOSED, act, LINK_LOCK_MS);
  } catch (error) {
    if (!isBusy(error)) throw error;
    return record(PROOFS_CLOSED, () => Promise.resolve(nothing(null)));
  }
}

function nothing(cursor: string | null): StepEffect {
  return { range: null, counts: {}, cursor };
}

function stepOf(work: ProofsWork, seq: number, kind: string, lockTimeoutMs: number): StepRequest {
  const { runId, lease, incarnation, cutOff } = work;
  const limits = { lockTimeoutMs, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
  return { runId, lane: PROOFS_LANE, seq, kind, pass: 0, cutOff: cutOff.toISOString(), lease, incarnation, ...limits };
}

/** The random name of the last person that was looked at. It stays in the ledger. */
function placeOf(step: Step | null): string | null {
  return typeof step?.cursor === 'string' ? step.cursor : null;
}
