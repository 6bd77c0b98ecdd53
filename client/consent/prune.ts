import { clockOf } from '../../database/clock.ts';
import { pruneConsents, type Pruned } from '../../database/permission/prune.ts';
import { translating } from '../../database/errors.ts';
import { currentManifest } from '../../database/runs.ts';
import { cutOff } from '../../domain/time.ts';
import type { IsoDuration } from '../../manifest/model.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

export interface PrunedProofs extends Pruned {
  /** What was in force no longer by then has been kept long enough. */
  readonly cutOff: Date;
  readonly keep: IsoDuration;
  readonly enforced: boolean;
}

/**
 * Deletes the contents of records that have been out of force for `own.consent_proof` of the manifest in force; without `enforce` it counts
 * them. Throws `Refused` when it should delete and the manifest in force only observes.
 */
export async function pruneProofs(
  project: Project,
  { enforce, onProgress }: { readonly enforce: boolean; readonly onProgress?: (done: number, of: number) => void },
): Promise<PrunedProofs> {
  await requireHome(project);
  const { home } = project;
  const version = await translating(home, () => currentManifest(home.db));
  if (version === null) throw new Refused('No manifest is in force: put yours in force with `probity apply`');
  if (enforce && version.mode !== 'enforce')
    throw new Refused('The manifest in force is in mode observe, so nothing is deleted: `probity apply --enforce` changes that');
  const keep = version.manifest.own['consent_proof'];
  if (keep === undefined) throw new Error('own.consent_proof has a default');
  const before = cutOff(await clockOf(home), keep, version.manifest.timezone);
  const pruned = await translating(home, () => pruneConsents(home, { cutOff: before, enforce, ...(onProgress && { onProgress }) }));
  return { ...pruned, cutOff: before, keep, enforced: enforce };
}
