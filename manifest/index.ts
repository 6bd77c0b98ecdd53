/** Manifests without Temporal: for those who write one in TypeScript, and for who loads one. */
export { defineManifest } from './define.ts';
export { loadManifest, parseManifestText, parseManifestValue, type LoadedManifest } from './load.ts';
export type { Manifest } from './model.ts';
export type { Problem } from './problem.ts';
export type { ManifestInput } from './schema/root.ts';
