import { readCatalog } from '../database/catalog.ts';
import { StoreError } from '../database/errors.ts';
import { openStore } from '../database/store.ts';
import type { Environment } from '../database/stores.ts';
import type { Catalog } from '../domain/catalog.ts';
import { checkManifest } from '../domain/check/check.ts';
import { inOrder, loadManifest } from '../manifest/load.ts';
import type { Manifest } from '../manifest/model.ts';
import type { Problem } from '../manifest/problem.ts';
import { MissingSecret, resolveSecrets } from '../manifest/secrets.ts';

export interface CheckReport {
  /** By file, line and column. */
  readonly problems: readonly Problem[];
  /** Null when the manifest alone has errors. */
  readonly manifest: Manifest | null;
  readonly hash: string | null;
  /** Stores whose catalogs were read. */
  readonly looked: readonly string[];
  /** Stores that did not answer, each with why. */
  readonly unreachable: Readonly<Record<string, string>>;
}

/**
 * Everything that can be said about a manifest, all at once: read alone, then against each live store. Needs Postgres only.
 * `mode` looks at it as if it said so: whoever only plans need not be able to write.
 */
export async function check(path: string, env: Environment, mode: Manifest['mode'] | null = null): Promise<CheckReport> {
  const { manifest, hash, problems, source, remainder } = await loadManifest(path);
  if (remainder === null) return { problems, manifest, hash, looked: [], unreachable: {} };
  const catalogs: Record<string, Catalog> = {};
  const unreachable: Record<string, string> = {};
  for (const [name, { url }] of Object.entries(remainder.stores)) {
    const found = await lookAt(name, url, env);
    if (typeof found === 'string') unreachable[name] = found;
    else catalogs[name] = found;
  }
  const live = checkManifest(mode === null ? remainder : { ...remainder, mode }, source.place, catalogs);
  const told = live.map((problem) => withReason(problem, unreachable));
  return { problems: inOrder([...problems, ...told]), manifest, hash, looked: Object.keys(catalogs), unreachable };
}

export function errorsIn(problems: readonly Problem[]): Problem[] {
  return problems.filter((problem) => problem.severity === 'error');
}

async function lookAt(name: string, url: string, env: Environment): Promise<Catalog | string> {
  let store;
  try {
    store = openStore({ name, url: resolveSecrets(url, env), max: 1 });
    return await readCatalog(store);
  } catch (error) {
    if (error instanceof StoreError || error instanceof MissingSecret) return error.message;
    throw error;
  } finally {
    await store?.close();
  }
}

/** "Not looked at" says why. */
function withReason(problem: Problem, unreachable: Readonly<Record<string, string>>): Problem {
  if (problem.code !== 'P101') return problem;
  const [, reason] = Object.entries(unreachable).find(([name]) => problem.message.includes(`\`${name}\``)) ?? [];
  return reason === undefined ? problem : { ...problem, message: `${problem.message}: ${reason}` };
}
