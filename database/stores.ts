import { openStore, type Store } from './store.ts';
import type { Manifest } from '../manifest/model.ts';
import { inStore, storeOf } from '../manifest/ids.ts';
import { resolveSecrets } from '../manifest/secrets.ts';

/** The stores that this process is connected to: one pool for each address, whichever manifest names it. */
export interface StorePool {
  readonly get: (manifest: Manifest, name: string) => Store;
  readonly home: (manifest: Manifest) => Store;
  readonly close: () => Promise<void>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Opens stores on demand; secrets come from `env` only. */
export function storePool(env: Environment, applicationName: string): StorePool {
  const open = new Map<string, Store>();
  const get = (manifest: Manifest, name: string): Store => {
    const declared = manifest.stores[name];
    if (declared === undefined) throw new Error(`The manifest names no store ${name}`);
    const url = resolveSecrets(declared.url, env);
    const key = `${name}\n${url}`;
    const store = open.get(key) ?? openStore({ name, url, applicationName });
    open.set(key, store);
    for (const table of tablesOf(manifest, name)) store.declared.add(table);
    return store;
  };
  return {
    get,
    home: (manifest) => {
      const home = Object.entries(manifest.stores).find(([, store]) => store.home)?.[0];
      if (home === undefined) throw new Error('The manifest names no home store');
      return get(manifest, home);
    },
    close: async () => {
      await Promise.all([...open.values()].map((store) => store.close()));
    },
  };
}

/** Those that a manifest declares in a store, as `schema.table`. */
export function tablesOf(manifest: Manifest, store: string): string[] {
  return Object.keys(manifest.tables).flatMap((id) => (storeOf(id) === store ? [inStore(id)] : []));
}
