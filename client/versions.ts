import { readCatalog } from '../database/catalog.ts';
import { applyPermission } from '../database/permission/apply.ts';
import { applyManifest, currentManifest, listManifests, type ManifestVersion } from '../database/runs.ts';
import { inTransaction } from '../database/store.ts';
import { diffManifests, type Difference } from '../manifest/diff.ts';
import type { Problem } from '../manifest/problem.ts';
import { check, errorsIn } from './check.ts';
import { ManifestRefused } from './manifest.ts';
import { requireHome } from './migrate.ts';
import type { Project } from './project.ts';
import { Refused } from './refused.ts';

export { SHOWN_HASH } from '../domain/canonical.ts';

export interface Applied {
  readonly changed: boolean;
  readonly version: ManifestVersion;
  readonly differences: readonly Difference[];
  readonly warnings: readonly Problem[];
}

export interface ApplyOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly actor: string;
  /** Says that rows may be changed from now on: without it a manifest in mode `enforce` does not replace one that only observes. */
  readonly enforce: boolean;
  /** People whose consent state is derived anew because the rules have changed. */
  readonly onProgress?: (done: number, of: number) => void;
}

/** Checks the manifest against the live stores and puts it in force. Throws `ManifestRefused` for errors, `Refused` for an unasked enforce. */
export async function apply(project: Project, options: ApplyOptions): Promise<Applied> {
  await requireHome(project);
  const { problems } = await check(project.path, options.env);
  if (errorsIn(problems).length > 0) throw new ManifestRefused(project.path, problems);
  const home = project.home.db;
  const before = await currentManifest(home);
  if (project.manifest.mode === 'enforce' && before?.mode !== 'enforce' && !options.enforce) {
    throw new Refused('This manifest is in mode enforce, so runs would change rows from now on: say so with --enforce');
  }
  const differences = diffManifests(before?.manifest ?? null, project.manifest);
  const catalog = await readCatalog(project.home);
  const changed = await inTransaction(project.home, {}, async (trx) => {
    const isNew = await applyManifest(trx, project.manifest, project.hash, options.actor);
    // Also when the manifest is the same: its tables, or this software, may be others.
    await applyPermission(trx, project.manifest, project.hash, catalog, options);
    return isNew;
  });
  const version = await currentManifest(home);
  if (version === null) throw new Error('The manifest was not stored');
  return { changed, version, differences, warnings: problems.filter((problem) => problem.severity === 'warning') };
}

/** Newest first. */
export async function versions(project: Project): Promise<ManifestVersion[]> {
  await requireHome(project);
  return listManifests(project.home.db);
}

/** The version that new runs pin; null before the first `apply`. */
export async function inForce(project: Project): Promise<ManifestVersion | null> {
  await requireHome(project);
  return currentManifest(project.home.db);
}
