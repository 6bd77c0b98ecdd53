import { currentManifest, type ManifestVersion } from '../../database/runs.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

/** The manifest in force. Throws `Refused` where none is. */
export async function inForce({ home }: Pick<Project, 'home'>): Promise<ManifestVersion> {
  const version = await currentManifest(home.db);
  if (version === null) throw new Refused('No manifest is in force: put yours in force with `probity apply`');
  return version;
}

/** The same, for what looks into every store of it. Throws `Refused` also where its stores are not those at hand. */
export async function inForceHere(project: Pick<Project, 'home' | 'stores'>): Promise<ManifestVersion> {
  const version = await inForce(project);
  const missing = Object.keys(version.manifest.stores).filter((name) => !project.stores.has(name));
  if (missing.length > 0)
    throw new Refused(`The manifest in force names stores that yours does not (${missing.join(', ')}): probity apply`);
  return version;
}
