import { readBatch, readMembers, type Batch, type MemberCount } from '../../database/requests/batches.ts';
import { readNotices } from '../../database/requests/notices.ts';
import { readEvents, type RequestEvent } from '../../database/requests/read.ts';
import type { Notice } from '../../domain/requests/notices.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { foundIn, type FoundInKept } from './read.ts';

export { isBatch } from '../../domain/requests/batch.ts';
export type { Batch, MemberCount } from '../../database/requests/batches.ts';

export interface ShownBatch extends Batch {
  /** By kind and state. */
  readonly counts: readonly MemberCount[];
  /** Of the request in it that is due first; null: all have left it. */
  readonly dueAt: Date | null;
  readonly events: readonly RequestEvent[];
  /** Recipients that were to be told of it, as one. */
  readonly notices: readonly Notice[];
  /** Rows that stay and in which people of it are still found, by its certificate. */
  readonly found: readonly FoundInKept[];
}

/** Several requests that are planned and carried out as one, with what was done to them as one. Null: there is none of this number. */
export async function readBatchStatus(project: Project, id: string): Promise<ShownBatch | null> {
  await requireHome(project);
  const { home } = project;
  const batch = await readBatch(home, id);
  if (batch === null) return null;
  const found = batch.state === 'closed' ? await foundIn(project, id) : [];
  return { ...batch, ...(await readMembers(home, id)), events: await readEvents(home, id), notices: await readNotices(home, id), found };
}

/** As `restsWith` of a request. */
export function batchRestsWith({ state, events }: ShownBatch): 'machine' | 'person' | 'nobody' {
  if (state === 'closed') return 'nobody';
  return (state === 'approved' || state === 'running') && events.at(-1)?.verb !== 'wait' ? 'machine' : 'person';
}
