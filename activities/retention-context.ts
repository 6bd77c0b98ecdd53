import { incarnation } from '../database/incarnation.ts';
import { restored } from '../database/ledger.ts';
import { schemaState } from '../database/migrate.ts';
import { readManifest, readPlan, readRun, type Run } from '../database/runs.ts';
import type { Store } from '../database/store.ts';
import { shareProtected } from '../database/retention/protected.ts';
import { openTarget, type Target } from '../database/retention/target.ts';
import type { RetentionPlan, TablePlan } from '../domain/retention/plan.ts';
import type { Manifest } from '../manifest/model.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { refusal } from './failures.ts';

/** One call works this long at most, so that histories stay small and a pause is felt. Milliseconds. */
export const CALL_BUDGET_MS = 30_000;

/** A run with what it pinned when it opened. */
export interface RunContext {
  readonly run: Run;
  readonly manifest: Manifest;
  readonly plan: RetentionPlan;
}

/** Plans never change once approved: a worker reads each once. */
export type RunCache = Map<string, RunContext>;
const MAX_CACHED_RUNS = 32;

export async function runContext(dependencies: ActivityDependencies, cache: RunCache, runId: string): Promise<RunContext> {
  const cached = cache.get(runId);
  if (cached !== undefined) return cached;
  const home = dependencies.home.db;
  const run = await readRun(home, runId);
  if (run === null || run.planHash === null) throw restored(dependencies.home.name, `run ${runId}`);
  const [manifest, plan] = [await readManifest(home, run.manifestHash), await readPlan(home, run.planHash)];
  if (manifest === null || plan === null) throw restored(dependencies.home.name, `run ${runId}`);
  if (cache.size >= MAX_CACHED_RUNS) cache.clear();
  const context = { run, manifest, plan };
  cache.set(runId, context);
  return context;
}

export function tablePlan(context: RunContext, index: number): TablePlan {
  const table = context.plan.tables[index];
  if (table === undefined) throw refusal('schema', `The plan has no table ${index}`);
  return table;
}

export interface TableContext extends RunContext {
  readonly target: Target;
  readonly incarnation: string;
}

/** The run's table, its store checked to be the one that the run began with. */
export async function tableContext(
  dependencies: ActivityDependencies,
  cache: RunCache,
  runId: string,
  index: number,
): Promise<TableContext> {
  let context = await runContext(dependencies, cache, runId);
  const table = tablePlan(context, index);
  const store = dependencies.store(context.manifest, table.store);
  const found = await knownIncarnation(store);
  if (found === null) throw restored(store.name, table.table);
  if (context.run.incarnations[table.store] !== found) {
    // A person may have accepted the store meanwhile, through another worker.
    cache.delete(runId);
    context = await runContext(dependencies, cache, runId);
    if (context.run.incarnations[table.store] !== found) throw restored(store.name, table.table);
  }
  // Who asks meanwhile is protected from the next call on.
  await shareProtected(dependencies.home, store, {
    manifest: context.manifest,
    storeNamed: (name) => dependencies.store(context.manifest, name),
  });
  return { ...context, target: await openTarget(store, context.manifest, table, context.run.asOf), incarnation: found };
}

/** Null when the store has no schema of ours, as after a restore from before it was migrated. */
export async function knownIncarnation(store: Store): Promise<string | null> {
  return (await schemaState(store, false)) === 'missing' ? null : incarnation(store.db);
}
