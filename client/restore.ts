import { restoreHold } from '../database/holds.ts';
import {
  lastRestore,
  markReplayed,
  openHome,
  replayConsents,
  replayLink,
  servingState,
  type OpenedAgain,
  type ServingState,
} from '../database/serving/replay.ts';
import type { SinkEntry } from '../domain/serving/sink-line.ts';
import { sinkOf } from './durability.ts';
import { isMigrated, requireHome } from './migrate.ts';
import type { Project } from './project.ts';
import { Refused } from './refused.ts';
import { replayErasures, type ErasuresReplayed } from './restore-erasures.ts';

export type { ServingState } from '../database/serving/replay.ts';

/** What a replay found and did; numbers only. */
export interface ReplayCounts {
  /** Entries that could be read. An entry may stand in the sink twice. */
  readonly entries: number;
  readonly consents: number;
  readonly links: number;
  readonly holds: number;
  readonly releases: number;
  /** People who were erased, of whom a restored store did not know it; of these, those of whom something had come back, and their rows. */
  readonly erasures: number;
  readonly people: number;
  readonly rows: number;
  /** Consents of purposes or channels that the manifest in force does not have any more. */
  readonly unused: number;
  /** Writes that were cut off: never reported as durable, and still in the queue of the database that was lost. */
  readonly torn: number;
  /** Lines that were altered, or whose key is another. */
  readonly damaged: number;
  readonly otherKey: number;
  /** Of stores that the manifest does not name. */
  readonly elsewhere: number;
}

export interface Replayed {
  readonly counts: ReplayCounts;
  readonly erasures: ErasuresReplayed;
  /** Whether every line of the sink could be read and applied. */
  readonly complete: boolean;
  /** Whether the home store answers now. */
  readonly open: boolean;
}

export interface ReplayOptions {
  readonly actor: string;
  /** Why it is opened although the sink is not complete, or there is none. */
  readonly acceptLoss: string | null;
  readonly onProgress?: (entries: number) => void;
}

/** Consents recorded in one transaction: some hundred milliseconds. */
const AT_ONCE = 500;
/** Keyed hashes of who was erased, their key, and the end of a tombstone. */
const ERASURES: readonly string[] = ['tombstone_key', 'erasure', 'erasure_lifted'];
type Counts = { -readonly [K in keyof ReplayCounts]: number };

/**
 * Gives the stores back what the sink has and they have not, then opens the home store. Idempotent: it may be interrupted and called again,
 * and on a store that lost nothing it changes nothing. Throws `Refused` where there is nothing to read and no loss is accepted.
 */
export async function replay(project: Project, options: ReplayOptions): Promise<Replayed> {
  await requireHome(project);
  const { home } = project;
  const before = await servingState(home);
  if (!before.opened) throw new Refused('The home store was never opened: `probity apply` does it');
  const sink = sinkOf(project);
  if (sink === null && options.acceptLoss === null) {
    throw new Refused('The manifest names no sink, so nobody knows what was lost: open it with --accept-loss "why", which is recorded');
  }
  const counts: Counts = {
    entries: 0,
    consents: 0,
    links: 0,
    holds: 0,
    releases: 0,
    erasures: 0,
    people: 0,
    rows: 0,
    unused: 0,
    torn: 0,
    damaged: 0,
    otherKey: 0,
    elsewhere: 0,
  };
  const waiting: SinkEntry[] = [];
  const releases: SinkEntry[] = [];
  const erased: SinkEntry['body'][] = [];
  const consents = async (): Promise<void> => {
    const { applied, unused } = await replayConsents(home, waiting.splice(0));
    counts.consents += applied;
    counts.unused += unused;
  };
  for await (const line of sink?.read() ?? []) {
    if (line.kind === 'torn') counts.torn++;
    else if (line.kind === 'damaged') counts.damaged++;
    else if (line.kind === 'other key') counts.otherKey++;
    else await take(line.entry);
  }
  await consents();
  // Last, since a hold that was placed is never written behind its own release, but may be read there after a crash.
  for (const { store, body } of releases) {
    const there = project.stores.get(store);
    if (there !== undefined && (await restoreHold(there, body))) counts.releases++;
  }
  // After the holds, which win; also where lines are damaged, since what can be read is owed all the same.
  const erasures = await replayErasures(project, erased, options.actor, () => options.onProgress?.(counts.entries));
  counts.erasures = erasures.erasures;
  counts.people = erasures.people;
  counts.rows = erasures.rows;
  const complete = sink !== null && counts.damaged + counts.otherKey + counts.elsewhere === 0 && erasures.left.length === 0;
  if (!complete && options.acceptLoss === null) return { counts, erasures, complete, open: (await servingState(home)).open };
  if (before.restored || !before.open)
    await openHome(home, { actor: options.actor, acceptedLoss: complete ? null : options.acceptLoss, counts });
  for (const store of project.stores.values()) {
    if (store !== home && (await isMigrated(store, false))) await markReplayed(store);
  }
  return { counts, erasures, complete, open: (await servingState(home)).open };

  async function take(entry: SinkEntry): Promise<void> {
    counts.entries++;
    if (counts.entries % AT_ONCE === 0) options.onProgress?.(counts.entries);
    const store = project.stores.get(entry.store);
    if (store === undefined) counts.elsewhere++;
    else if (entry.kind === 'consent') {
      waiting.push(entry);
      if (waiting.length >= AT_ONCE) await consents();
    } else if (entry.kind === 'link') {
      await consents();
      if (await replayLink(home, entry)) counts.links++;
    } else if (entry.kind === 'hold') {
      if (await restoreHold(store, entry.body)) counts.holds++;
    } else if (entry.kind === 'hold_released') releases.push(entry);
    else if (ERASURES.includes(entry.kind)) erased.push(entry.body);
    else counts.elsewhere++;
  }
}

export interface RestoreStatus {
  readonly stores: readonly ServingState[];
  readonly sink: string | null;
  readonly last: OpenedAgain | null;
}

/** Whether the stores are the ones that were opened. Reads only. */
export async function restoreStatus(project: Project): Promise<RestoreStatus> {
  await requireHome(project);
  const stores: ServingState[] = [];
  for (const store of project.stores.values()) {
    if (await isMigrated(store, store === project.home)) stores.push(await servingState(store));
  }
  return { stores, sink: project.manifest.sink === null ? null : (sinkOf(project)?.name ?? null), last: await lastRestore(project.home) };
}
