import { createPublicKey } from 'node:crypto';
import { clockOf } from '../database/clock.ts';
import { incarnation } from '../database/incarnation.ts';
import { currentPlan, type BoundPlan } from '../database/requests/plans.ts';
import { readApproval } from '../database/requests/decisions.ts';
import { planRequests } from '../database/requests/planner.ts';
import type { RequestRow } from '../database/requests/model.ts';
import { readRequests } from '../database/requests/read.ts';
import { changeRequest } from '../database/requests/verbs.ts';
import { bindRunPlan, currentManifest, openRun, readManifest, setRunState } from '../database/runs.ts';
import type { Store } from '../database/store.ts';
import { SERVICE } from '../domain/requests/actor.ts';
import { planDrifted, planStores, type ErasurePlan, type StorePlan } from '../domain/requests/plan.ts';
import { approvalPolicy } from '../domain/requests/policy.ts';
import { move, type RequestVerb } from '../domain/requests/state.ts';
import type { Manifest } from '../manifest/model.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { refusal } from './failures.ts';
import { refuseRestored } from './retention-open.ts';

export interface OpenedErasure {
  /** `waiting`: it is not approved (any more), so there is nothing to do. `drifted`: it must be planned and approved again. */
  readonly state: 'running' | 'waiting' | 'drifted' | 'over' | 'unknown';
  readonly runId: string;
  /** How many stores the plan has. */
  readonly stores: number;
}

/** A request that is being carried out, with what it pinned. */
export interface ErasureContext {
  readonly plan: ErasurePlan;
  readonly hash: string;
  readonly manifest: Manifest;
  /** Of the plan's stores: each with the classes of people that it has something of. */
  readonly at: (index: number) => { readonly store: Store; readonly classes: readonly StorePlan[] };
}

const NOTHING = { runId: '', stores: 0 };

/** Lets an approved request begin, once its plan is found to be what would happen now. Repeating it gives what the first call found. */
export async function openErasureRun(dependencies: ActivityDependencies, requestId: string): Promise<OpenedErasure> {
  const { home } = dependencies;
  const [row] = await readRequests(home, { id: requestId, limit: 1 });
  if (row === undefined) return { state: 'unknown', ...NOTHING };
  if (row.closedAt !== null) return { state: 'over', ...NOTHING };
  const bound = await currentPlan(home.db, requestId);
  if (bound === null || (row.state !== 'approved' && row.state !== 'running')) return { state: 'waiting', ...NOTHING };
  const { plan } = bound;
  const opened: OpenedErasure = { state: 'running', runId: plan.run, stores: planStores(plan).length };
  if (row.state === 'running') return opened;
  return (await approved(dependencies, bound)) ? begin(dependencies, row, bound, opened) : { state: 'waiting', ...NOTHING };
}

/**
 * By people who may still decide, of this very plan. As the plan's manifest says, here as in the certificate and when the decision was made:
 * whom it took to approve a plan was shown with it, and a later manifest does not take back what was rightly approved.
 */
async function approved({ home, signingKey }: ActivityDependencies, { plan, hash }: BoundPlan): Promise<boolean> {
  const manifest = await readManifest(home.db, plan.manifest);
  if (manifest === null) return false;
  const about = { request: plan.request, plan: hash };
  return (await readApproval(home, about, approvalPolicy(manifest), createPublicKey(signingKey()))).approved;
}

async function begin(
  dependencies: ActivityDependencies,
  row: RequestRow,
  { plan, hash }: BoundPlan,
  opened: OpenedErasure,
): Promise<OpenedErasure> {
  const { home } = dependencies;
  const version = await currentManifest(home.db);
  if (version === null) throw refusal('no manifest', 'No manifest has been applied: run `probity apply`');
  const { manifest, hash: manifestHash } = version;
  if (manifest.mode !== 'enforce')
    throw refusal('observe', 'The manifest in force only observes: nothing is erased until `mode: enforce` is applied');
  const stores = new Map(Object.keys(manifest.stores).map((name) => [name, dependencies.store(manifest, name)]));
  for (const store of stores.values()) await refuseRestored(store, store === home);
  const asOf = await clockOf(home);
  const { plan: now } = await planRequests({ home, stores, manifest, manifestHash, id: row.id, rows: [row], run: plan.run, asOf });
  if (now === null || planDrifted(plan, now)) {
    await step(home, row.id, 'revise', 'plan_drifted');
    return { state: 'drifted', ...NOTHING };
  }
  const lives = await Promise.all(planStores(plan).map(async (name) => [name, await incarnation(stores.get(name)!.db)]));
  await openRun(home.db, {
    runId: plan.run,
    job: 'requests',
    manifestHash: plan.manifest,
    mode: 'enforce',
    asOf: new Date(plan.asOf),
    actor: SERVICE.name,
    incarnations: Object.fromEntries(lives) as Record<string, string>,
  });
  await bindRunPlan(home.db, plan.run, hash);
  await setRunState(home.db, plan.run, 'running');
  await step(home, row.id, 'start', null);
  return opened;
}

/** Does one thing to a request in the service's name; a request that has moved on meanwhile stays as it is. */
export async function step(home: Store, requestId: string, verb: RequestVerb, code: string | null): Promise<void> {
  const at = await clockOf(home);
  await changeRequest(home, requestId, { actor: SERVICE.name, at }, (row) => {
    const found = move(row.kind, row.state, verb);
    if ('refused' in found) throw refusal('moved on', `${row.id}: ${found.refused}`);
    const closedAt = found.state === 'closed' ? at : row.closedAt;
    return { verb, row: { ...row, state: found.state, closedAt }, code, evidence: null, note: null, decision: null };
  });
}

/** What a running request pinned when it was planned. */
export async function erasureContext(dependencies: ActivityDependencies, requestId: string): Promise<ErasureContext> {
  const { home } = dependencies;
  const bound = await currentPlan(home.db, requestId);
  const manifest = bound === null ? null : await readManifest(home.db, bound.plan.manifest);
  if (bound === null || manifest === null) throw refusal('restored', `The home store has lost the plan of ${requestId}`);
  const { plan, hash } = bound;
  const stores = planStores(plan);
  const at: ErasureContext['at'] = (index) => {
    const name = stores[index] ?? '';
    return { store: dependencies.store(manifest, name), classes: plan.stores.filter(({ erasure }) => erasure.store === name) };
  };
  return { plan, hash, manifest, at };
}
