import { readCatalog } from '../database/catalog.ts';
import { StoreError } from '../database/errors.ts';
import { readPath } from '../database/path.ts';
import { countShared } from '../database/requests/frequent.ts';
import { unfitByPostgres, type Unfit } from '../database/requests/erasure/wanted.ts';
import { openStore } from '../database/store.ts';
import { tablesOf, type Environment } from '../database/stores.ts';
import type { Catalog } from '../domain/catalog.ts';
import { checkManifest } from '../domain/check/check.ts';
import { sharedValues, type SharedValues, type Uncounted } from '../domain/check/frequent.ts';
import { mappedReferences, type MappedReference } from '../domain/people/map.ts';
import { problem } from '../manifest/codes.ts';
import { inOrder, loadManifest } from '../manifest/load.ts';
import type { Manifest } from '../manifest/model.ts';
import type { Problem } from '../manifest/problem.ts';
import { MissingSecret, resolveSecrets } from '../manifest/secrets.ts';
import type { Source } from '../manifest/source.ts';

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
  /** Every reference that leads to people, and what it means for its rows. */
  readonly map: readonly MappedReference[];
}

/**
 * Everything that can be said about a manifest, all at once: read alone, then against each live store. Needs Postgres only.
 * `mode` looks at it as if it said so: whoever only plans need not be able to write.
 */
export async function check(path: string, env: Environment, mode: Manifest['mode'] | null = null): Promise<CheckReport> {
  const { manifest, hash, problems, source, remainder } = await loadManifest(path);
  if (remainder === null) return { problems, manifest, hash, looked: [], unreachable: {}, map: [] };
  const catalogs: Record<string, Catalog> = {};
  const unfit: Unfit[] = [];
  const shared: (SharedValues | Uncounted)[] = [];
  const unreachable: Record<string, string> = {};
  for (const name of Object.keys(remainder.stores)) {
    // Whoever only plans wants the errors, at once.
    const found = await lookAt(remainder, name, env, mode === null);
    if (typeof found === 'string') unreachable[name] = found;
    else {
      catalogs[name] = found.catalog;
      unfit.push(...found.unfit);
      shared.push(...found.shared);
    }
  }
  const live = checkManifest(mode === null ? remainder : { ...remainder, mode }, source.place, catalogs);
  const told = [...live, ...refused(unfit, live, source.place), ...sharedValues(shared, source.place)].map((problem) =>
    withReason(problem, unreachable),
  );
  const map = Object.values(catalogs).flatMap((catalog) => mappedReferences(catalog, remainder));
  return { problems: inOrder([...problems, ...told]), manifest, hash, looked: Object.keys(catalogs), unreachable, map };
}

export function errorsIn(problems: readonly Problem[]): Problem[] {
  return problems.filter((problem) => problem.severity === 'error');
}

interface LookedAt {
  readonly catalog: Catalog;
  readonly unfit: readonly Unfit[];
  readonly shared: readonly (SharedValues | Uncounted)[];
}

async function lookAt(manifest: Manifest, name: string, env: Environment, count: boolean): Promise<LookedAt | string> {
  let store;
  try {
    const url = resolveSecrets(manifest.stores[name]!.url, env);
    store = openStore({ name, url, max: 1, declared: tablesOf(manifest, name), guarded: false });
    const catalog = { ...(await readCatalog(store)), path: await readPath(store) };
    // Values are tried only where no stranger's code can be met.
    if (catalog.path.intruders.length > 0) return { catalog, unfit: [], shared: [] };
    const unfit = await unfitByPostgres(store, catalog, manifest);
    return { catalog, unfit, shared: count ? await countShared(store, catalog, manifest) : [] };
  } catch (error) {
    if (error instanceof StoreError || error instanceof MissingSecret) return error.message;
    throw error;
  } finally {
    await store?.close();
  }
}

/** What only Postgres knows of values that `on_erase` wants; what the catalog told already is not said twice. */
function refused(unfit: readonly Unfit[], live: readonly Problem[], place: Source['place']): Problem[] {
  return unfit.flatMap(({ table, column, why }) => {
    const at = place(['tables', table, 'columns', column, 'on_erase']);
    const known = live.some((it) => it.code === 'P142' && JSON.stringify(it.place) === JSON.stringify(at));
    return known ? [] : [problem('P142', at, `\`${column}\` cannot hold what \`on_erase\` says: ${why}`)];
  });
}

/** "Not looked at" says why. */
function withReason(problem: Problem, unreachable: Readonly<Record<string, string>>): Problem {
  if (problem.code !== 'P101') return problem;
  const [, reason] = Object.entries(unreachable).find(([name]) => problem.message.includes(`\`${name}\``)) ?? [];
  return reason === undefined ? problem : { ...problem, message: `${problem.message}: ${reason}` };
}
