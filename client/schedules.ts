import {
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
} from '@temporalio/client';
import { canonicalJson } from '../domain/canonical.ts';
import { RUNNABLE_JOBS } from '../manifest/defaults.ts';
import { shortDurationMs } from '../manifest/duration.ts';
import type { Manifest, ScheduleDeclaration } from '../manifest/model.ts';
import { Refused } from './refused.ts';

/** What a schedule is, said in full: nothing is left to Temporal's defaults. */
export interface ScheduleLine {
  readonly name: string;
  readonly id: string;
  readonly state: 'same' | 'new' | 'changed' | 'surplus' | 'not available yet';
  /** What it says in Temporal and in the manifest; null where there is none. */
  readonly before: string | null;
  readonly after: string | null;
  readonly paused: boolean;
  readonly next: Date | null;
}

/** Of the workflows that a schedule of ours starts: tells whose it is and what it was made from. */
const MEMO = 'probitySchedule';
const SECOND = 1_000;
const OVERLAP = {
  skip: ScheduleOverlapPolicy.SKIP,
  buffer_one: ScheduleOverlapPolicy.BUFFER_ONE,
  allow_all: ScheduleOverlapPolicy.ALLOW_ALL,
} as const;

interface Made {
  readonly organisation: string;
  readonly name: string;
  readonly says: string;
}

/** Compares the manifest's schedules with Temporal's. Changes nothing. */
export async function diffSchedules(client: Client, manifest: Manifest, taskQueue: string): Promise<ScheduleLine[]> {
  const lines: ScheduleLine[] = [];
  for (const [name, declared] of Object.entries(manifest.schedules)) lines.push(await lineOf(client, manifest, name, declared, taskQueue));
  const known = new Set(lines.map((line) => line.id));
  for await (const summary of client.schedule.list()) {
    if (known.has(summary.scheduleId) || !summary.scheduleId.startsWith(prefixOf(manifest))) continue;
    const description = await describe(client, summary.scheduleId);
    const made = description === null ? null : madeFrom(description);
    // Another organisation's name may begin like ours.
    if (description === null || made?.organisation !== manifest.organisation) continue;
    lines.push({
      name: made.name,
      id: summary.scheduleId,
      state: 'surplus',
      before: made.says,
      after: null,
      paused: description.state.paused,
      next: nextOf(description),
    });
  }
  return lines;
}

/** Makes Temporal's schedules what the manifest says. Doing it again changes nothing; a pause stays. Returns what was different before. */
export async function applySchedules(client: Client, manifest: Manifest, taskQueue: string): Promise<ScheduleLine[]> {
  const lines = await diffSchedules(client, manifest, taskQueue);
  for (const line of lines) {
    const handle = client.schedule.getHandle(line.id);
    const declared = manifest.schedules[line.name];
    if (line.state === 'surplus') await handle.delete();
    if (declared === undefined) continue;
    if (line.state === 'new') await client.schedule.create(optionsOf(manifest, line.name, declared, taskQueue));
    if (line.state === 'changed')
      await handle.update((previous) => ({ ...optionsOf(manifest, line.name, declared, taskQueue), state: previous.state }));
  }
  return lines;
}

/** Starts the schedule's run now, beside its times. */
export async function triggerSchedule(client: Client, manifest: Manifest, name: string): Promise<void> {
  await existing(manifest, name, (id) => client.schedule.getHandle(id).trigger(ScheduleOverlapPolicy.SKIP));
}

export async function pauseSchedule(client: Client, manifest: Manifest, name: string, actor: string): Promise<void> {
  await existing(manifest, name, (id) => client.schedule.getHandle(id).pause(`paused by ${actor}`));
}

export async function unpauseSchedule(client: Client, manifest: Manifest, name: string, actor: string): Promise<void> {
  await existing(manifest, name, (id) => client.schedule.getHandle(id).unpause(`resumed by ${actor}`));
}

async function existing(manifest: Manifest, name: string, act: (id: string) => Promise<void>): Promise<void> {
  if (!(name in manifest.schedules))
    throw new Refused(`The manifest names no schedule ${name}; it names ${Object.keys(manifest.schedules).join(', ') || 'none'}`);
  try {
    await act(prefixOf(manifest) + name);
  } catch (error) {
    if (error instanceof ScheduleNotFoundError)
      throw new Refused(`The schedule ${name} is not in Temporal: run \`probity schedules apply\``);
    throw error;
  }
}

async function lineOf(
  client: Client,
  manifest: Manifest,
  name: string,
  declared: ScheduleDeclaration,
  taskQueue: string,
): Promise<ScheduleLine> {
  const id = prefixOf(manifest) + name;
  const after = says(manifest, declared, taskQueue);
  const description = await describe(client, id);
  const before = description === null ? null : (madeFrom(description)?.says ?? 'not ours');
  const found = {
    name,
    id,
    before,
    after,
    paused: description?.state.paused ?? false,
    next: description === null ? null : nextOf(description),
  };
  if (!declared.run.some((job) => RUNNABLE_JOBS.includes(job))) return { ...found, state: 'not available yet' };
  if (before === null) return { ...found, state: 'new' };
  return { ...found, state: before === after && isAsMade(description, declared) ? 'same' : 'changed' };
}

async function describe(client: Client, id: string): Promise<ScheduleDescription | null> {
  try {
    return await client.schedule.getHandle(id).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null;
    throw error;
  }
}

/** Whether somebody changed the policies in Temporal itself. Times cannot be compared: Temporal keeps a cron expression in another form. */
function isAsMade(description: ScheduleDescription | null, declared: ScheduleDeclaration): boolean {
  return (
    description?.policies.overlap === OVERLAP[declared.overlap] &&
    description.policies.catchupWindow === (shortDurationMs(declared.catchUp) ?? 0) &&
    (description.spec.jitter ?? 0) === (declared.jitter === null ? 0 : shortDurationMs(declared.jitter))
  );
}

function madeFrom(description: ScheduleDescription): Made | null {
  const memo = description.action.memo?.[MEMO];
  return typeof memo === 'string' ? (JSON.parse(memo) as Made) : null;
}

function nextOf(description: ScheduleDescription): Date | null {
  return description.info.nextActionTimes[0] ?? null;
}

function optionsOf(manifest: Manifest, name: string, declared: ScheduleDeclaration, taskQueue: string): ScheduleOptions {
  const made: Made = { organisation: manifest.organisation, name, says: says(manifest, declared, taskQueue) };
  return {
    scheduleId: prefixOf(manifest) + name,
    spec: {
      cronExpressions: [declared.cron],
      timezone: manifest.timezone,
      jitter: declared.jitter === null ? 0 : (shortDurationMs(declared.jitter) ?? 0),
    },
    policies: { overlap: OVERLAP[declared.overlap], catchupWindow: shortDurationMs(declared.catchUp) ?? SECOND, pauseOnFailure: false },
    action: {
      type: 'startWorkflow',
      ...startOf(name, declared),
      taskQueue,
      memo: { [MEMO]: canonicalJson(made) },
    },
  };
}

/** Temporal appends the time of each start to the workflow's id, and so names each run. */
function startOf(name: string, { run }: ScheduleDeclaration): { workflowType: string; workflowId: string; args: unknown[] } {
  const [job, ...more] = run.filter((it) => RUNNABLE_JOBS.includes(it));
  if (more.length > 0) throw new Refused(`The schedule ${name} runs ${run.join(', ')}: give each of them a schedule of its own`);
  if (job === 'consents') return { workflowType: 'consents', workflowId: `consents-${name}`, args: [{ only: null, full: false }] };
  return {
    workflowType: 'retention',
    workflowId: `retention-${name}`,
    args: [{ actor: `schedule:${name}`, asOf: null, only: null, dryRun: false }],
  };
}

function says(manifest: Manifest, declared: ScheduleDeclaration, taskQueue: string): string {
  const { cron, jitter, overlap, catchUp, run } = declared;
  return `${cron} ${manifest.timezone} · jitter ${jitter ?? 'none'} · overlap ${overlap} · catch up ${catchUp} · run ${run.join(', ')} · task queue ${taskQueue}`;
}

function prefixOf(manifest: Manifest): string {
  const slug = manifest.organisation
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return `probity-${slug}-`;
}
