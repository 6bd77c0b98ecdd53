import type { ManifestInput } from './schema/root.ts';

/**
 * For manifests written in TypeScript: `export default defineManifest({ … })`. Gives the types, changes nothing;
 * loading checks it like any other manifest.
 */
export function defineManifest(manifest: ManifestInput): ManifestInput {
  return manifest;
}
