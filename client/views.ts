import { readCatalog } from '../database/catalog.ts';
import { StoreError } from '../database/errors.ts';
import { currentManifest } from '../database/runs.ts';
import type { Store } from '../database/store.ts';
import {
  applyViews,
  compareDrop,
  compareViews,
  dropViews,
  homeSecrets,
  SEARCH_PATH,
  type Secrets,
  type Wanted,
} from '../database/views/apply.ts';
import type { ViewChange } from '../database/views/changes.ts';
import type { StoreViews, ViewFinding } from '../domain/views/model.ts';
import { planViews } from '../domain/views/plan.ts';
import { isMigrated, requireHome } from './migrate.ts';
import type { Project } from './project.ts';
import { NotMigrated, Refused } from './refused.ts';

export interface ShownChange {
  readonly kind: ViewChange['kind'];
  readonly what: string;
}

export interface StoreReport {
  readonly store: string;
  /** What was, or would be, changed; in order. */
  readonly changes: readonly ShownChange[];
  readonly findings: readonly ViewFinding[];
  /** Changes that had no effect, since our role may not make them, as SQL for somebody who may. */
  readonly left: readonly string[];
}

const NO_RIGHT = '42501';
const DEPENDENT = '2BP01';

/** What the views of every store lack to be those of the manifest. */
export async function diffViews(project: Project): Promise<StoreReport[]> {
  const reports: StoreReport[] = [];
  for (const store of inOrder(project)) {
    await requireStore(store, project);
    const { changes, findings } = await compareViews(store, await wantedIn(store, project));
    reports.push({ store: store.name, changes: shown(changes), findings, left: [] });
  }
  return reports;
}

/** Makes them so, in one transaction a store. Throws `Refused` in mode observe, and when another version of the manifest is in force. */
export async function makeViews(project: Project): Promise<StoreReport[]> {
  await requireHome(project);
  if (project.manifest.mode === 'observe') {
    throw new Refused(
      'The manifest is in mode observe, and views mean a role and rights in your databases: `probity views diff` shows them, mode enforce makes them',
    );
  }
  const inForce = await currentManifest(project.home.db);
  if (inForce?.hash !== project.hash)
    throw new Refused('Another version of the manifest is in force, and permission is judged by it: run `probity apply` first');
  const reports: StoreReport[] = [];
  const wanted = new Map<Store, Wanted>();
  for (const store of inOrder(project)) {
    await requireStore(store, project);
    wanted.set(store, await wantedIn(store, project));
  }
  const purposes = new Set([...wanted.values()].flatMap(({ planned }) => planned.purposes.map((it) => it.purpose)));
  const secrets = await homeSecrets(project.home, [...purposes]);
  for (const [store, it] of wanted) {
    reports.push(await refusing(store, () => make(store, it, store === project.home ? null : secrets)));
  }
  return reports;
}

async function make(store: Store, wanted: Wanted, secrets: Secrets | null): Promise<StoreReport> {
  refuseStrangers(await compareViews(store, wanted).then(({ state }) => state.schemas), wanted.planned, store.name);
  const { changes, findings, left } = await applyViews(store, wanted, secrets);
  return { store: store.name, changes: shown(changes), findings, left: left.flatMap((change) => sqlOf(store, change)) };
}

/** Removes them all. */
export async function removeViews(project: Project): Promise<StoreReport[]> {
  const reports: StoreReport[] = [];
  for (const store of inOrder(project)) {
    reports.push({ store: store.name, changes: shown(await refusing(store, () => dropViews(store))), findings: [], left: [] });
  }
  return reports;
}

export interface StoreScript {
  readonly store: string;
  readonly sql: string;
}

/** The same as SQL, for people who apply SQL themselves. */
export async function viewScripts(project: Project, drop: boolean): Promise<StoreScript[]> {
  const scripts: StoreScript[] = [];
  for (const store of inOrder(project)) {
    const wanted = drop ? null : await wantedIn(store, project);
    const changes = wanted === null ? await compareDrop(store) : (await compareViews(store, wanted)).changes;
    // Pseudonyms are the same in every store only if the secret is: the one of the home store must be copied before.
    const keys = (wanted?.planned.purposes ?? []).map(
      ({ purpose }) => `insert into probity.pseudonym_key (purpose) values ('${purpose}') on conflict do nothing;`,
    );
    const note = store === project.home ? [] : ['-- Copy the rows of probity.pseudonym_key from the home store first.'];
    const lines = [
      'begin;',
      `set local search_path = ${SEARCH_PATH};`,
      ...note,
      ...keys,
      ...changes.flatMap((change) => sqlOf(store, change)),
      'commit;',
    ];
    scripts.push({ store: store.name, sql: lines.join('\n') });
  }
  return scripts;
}

/** What every purpose may see, by store, as planned: names of views and columns, never a row. */
export async function plannedViews(project: Project): Promise<StoreViews[]> {
  const planned: StoreViews[] = [];
  for (const store of inOrder(project)) planned.push(planViews(project.manifest, await readCatalog(store)));
  return planned;
}

/** The home store first: it makes the secrets that the others share. */
function inOrder(project: Project): Store[] {
  return [project.home, ...[...project.stores.values()].filter((store) => store !== project.home)];
}

async function wantedIn(store: Store, project: Project): Promise<Wanted> {
  const catalog = await readCatalog(store);
  return { manifest: project.manifest, catalog, planned: planViews(project.manifest, catalog) };
}

async function requireStore(store: Store, project: Project): Promise<void> {
  if (!(await isMigrated(store, store === project.home))) throw new NotMigrated(store.name, 'outdated');
}

function refuseStrangers(schemas: readonly { readonly name: string; readonly ours: boolean }[], planned: StoreViews, store: string): void {
  const stranger = schemas.find((schema) => !schema.ours && planned.purposes.some((it) => it.schema === schema.name));
  if (stranger !== undefined) throw new Refused(`Store ${store} has a schema ${stranger.name} that is not ours: rename it or the purpose`);
}

async function refusing<T>(store: Store, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof StoreError && error.code === NO_RIGHT) {
      throw new Refused(
        `Our role in ${store.name} may not do this: \`probity views apply --print-sql\` prints it for somebody who may (CREATEROLE, ownership of the tables)`,
      );
    }
    if (error instanceof StoreError && error.code === DEPENDENT) {
      throw new Refused(`Something in ${store.name} depends on a view that has to change: drop it first, and make it again afterwards`);
    }
    throw error;
  }
}

function shown(changes: readonly ViewChange[]): ShownChange[] {
  return changes.map(({ kind, what }) => ({ kind, what }));
}

function sqlOf(store: Store, change: ViewChange): string[] {
  return change.statements.map((statement) => `${statement.compile(store.db).sql};`);
}
