import { ping, type Store } from '../database/store.ts';
import { storePool, type Environment } from '../database/stores.ts';
import type { Manifest } from '../manifest/model.ts';
import { requireManifest } from './manifest.ts';

/** A manifest with connections to the stores that it names. */
export interface Project {
  readonly path: string;
  readonly manifest: Manifest;
  readonly hash: string;
  readonly home: Store;
  /** By name, in the manifest's order. */
  readonly stores: ReadonlyMap<string, Store>;
  /** Where its secrets come from. */
  readonly env: Environment;
  readonly close: () => Promise<void>;
}

/** Opens a manifest and its stores. Throws `ManifestRefused`, `MissingSecret`, or a `StoreError` when a store is out of reach. */
export async function openProject(path: string, env: Environment): Promise<Project> {
  const { manifest, hash } = await requireManifest(path);
  const pool = storePool(env, 'probity');
  const stores = new Map(Object.keys(manifest.stores).map((name) => [name, pool.get(manifest, name)]));
  try {
    await Promise.all([...stores.values()].map(ping));
  } catch (error) {
    await pool.close();
    throw error;
  }
  return { path, manifest, hash, home: pool.home(manifest), stores, env, close: pool.close };
}
