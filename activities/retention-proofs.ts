import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { restored } from '../database/ledger.ts';
import { releaseLease, takeLease, whileLeased } from '../database/lease.ts';
import { pruneForRun, type ProofsPruned } from '../database/permission/prune-run.ts';
import { pruneConsents } from '../database/permission/prune.ts';
import { PROOFS_TABLE } from '../domain/retention/proofs.ts';
import { cutOff } from '../domain/time.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { CALL_BUDGET_MS, knownIncarnation, type RunContext } from './retention-context.ts';

export interface ProofsReport extends ProofsPruned {
  /** Index of the home store among those of the run: chains are per store. */
  readonly store: number;
}

/** The run's stores, in the order in which histories name them: the plan's, then home. */
export function runStores({ plan }: Pick<RunContext, 'plan'>, home: string): readonly string[] {
  return [...new Set([...plan.tables.map((table) => table.store), home])];
}

/** How many contents a run that may not change anything would prune. */
export async function countProofs(dependencies: ActivityDependencies, context: RunContext): Promise<number> {
  const { contents } = await pruneConsents(dependencies.home, { cutOff: proofsCutOff(context), enforce: false });
  return contents;
}

/** Prunes for a while what has been out of force for `own.consent_proof` of the run's manifest. All that it did is in the ledger. */
export async function pruneProofs(dependencies: ActivityDependencies, context: RunContext, knownSteps: number): Promise<ProofsReport> {
  const { home, faults } = dependencies;
  const { run } = context;
  const incarnation = await knownIncarnation(home);
  if (incarnation === null || run.incarnations[home.name] !== incarnation) throw restored(home.name, PROOFS_TABLE);
  const lease = await takeLease(home, PROOFS_TABLE, run.runId);
  if (lease === null) throw ApplicationFailure.create({ type: 'leased', message: 'Another run prunes the proofs; waiting for it to end' });
  const signal = Context.current().cancellationSignal;
  const until = dependencies.now() + CALL_BUDGET_MS;
  const work = { home, runId: run.runId, cutOff: proofsCutOff(context), lease, incarnation, knownSteps };
  const pruned = await whileLeased(home, [lease], (lost) =>
    pruneForRun(
      work,
      { stop: () => lost() || signal.aborted || dependencies.now() >= until, beat: () => Context.current().heartbeat() },
      faults,
    ),
  );
  if (pruned.done || signal.aborted) await releaseLease(home, lease);
  await faults('before return');
  return { ...pruned, store: runStores(context, home.name).indexOf(home.name) };
}

function proofsCutOff({ run, manifest }: RunContext): Date {
  const keep = manifest.own['consent_proof'];
  if (keep === undefined) throw new Error('own.consent_proof has a default');
  return cutOff(run.asOf, keep, manifest.timezone);
}
