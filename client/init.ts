import { readCatalog } from '../database/catalog.ts';
import { readSamples } from '../database/samples.ts';
import { openStore } from '../database/store.ts';
import type { Environment } from '../database/stores.ts';
import type { Catalog } from '../domain/catalog.ts';
import { draftManifest, type Draft } from '../domain/init/draft.ts';
import type { StoreSamples } from '../domain/init/samples.ts';
import { Refused } from './refused.ts';

export interface InitOptions {
  /** `DATABASE_URL`, `shop=DATABASE_URL`, `postgres://…` or `shop=postgres://…`; the first store becomes home. */
  readonly stores: readonly string[];
  readonly env: Environment;
  readonly organisation?: string;
  readonly timezone?: string;
}

interface Named {
  /** Null until the database's own name is known. */
  readonly name: string | null;
  /** As the manifest shall spell it. */
  readonly spelled: string;
  readonly url: string;
}

/** Drafts a manifest from live databases, which are only read. Throws `Refused` for an address that is none, or a `StoreError`. */
export async function draft({ stores, env, organisation, timezone }: InitOptions): Promise<Draft> {
  const catalogs: Record<string, Catalog> = {};
  const samples: Record<string, StoreSamples> = {};
  const storeUrls: Record<string, string> = {};
  for (const argument of stores) {
    const named = address(argument, env);
    const store = openStore({ name: named.name ?? 'store', url: named.url, guarded: false });
    try {
      const catalog = await readCatalog(store);
      const name = named.name ?? storeName(catalog.database);
      if (name in catalogs) throw new Refused(`Two stores would be called ${name}: write ${name}2=${argument}`);
      catalogs[name] = { ...catalog, store: name };
      samples[name] = await readSamples(store, catalog);
      storeUrls[name] = named.spelled;
    } finally {
      await store.close();
    }
  }
  return draftManifest({ catalogs, samples, storeUrls, ...(organisation && { organisation }), ...(timezone && { timezone }) });
}

function address(argument: string, env: Environment): Named {
  const named = /^([a-z][a-z0-9_]*)=(.+)$/s.exec(argument);
  const name = named?.[1] ?? null;
  const rest = named?.[2] ?? argument;
  if (/^postgres(ql)?:\/\//.test(rest)) return { name, spelled: variableOf(rest, env) ?? rest, url: rest };
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(rest))
    throw new Refused('Name a database by a postgres:// URL or by the environment variable that holds it');
  const url = env[rest];
  if (url === undefined || url === '') throw new Refused(`The environment variable ${rest} is not set: it should hold a postgres:// URL`);
  return { name, spelled: `\${${rest}}`, url };
}

/** `"$DATABASE_URL"` comes as what it holds, and is the variable again in the file. */
function variableOf(url: string, env: Environment): string | null {
  const found = Object.keys(env).find((name) => env[name] === url && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  return found === undefined ? null : `\${${found}}`;
}

/** A store's name as a manifest can spell it. */
function storeName(database: string): string {
  const name = database.toLowerCase().replaceAll(/[^a-z0-9_]+/g, '_');
  return /^[a-z]/.test(name) ? name : `db_${name}`;
}
