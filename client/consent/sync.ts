import { randomBytes } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { syncStates, type SyncState } from '../../database/permission/consent-sync.ts';
import { namedSources } from '../../domain/consent/sources.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { consents } from '../../workflows/consents.ts';
import type { ConsentsResult } from '../../workflows/consents.types.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

export type { ConsentsResult } from '../../workflows/consents.types.ts';
export type { SyncState } from '../../database/permission/consent-sync.ts';

export interface SyncOptions {
  readonly taskQueue: string;
  /** A table of consent by its name or the end of it; null: all. */
  readonly name: string | null;
  readonly full: boolean;
}

/** Starts a reading of the manifest's tables of consent. Throws `Refused` when it names none, or none of that name. */
export async function startSync(
  client: Client,
  manifest: Manifest,
  { taskQueue, name, full }: SyncOptions,
): Promise<{ readonly runId: string; readonly result: () => Promise<ConsentsResult> }> {
  const runId = `consents-${randomBytes(6).toString('hex')}`;
  const only = name === null ? null : sourceName(manifest, name);
  if (manifest.consents.length === 0) throw new Refused('The manifest names no tables of consent (consents:)');
  const handle = await client.workflow.start<typeof consents>('consents', { taskQueue, workflowId: runId, args: [{ only, full }] });
  return { runId, result: () => handle.result() };
}

/** How far each of the manifest's tables has been read; one that never was has no times. */
export async function syncStatus(project: Project): Promise<SyncState[]> {
  await requireHome(project);
  const states = new Map((await syncStates(project.home)).map((state) => [state.source, state]));
  return namedSources(project.manifest).map(({ name }) => states.get(name) ?? { ...NEVER, source: name });
}

const NEVER: Omit<SyncState, 'source'> = {
  read: 0,
  recorded: 0,
  known: 0,
  rejected: 0,
  newestAt: null,
  syncedAt: null,
  reasons: {},
  lagMs: null,
  sinceMs: null,
  running: false,
};

function sourceName(manifest: Manifest, given: string): string {
  const names = namedSources(manifest).map(({ name }) => name);
  const found = names.filter((name) => name === given || name.endsWith(`.${given}`));
  if (found.length === 1) return found[0]!;
  throw new Refused(
    `The manifest names ${found.length === 0 ? 'no' : 'several'} tables of consent ${given}; it names ${names.join(', ') || 'none'}`,
  );
}
