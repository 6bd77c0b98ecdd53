import { randomBytes } from 'node:crypto';
import { clockOf as storeClock } from '../../database/clock.ts';
import { readCertificate } from '../../database/certificates.ts';
import { addEvents } from '../../database/requests/events.ts';
import type { RequestRow } from '../../database/requests/model.ts';
import { removeKeys } from '../../database/requests/erasure/keys.ts';
import { planRequests } from '../../database/requests/planner.ts';
import { currentPlan, saveErasurePlan, type BoundPlan } from '../../database/requests/plans.ts';
import { readRequests } from '../../database/requests/read.ts';
import { removePeople } from '../../database/requests/run-people.ts';
import { readScan } from '../../database/requests/scan-result.ts';
import { tellWorkers } from '../../database/requests/verbs.ts';
import { currentManifest, readManifest } from '../../database/runs.ts';
import { inTransaction } from '../../database/store.ts';
import type { CertificateFile } from '../../domain/evidence/certificate.ts';
import { planProblems, planStores } from '../../domain/requests/plan.ts';
import { withoutDismissed, type ScanHits } from '../../domain/requests/scan.ts';
import { approvedBy, recordDecision, type RecordedDecision } from '../decisions.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { act, leadsTo, noSuchRequest, type By } from './change.ts';

export type { BoundPlan } from '../../database/requests/plans.ts';
export type { ErasurePlan, PlannedTable, StorePlan } from '../../domain/requests/plan.ts';
export { changedRows, planStores } from '../../domain/requests/plan.ts';

/** Kinds that erase something. Of access, portability and rectification nothing is planned. */
const PLANNED = ['withdrawal', 'objection', 'erasure'];

/**
 * Plans what carrying out a request would do, by the manifest in force, counts it, and makes it the plan that an approval must name. Reads the
 * company's tables only. Planning again replaces the plan, and an approval of the one before is worth nothing. Throws `Refused` where the request
 * is not one to be planned now, or cannot be carried out; then the plan that it had stays.
 */
export async function planRequest(
  project: Project,
  id: string,
  { actor, now, progress }: By & { readonly progress?: (store: string) => void },
): Promise<BoundPlan> {
  await requireHome(project);
  const { home, stores } = project;
  const row = await requested(project, id);
  if (!PLANNED.includes(row.kind)) throw new Refused(`${id}: a request for ${row.kind} erases nothing, so there is nothing to plan`);
  leadsTo(row, 'plan');
  const version = await currentManifest(home.db);
  if (version === null) throw new Refused('No manifest is in force: put yours in force with `probity apply`');
  const { manifest, hash: manifestHash } = version;
  const missing = Object.keys(manifest.stores).filter((name) => !stores.has(name));
  if (missing.length > 0)
    throw new Refused(`The manifest in force names stores that yours does not (${missing.join(', ')}): probity apply`);
  const run = `erasure-${randomBytes(6).toString('hex')}`;
  const asOf = now ?? (await storeClock(home));
  const before = await currentPlan(home.db, id);
  try {
    const { plan } = await planRequests({
      home,
      stores,
      manifest,
      manifestHash,
      id,
      rows: [row],
      run,
      asOf,
      ...(progress && { progress }),
    });
    if (plan === null)
      throw new Refused(
        `${id}: nobody of the subjects that the manifest declares is known behind it: a person must find out who it is about`,
      );
    const problems = planProblems(plan);
    if (problems.length > 0) throw new Refused([`${id} cannot be carried out:`, ...problems.map((it) => `  ${it}`)].join('\n'));
    const hash = await inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) => saveErasurePlan(trx, plan));
    await act(project, id, 'plan', { actor, now: asOf });
    if (before !== null) await forgetKeys(project, before.plan.run);
    return { hash, plan };
  } catch (error) {
    await forgetKeys(project, run);
    throw error;
  }
}

/** The plan that a request has now; null: none. */
export async function planOfRequest(project: Project, id: string): Promise<BoundPlan | null> {
  await requireHome(project);
  return currentPlan(project.home.db, id);
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
  const row = await requested(project, id);
  if (row.state !== 'approved' && row.state !== 'running') leadsTo(row, 'approve');
  if ((await currentPlan(project.home.db, id))?.plan.mode === 'observe')
    throw new Refused(
      `The manifest only observes, so nothing would happen: \`probity apply --enforce\` one in mode enforce, and plan ${id} again`,
    );
  const recorded = await recordDecision(project, { requestId: id, planHash, decision: 'approve' }, token);
  if (!recorded.approval.approved || row.state !== 'planned') return { ...recorded, state: row.state };
  const { actor } = recorded.decision.statement;
  const { state } = await act(project, id, 'approve', { actor });
  return { ...recorded, state };
}

export interface FoundHits extends ScanHits {
  readonly store: string;
}

/** Where the scan found the person although the plan keeps nothing there: tables, columns and counts, and nothing of the rows. */
export async function foundHits(project: Project, id: string): Promise<FoundHits[]> {
  await requireHome(project);
  await requested(project, id);
  const bound = await currentPlan(project.home.db, id);
  if (bound === null) return [];
  const manifest = await readManifest(project.home.db, bound.plan.manifest);
  const dismissed = (await approvedBy(project, id, bound.hash)).dismissed;
  const found = planStores(bound.plan).map(async (name) => {
    const store = project.stores.get(name)!;
    const scan = await readScan(store, manifest ?? project.manifest, bound.plan.run);
    return withoutDismissed(scan, dismissed).hits.map((it) => ({ store: name, ...it }));
  });
  return (await Promise.all(found)).flat();
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
  const { state } = await requested(project, id);
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

/** The signed account of what was done; null: there is none yet. */
export async function certificateOf(project: Project, id: string): Promise<CertificateFile | null> {
  await requireHome(project);
  await requested(project, id);
  const bound = await currentPlan(project.home.db, id);
  return bound === null ? null : readCertificate(project.home.db, bound.plan.run);
}

async function requested({ home }: Project, id: string): Promise<RequestRow> {
  const [row] = await readRequests(home, { id, limit: 1 });
  if (row === undefined) throw noSuchRequest(id);
  return row;
}

async function forgetKeys({ home, stores }: Project, run: string): Promise<void> {
  for (const store of stores.values()) await removeKeys(store, run);
  await removePeople(home, run);
}
