import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ActivityFailure, ApplicationFailure, CancelledFailure } from '@temporalio/common';
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import { sql } from 'kysely';
import { readCertificate } from '../database/certificates.ts';
import { StoreError, translating } from '../database/errors.ts';
import { listRuns, previousPlan, readPlan, readRun, type Run } from '../database/runs.ts';
import { planRetention } from '../database/retention/planner.ts';
import { clockOf } from '../database/clock.ts';
import type { CertificateFile } from '../domain/evidence/certificate.ts';
import type { RetentionPlan } from '../domain/retention/plan.ts';
import type { retention } from '../workflows/retention.ts';
import type { RetentionInput, RetentionProgress, RetentionResult } from '../workflows/retention.types.ts';
import { isMigrated, requireHome } from './migrate.ts';
import { planning } from './planning.ts';
import type { Project } from './project.ts';

export type { Run } from '../database/runs.ts';
export type { RetentionResult } from '../workflows/retention.types.ts';

type RetentionHandle = WorkflowHandle<typeof retention>;

/** Counts what the rules would do now, or on another day. Reads only. */
export async function plan(
  project: Project,
  options: {
    readonly asOf: Date | null;
    readonly only: readonly string[] | null;
    readonly progress?: (table: string, index: number, of: number) => void;
  },
): Promise<RetentionPlan> {
  const asOf = options.asOf ?? (await clockOf(project.home));
  const { stores, manifest, hash } = project;
  const request = {
    stores,
    manifest,
    manifestHash: hash,
    asOf,
    only: options.only,
    ...(options.progress && { progress: options.progress }),
  };
  return planning(project, () => planRetention(request));
}

/** The plan of the newest run before, for "since the last plan"; null where there is none, or we may not read it. */
export async function lastPlan(project: Project): Promise<RetentionPlan | null> {
  const { home } = project;
  try {
    return await translating(home, async () => ((await isMigrated(home, true)) ? previousPlan(home.db, await clockOf(home)) : null));
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'permission') return null;
    throw error;
  }
}

export interface StartOptions extends Omit<RetentionInput, 'resume'> {
  readonly taskQueue: string;
  /** Names the run; starting the same name twice gives the one that runs. */
  readonly runId?: string;
}

/** Starts a purge, or finds the one of that name. The workflow's id is the run's. */
export async function start(client: Client, options: StartOptions): Promise<RetentionHandle> {
  const { taskQueue, runId, ...input } = options;
  const workflowId = runId ?? `retention-${randomBytes(6).toString('hex')}`;
  try {
    return await client.workflow.start<typeof retention>('retention', { taskQueue, workflowId, args: [input] });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return handle(client, workflowId);
    throw error;
  }
}

export function handle(client: Client, runId: string): RetentionHandle {
  return client.workflow.getHandle<typeof retention>(runId);
}

export const pause = (client: Client, runId: string): Promise<void> => handle(client, runId).signal('pause');
export const resume = (client: Client, runId: string): Promise<void> => handle(client, runId).signal('resume');

export async function cancel(client: Client, runId: string): Promise<void> {
  await handle(client, runId).cancel();
}

/** Approves the plan with that hash; refused when another plan waits, or when the approver started the run. */
export async function approve(client: Client, runId: string, planHash: string, actor: string): Promise<void> {
  await handle(client, runId).executeUpdate<void, [{ planHash: string; actor: string }]>('approve', { args: [{ planHash, actor }] });
}

/** A run counts again before it takes an approval: long enough for most databases, and for a person to wait. Milliseconds. */
const TAKEN_LIMIT_MS = 60_000;
const TAKEN_POLL_MS = 100;

/**
 * What became of an approval: `running` with that plan, `drifted` to another one that waits for an approval of its own, or `counting` still
 * after a minute. Until then the home store says that the run waits.
 */
export async function afterApproval(
  client: Client,
  project: Project,
  runId: string,
  planHash: string,
): Promise<'running' | 'drifted' | 'counting'> {
  for (const limit = performance.now() + TAKEN_LIMIT_MS; ; await sleep(TAKEN_POLL_MS)) {
    const run = await readRun(project.home.db, runId);
    if (run !== null && run.state !== 'waiting') return 'running';
    // The workflow learns of another plan behind the store, and takes an approval of it only then.
    if (run !== null && run.planHash !== planHash && (await workflowProgress(client, runId))?.planHash === run.planHash) return 'drifted';
    if (performance.now() > limit) return 'counting';
  }
}

/** Waits for the end of a run. */
export async function result(client: Client, runId: string): Promise<RetentionResult> {
  return handle(client, runId).result();
}

/** How a run ended, with why it could not go on where it failed. */
export type Ending = RetentionResult | { readonly outcome: 'failed'; readonly kind: string; readonly message: string };

/** Waits for the end of a run, however it ends. Throws only when Temporal is out of reach. */
export async function ending(client: Client, runId: string): Promise<Ending> {
  try {
    return await result(client, runId);
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const cause = error.cause instanceof ActivityFailure ? error.cause.cause : error.cause;
    if (error.cause instanceof CancelledFailure)
      return { outcome: 'failed', kind: 'cancelled', message: 'The run was cancelled before it had a plan' };
    const kind = cause instanceof ApplicationFailure ? (cause.type ?? 'unexpected') : 'unexpected';
    return { outcome: 'failed', kind, message: cause?.message ?? 'The run failed' };
  }
}

/** What the workflow itself says; null when Temporal does not know the run (any more). */
export async function workflowProgress(client: Client, runId: string): Promise<RetentionProgress | null> {
  try {
    return await handle(client, runId).query<RetentionProgress>('progress');
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

export interface RunStatus {
  readonly run: Run;
  readonly plan: RetentionPlan | null;
  /** By table of the plan, from the ledgers: what has committed. */
  readonly changed: readonly number[];
  readonly failed: readonly number[];
  readonly certificate: CertificateFile | null;
}

/** How far a run has come, told by the ledgers: needs no Temporal. Null when there is no such run. */
export async function status(project: Project, runId: string): Promise<RunStatus | null> {
  await requireHome(project);
  const run = await readRun(project.home.db, runId);
  if (run === null) return null;
  const stored = run.planHash === null ? null : await readPlan(project.home.db, run.planHash);
  const counts = await ledgerCounts(project, runId, stored);
  return {
    run,
    plan: stored,
    changed: (stored?.tables ?? []).map((table) => counts.get(`${table.store}.${table.table}`)?.changed ?? 0),
    failed: (stored?.tables ?? []).map((table) => counts.get(`${table.store}.${table.table}`)?.failed ?? 0),
    certificate: await readCertificate(project.home.db, runId),
  };
}

async function ledgerCounts(
  project: Project,
  runId: string,
  stored: RetentionPlan | null,
): Promise<Map<string, { changed: number; failed: number }>> {
  const counts = new Map<string, { changed: number; failed: number }>();
  for (const name of new Set((stored?.tables ?? []).map((table) => table.store))) {
    const store = project.stores.get(name);
    if (store === undefined || stored?.mode === 'observe') continue;
    const { rows } = await sql<{ table: string; changed: number; failed: number }>`
      select body ->> 'table' as table,
        sum(coalesce((body -> 'counts' ->> 'erased')::bigint, 0) + coalesce((body -> 'counts' ->> 'masked')::bigint, 0))::bigint as changed,
        count(*) filter (where kind = 'failed') as failed
      from probity.step where run_id = ${runId} and head is not null group by 1 order by 1`.execute(store.db);
    for (const row of rows) counts.set(`${name}.${row.table}`, { changed: row.changed, failed: row.failed });
  }
  return counts;
}

/** Newest first. */
export async function list(project: Project, limit: number): Promise<Run[]> {
  await requireHome(project);
  return listRuns(project.home.db, 'retention', limit);
}
