import { createPublicKey } from 'node:crypto';
import { clockOf } from '../database/clock.ts';
import { incarnation } from '../database/incarnation.ts';
import { currentPlan, type BoundPlan } from '../database/requests/plans.ts';
import { forgetEverywhere } from '../database/requests/forget.ts';
import { readApproval } from '../database/requests/decisions.ts';
import { planRequests } from '../database/requests/planner.ts';
import { MovedOn, movePlanned, readPlanned, type Planned } from '../database/requests/planned.ts';
import { bindRunPlan, currentManifest, openRun, readManifest, setRunState } from '../database/runs.ts';
import type { Store } from '../database/store.ts';
import { SERVICE } from '../domain/requests/actor.ts';
import { membersHash, planDrifted, planStores, type ErasurePlan, type StorePlan } from '../domain/requests/plan.ts';
import { approvalPolicy } from '../domain/requests/policy.ts';
import { isOver, type RequestVerb } from '../domain/requests/state.ts';
import type { Manifest } from '../manifest/model.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { refusal } from './failures.ts';
import { refuseOtherMaster, refuseOtherSigner, type AboutKeys } from './keys.ts';
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
  const found = await readPlanned(home, requestId);
  if (found === null) return { state: 'unknown', ...NOTHING };
  if (isOver(found.state)) return { state: 'over', ...NOTHING };
  const bound = await currentPlan(home.db, requestId);
  if (bound === null || (found.state !== 'approved' && found.state !== 'running')) return { state: 'waiting', ...NOTHING };
  const { plan } = bound;
  const opened: OpenedErasure = { state: 'running', runId: plan.run, stores: planStores(plan).length };
  if (found.state === 'running') return opened;
  const about = { id: requestId, state: found.state, plan: bound.hash };
  if (!(await approved(dependencies, bound, about))) return { state: 'waiting', ...NOTHING };
  await refuseOtherMaster(
    dependencies,
    about,
    found.rows.map(({ id }) => id),
  );
  return begin(dependencies, found, bound, opened);
}

/**
 * By people who may still decide, of this very plan. As the plan's manifest says, here as in the certificate and when the decision was made:
 * whom it took to approve a plan was shown with it, and a later manifest does not take back what was rightly approved.
 */
async function approved(dependencies: ActivityDependencies, { plan, hash }: BoundPlan, keys: AboutKeys): Promise<boolean> {
  const { home, signingKey } = dependencies;
  const manifest = await readManifest(home.db, plan.manifest);
  if (manifest === null) return false;
  const about = { request: plan.request, plan: hash };
  const approval = await readApproval(home, about, approvalPolicy(manifest), createPublicKey(signingKey()));
  await refuseOtherSigner(dependencies, keys, approval);
  return approval.approved;
}

async function begin(
  dependencies: ActivityDependencies,
  { id, rows }: Planned,
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
  const drifted = async (code: string): Promise<OpenedErasure> => {
    await step(home, id, 'revise', code);
    await forgetEverywhere(home, stores.values());
    return { state: 'drifted', ...NOTHING };
  };
  // Nothing is counted for people among whom somebody is missing.
  if (membersHash(rows.map((row) => row.id)) !== plan.members) return drifted('members_changed');
  const { plan: now } = await planRequests({ home, stores, manifest, manifestHash, id, rows, run: plan.run, asOf });
  if (now === null || planDrifted(plan, now)) return drifted('plan_drifted');
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
  await step(home, id, 'start', null, plan.members);
  return opened;
}

/** Does one thing in the service's name to all requests of a plan; where one has moved on meanwhile, all stay as they are. */
export async function step(home: Store, id: string, verb: RequestVerb, code: string | null, members?: string): Promise<void> {
  const moving = { verb, actor: SERVICE.name, at: await clockOf(home), code, ...(members !== undefined && { members }) };
  await movePlanned(home, id, moving).catch((error: unknown) => {
    throw error instanceof MovedOn ? refusal('moved on', error.message) : error;
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
