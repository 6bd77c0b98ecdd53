import { clockOf as storeClock } from '../../database/clock.ts';
import { readCertificate } from '../../database/certificates.ts';
import { planIdOf, readyRequests } from '../../database/requests/batches.ts';
import { addEvents } from '../../database/requests/events.ts';
import { makePlan, type LeftOut, type MadePlan } from '../../database/requests/make-plan.ts';
import type { RequestRow } from '../../database/requests/model.ts';
import { MovedOn, movePlanned, readPlanned, type Planned } from '../../database/requests/planned.ts';
import { currentPlan, type BoundPlan } from '../../database/requests/plans.ts';
import { readEvents, readRows } from '../../database/requests/read.ts';
import { forgetHits, readScan } from '../../database/requests/scan-result.ts';
import { tellWorkers } from '../../database/requests/verbs.ts';
import { readManifest } from '../../database/runs.ts';
import { inTransaction } from '../../database/store.ts';
import type { CertificateFile } from '../../domain/evidence/certificate.ts';
import { membersHash, planStores } from '../../domain/requests/plan.ts';
import { balancedPurposes } from '../../domain/requests/policy.ts';
import { withoutDismissed, type ScanHits } from '../../domain/requests/scan.ts';
import { approvedBy, recordDecision, type RecordedDecision } from '../decisions.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { leadsTo, noSuchRequest, type By } from './change.ts';
import { inForce, inForceHere } from './in-force.ts';
import { lastDone } from './read.ts';
import { masterKeys } from './seal.ts';

export type { LeftOut } from '../../database/requests/make-plan.ts';
export type { BoundPlan } from '../../database/requests/plans.ts';
export type { ErasurePlan, PlannedTable, StorePlan } from '../../domain/requests/plan.ts';
export { changedRows, planStores, unsearchedText } from '../../domain/requests/plan.ts';

/** Kinds that erase something. Of access, portability and rectification nothing is planned. */
const PLANNED: readonly RequestRow['kind'][] = ['withdrawal', 'objection', 'erasure'];

export type PlanBy = By & { readonly progress?: (store: string) => void };

/**
 * Plans what carrying out a request, or a batch of them (`B-1001`), would do, by the manifest in force, counts it, and makes it the plan that an
 * approval must name. Reads the company's tables only. Planning again replaces the plan, and an approval of the one before is worth nothing;
 * whoever has left the batch is not in it any more, and a request that is planned by itself leaves its batch. Throws `Refused` where a request
 * is not one to be planned now, or cannot be carried out; then the plan that it had stays.
 */
export async function planRequest(project: Project, id: string, by: PlanBy): Promise<BoundPlan> {
  await requireHome(project);
  const { rows } = await found(project, id);
  if (rows.length === 0) throw new Refused(`${id}: all its requests have left it, so there is nothing to plan`);
  return (await planned(project, id, rows, by)).bound;
}

/** Makes one plan of several requests, a batch with a number of its own: planned, approved and carried out as one. Throws `Refused` as above. */
export async function planBatch(project: Project, ids: readonly string[], by: PlanBy): Promise<BoundPlan> {
  await requireHome(project);
  const wanted = [...new Set(ids)];
  const rows = await readRows(project.home, wanted);
  const missing = wanted.find((id) => !rows.some((row) => row.id === id));
  if (missing !== undefined) throw noSuchRequest(missing);
  return (await planned(project, null, rows, by)).bound;
}

export interface BulkPlan extends BoundPlan {
  /** Requests of which nobody can tell whom they are about: left as they were. */
  readonly unknown: readonly LeftOut[];
}

/**
 * Makes one plan of all requests that are ready for one: erasures of verified people, withdrawals and absolute or upheld objections that every
 * store follows; by their time left, at most `limit`. Null: none is ready. Throws `Refused` where they cannot be carried out.
 */
export async function planBulk(
  project: Project,
  { kind, limit }: { readonly kind: RequestRow['kind'] | null; readonly limit: number },
  by: PlanBy,
): Promise<BulkPlan | null> {
  await requireHome(project);
  if (kind !== null && !PLANNED.includes(kind))
    throw new Refused(`A request for ${kind} erases nothing: of ${PLANNED.join(', ')} plans are made`);
  const { manifest } = await inForce(project);
  const rows = await readyRequests(project.home, { kinds: kind === null ? PLANNED : [kind], balanced: balancedPurposes(manifest), limit });
  if (rows.length === 0) return null;
  const { bound, unknown } = await planned(project, null, rows, by, true);
  return { ...bound, unknown };
}

async function planned(
  project: Project,
  id: string | null,
  rows: readonly RequestRow[],
  { actor, now, progress }: PlanBy,
  leaveUnknown = false,
): Promise<Exclude<MadePlan, { readonly problems: readonly string[] }>> {
  const { home, stores } = project;
  for (const row of rows) {
    if (!PLANNED.includes(row.kind)) throw new Refused(`${row.id}: a request for ${row.kind} erases nothing, so there is nothing to plan`);
    leadsTo(row, 'plan');
  }
  const version = await inForceHere(project);
  const asOf = now ?? (await storeClock(home));
  const vault = masterKeys(project.env);
  const made = await makePlan({ home, stores, version, id, rows, actor, asOf, vault, leaveUnknown, ...(progress && { progress }) }).catch(
    refusedWhen,
  );
  if ('bound' in made) return made;
  const [only] = rows;
  const what = rows.length === 1 && only !== undefined ? only.id : `${rows.length} requests`;
  throw new Refused([`${what} cannot be carried out:`, ...made.problems.map((it) => `  ${it}`)].join('\n'));
}

function refusedWhen(error: unknown): never {
  throw error instanceof MovedOn ? new Refused(error.message) : error;
}

/** The plan that a request, or a batch, goes by now; null: none. */
export async function planOfRequest(project: Project, id: string): Promise<BoundPlan | null> {
  await requireHome(project);
  return currentPlan(project.home.db, await planIdOf(project.home, id));
}

export interface ApprovedRequest extends RecordedDecision {
  readonly state: RequestRow['state'];
}

/**
 * Approves the plan that was shown, in the name of whoever the token belongs to. With the last approval that is needed the request goes to the
 * workers, as soon as Temporal is there. Throws `Refused` as `recordDecision` does.
 */
export async function approveRequest(project: Project, id: string, planHash: string, token: string): Promise<ApprovedRequest> {
  await requireHome(project);
  await refuseMember(project, id, 'approve');
  const { state, rows } = await found(project, id);
  if (state !== 'approved' && state !== 'running') for (const row of rows) leadsTo(row, 'approve');
  const bound = await currentPlan(project.home.db, id);
  if (bound?.plan.mode === 'observe')
    throw new Refused(
      `The manifest only observes, so nothing would happen: \`probity apply --enforce\` one in mode enforce, and plan ${id} again`,
    );
  if (state === 'planned' && bound !== null && membersHash(rows.map((row) => row.id)) !== bound.plan.members)
    throw new Refused(`${id}: requests have left it since it was planned; plan it again: probity request plan ${id}`);
  const recorded = await recordDecision(project, { requestId: id, planHash, decision: 'approve' }, token);
  if (!recorded.approval.approved || state !== 'planned') return { ...recorded, state };
  const { actor } = recorded.decision.statement;
  const at = await storeClock(project.home);
  const members = bound?.plan.members;
  const moving = { verb: 'approve', actor, at, code: null, ...(members !== undefined && { members }) } as const;
  return { ...recorded, state: await movePlanned(project.home, id, moving).catch(refusedWhen) };
}

export interface FoundHits extends ScanHits {
  readonly store: string;
}

/** Where the scan found the person although the plan keeps nothing there: tables, columns and counts, and nothing of the rows. */
export async function foundHits(project: Project, member: string): Promise<FoundHits[]> {
  await requireHome(project);
  const id = await planIdOf(project.home, member);
  await found(project, id);
  const bound = await currentPlan(project.home.db, id);
  if (bound === null) return [];
  const manifest = await readManifest(project.home.db, bound.plan.manifest);
  const dismissed = (await approvedBy(project, id, bound.hash)).dismissed;
  const hits = planStores(bound.plan).map(async (name) => {
    const store = project.stores.get(name)!;
    const scan = await readScan(store, manifest ?? project.manifest, bound.plan.run);
    return withoutDismissed(scan, dismissed).hits.map((it) => ({ store: name, ...it }));
  });
  return (await Promise.all(hits)).flat();
}

/**
 * Says, signed, that what the scan found in a table or a column (`store.schema.table.column`) is not the person's, or may stay; the workers then go
 * on. Throws `Refused` as `recordDecision` does, and for a request that waits for nothing.
 */
export async function dismissHits(
  project: Project,
  id: string,
  { about, reason }: { readonly about: string; readonly reason: string },
  token: string,
): Promise<RecordedDecision> {
  await requireHome(project);
  await refuseMember(project, id, 'dismiss');
  const { state } = await found(project, id);
  const bound = await currentPlan(project.home.db, id);
  if (state !== 'running' || bound === null) throw new Refused(`${id} waits for nothing of the kind: probity request status ${id}`);
  const recorded = await recordDecision(project, { requestId: id, planHash: bound.hash, decision: 'dismiss', about, reason }, token);
  await inTransaction(project.home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const { actor } = recorded.decision.statement;
    await addEvents(trx, [{ id, verb: 'dismiss', state, actor, at: null, code: reason, evidence: null, note: null }]);
    await tellWorkers(trx, id);
  });
  return recorded;
}

/**
 * Has the tables in which the scan found somebody searched again, by the workers, since what it found has been erased by hand. What was found there
 * is forgotten; what is still there will be found again. Throws `Refused` for a request that waits for nothing of the kind.
 */
export async function searchAgain(project: Project, id: string, { actor }: By): Promise<void> {
  await requireHome(project);
  await refuseMember(project, id, 'found --again');
  const { state } = await found(project, id);
  const bound = await currentPlan(project.home.db, id);
  if (state !== 'running' || bound === null || (await foundHits(project, id)).length === 0)
    throw new Refused(`${id} waits for nothing of the kind: probity request status ${id}`);
  for (const name of planStores(bound.plan)) await forgetHits(project.stores.get(name)!, bound.plan.run);
  await inTransaction(project.home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    await addEvents(trx, [{ id, verb: 'again', state, actor, at: null, code: null, evidence: null, note: null }]);
    await tellWorkers(trx, id);
  });
}

/**
 * Has the workers go on with what waits for a person, since what kept it has been mended: chiefly an application that wrote rows faster than they
 * went. What was done stays done. Throws `Refused` for a request that waits for nothing.
 */
export async function resumeRequest(project: Project, id: string, { actor, note = null }: By): Promise<void> {
  await requireHome(project);
  await refuseMember(project, id, 'resume');
  const { state } = await found(project, id);
  if (state !== 'running' || lastDone(await readEvents(project.home, id))?.verb !== 'wait')
    throw new Refused(`${id} does not wait for a person: probity request status ${id}`);
  await inTransaction(project.home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    await addEvents(trx, [{ id, verb: 'resume', state, actor, at: null, code: null, evidence: null, note }]);
    await tellWorkers(trx, id);
  });
}

/** The signed account of what was done, of a request in a batch the batch's; null: there is none yet. */
export async function certificateOf(project: Project, member: string): Promise<CertificateFile | null> {
  await requireHome(project);
  const id = await planIdOf(project.home, member);
  await found(project, id);
  const bound = await currentPlan(project.home.db, id);
  return bound === null ? null : readCertificate(project.home.db, bound.plan.run);
}

async function found({ home }: Project, id: string): Promise<Planned> {
  const planned = await readPlanned(home, id);
  if (planned === null) throw noSuchRequest(id);
  return planned;
}

/** What is decided about one request of a batch would be decided about all of them. */
export async function refuseMember({ home }: Project, id: string, verb: string): Promise<void> {
  const batch = await planIdOf(home, id);
  if (batch !== id) throw new Refused(`${id} goes with ${batch}, which is decided as a whole: probity request ${verb} ${batch}`);
}
