import { loadManifest, type LoadedManifest } from '../manifest/load.ts';
import type { Manifest } from '../manifest/model.ts';
import type { Problem } from '../manifest/problem.ts';

/** A manifest that cannot be used; every problem with its place. */
export class ManifestRefused extends Error {
  override readonly name = 'ManifestRefused';
  readonly problems: readonly Problem[];

  constructor(path: string, problems: readonly Problem[]) {
    const errors = problems.filter((problem) => problem.severity === 'error').length;
    super(`The manifest ${path} has ${errors} error${errors === 1 ? '' : 's'}; \`probity check\` lists them`);
    this.problems = problems;
  }
}

/** Loads a manifest without errors. Throws `ManifestRefused` otherwise. */
export async function requireManifest(path: string): Promise<LoadedManifest & { readonly manifest: Manifest; readonly hash: string }> {
  const loaded = await loadManifest(path);
  const { manifest, hash } = loaded;
  if (manifest === null || hash === null) throw new ManifestRefused(path, loaded.problems);
  return { ...loaded, manifest, hash };
}
