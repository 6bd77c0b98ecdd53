import { sql, type Kysely } from 'kysely';
import type { RetentionPlan } from '../domain/retention/plan.ts';
import { planHash } from '../domain/retention/plan.ts';
import type { RunState } from '../domain/runs.ts';
import type { Manifest } from '../manifest/model.ts';
import { ownKeysOnly } from '../manifest/values.ts';

/** A run as the home store records it. */
export interface Run {
  readonly runId: string;
  readonly job: string;
  readonly manifestHash: string;
  readonly planHash: string | null;
  readonly mode: 'observe' | 'enforce';
  readonly asOf: Date;
  readonly actor: string;
  readonly approvedBy: string | null;
  readonly state: RunState;
  /** By store. */
  readonly incarnations: Readonly<Record<string, string>>;
  readonly openedAt: Date;
  readonly closedAt: Date | null;
}

const COLUMNS = sql`
  run_id as "runId", job, manifest_hash as "manifestHash", plan_hash as "planHash", mode, as_of as "asOf", actor,
  approved_by as "approvedBy", state, incarnations, opened_at as "openedAt", closed_at as "closedAt"`;

/** Opens a run, or returns the one that is there: a retry neither moves the cut-off nor pins another manifest. */
export async function openRun(
  home: Kysely<unknown>,
  run: Pick<Run, 'runId' | 'job' | 'manifestHash' | 'mode' | 'asOf' | 'actor' | 'incarnations'>,
): Promise<Run> {
  await sql`
    insert into probity.run (run_id, job, manifest_hash, mode, as_of, actor, state, incarnations)
    values (${run.runId}, ${run.job}, ${run.manifestHash}, ${run.mode}, ${run.asOf}, ${run.actor}, 'planning', ${JSON.stringify(run.incarnations)})
    on conflict (run_id) do nothing`.execute(home);
  const opened = await readRun(home, run.runId);
  if (opened === null) throw new Error('The run could not be opened');
  return opened;
}

export async function readRun(home: Kysely<unknown>, runId: string): Promise<Run | null> {
  const { rows } = await sql<Run>`select ${COLUMNS} from probity.run where run_id = ${runId}`.execute(home);
  return rows[0] ?? null;
}

/** Newest first. */
export async function listRuns(home: Kysely<unknown>, job: string, limit: number): Promise<Run[]> {
  const { rows } = await sql<Run>`
    select ${COLUMNS} from probity.run where job = ${job} order by opened_at desc, run_id limit ${limit}`.execute(home);
  return rows;
}

/** A closed run keeps its state, whatever arrives late. */
export async function setRunState(home: Kysely<unknown>, runId: string, state: RunState): Promise<void> {
  await sql`
    update probity.run set state = ${state},
      closed_at = case when ${state} in ('observed', 'complete', 'incomplete', 'cancelled', 'failed') then now() end
    where run_id = ${runId} and closed_at is null`.execute(home);
}

/** What the stores are from now on, in the eyes of a run that a person lets go on. */
export async function acceptIncarnations(
  home: Kysely<unknown>,
  runId: string,
  incarnations: Readonly<Record<string, string>>,
): Promise<void> {
  await sql`update probity.run set incarnations = ${JSON.stringify(incarnations)} where run_id = ${runId} and closed_at is null`.execute(
    home,
  );
}

export async function approveRun(home: Kysely<unknown>, runId: string, actor: string): Promise<void> {
  await sql`update probity.run set approved_by = ${actor} where run_id = ${runId} and approved_by is null`.execute(home);
}

/** Stores a plan under its hash and binds the run to it. Returns the hash that the run is bound to. */
export async function savePlan(home: Kysely<unknown>, runId: string, plan: RetentionPlan): Promise<string> {
  const hash = planHash(plan);
  await sql`
    insert into probity.plan (hash, job, manifest_hash, body) values (${hash}, ${plan.job}, ${plan.manifest}, ${JSON.stringify(plan)})
    on conflict (hash) do nothing`.execute(home);
  const { rows } = await sql<{ plan_hash: string }>`
    update probity.run set plan_hash = coalesce(plan_hash, ${hash}) where run_id = ${runId} returning plan_hash`.execute(home);
  return rows[0]?.plan_hash ?? hash;
}

/** Binds a run to a plan that is stored already. */
export async function bindRunPlan(home: Kysely<unknown>, runId: string, hash: string): Promise<void> {
  await sql`update probity.run set plan_hash = coalesce(plan_hash, ${hash}) where run_id = ${runId}`.execute(home);
}

/** Binds a run that still waits for its approval to a newer plan. Returns the new hash. */
export async function replacePlan(home: Kysely<unknown>, runId: string, plan: RetentionPlan): Promise<string> {
  await sql`update probity.run set plan_hash = null where run_id = ${runId} and state = 'waiting'`.execute(home);
  return savePlan(home, runId, plan);
}

export async function readPlan(home: Kysely<unknown>, hash: string): Promise<RetentionPlan | null> {
  const { rows } = await sql<{ body: RetentionPlan }>`select body from probity.plan where hash = ${hash}`.execute(home);
  return rows[0]?.body ?? null;
}

/** The newest stored plan of the job before a time, for "since the last plan". */
export async function previousPlan(home: Kysely<unknown>, before: Date): Promise<RetentionPlan | null> {
  const { rows } = await sql<{ body: RetentionPlan }>`
    select body from probity.plan where job = 'retention' and created_at < ${before} order by created_at desc limit 1`.execute(home);
  return rows[0]?.body ?? null;
}

export interface ManifestVersion {
  readonly version: number;
  readonly hash: string;
  readonly manifest: Manifest;
  readonly mode: 'observe' | 'enforce';
  readonly appliedAt: Date;
  readonly appliedBy: string;
}

const VERSION_COLUMNS = sql`version, hash, canonical as manifest, mode, applied_at as "appliedAt", applied_by as "appliedBy"`;

/** Makes a manifest the one that new runs pin. Applying the one in force again changes nothing. Returns whether it changed. */
export async function applyManifest(home: Kysely<unknown>, manifest: Manifest, hash: string, actor: string): Promise<boolean> {
  const current = await currentManifest(home);
  if (current?.hash === hash) return false;
  await sql`
    insert into probity.manifest_version (hash, canonical, mode, applied_by)
    values (${hash}, ${JSON.stringify(manifest)}, ${manifest.mode}, ${actor})`.execute(home);
  return true;
}

export async function currentManifest(home: Kysely<unknown>): Promise<ManifestVersion | null> {
  const { rows } = await sql<ManifestVersion>`
    select ${VERSION_COLUMNS} from probity.manifest_version order by version desc limit 1`.execute(home);
  return rows.map(asVersion)[0] ?? null;
}

/** As it comes from JSON, a map answers to more than its keys. */
function asVersion(row: ManifestVersion): ManifestVersion {
  return { ...row, manifest: ownKeysOnly(row.manifest) };
}

export async function readManifest(home: Kysely<unknown>, hash: string): Promise<Manifest | null> {
  const { rows } = await sql<{ manifest: Manifest }>`
    select canonical as manifest from probity.manifest_version where hash = ${hash} order by version desc limit 1`.execute(home);
  return ownKeysOnly(rows[0]?.manifest ?? null);
}

export async function listManifests(home: Kysely<unknown>): Promise<ManifestVersion[]> {
  const { rows } = await sql<ManifestVersion>`select ${VERSION_COLUMNS} from probity.manifest_version order by version desc`.execute(home);
  return rows.map(asVersion);
}
