import { migrate, migrationSql, schemaState, type SchemaState } from '../database/migrate.ts';
import type { Store } from '../database/store.ts';
import type { Manifest } from '../manifest/model.ts';
import type { Project } from './project.ts';
import { NotMigrated, Refused } from './refused.ts';

export interface MigratedStore {
  readonly store: string;
  /** Names of the migrations that were applied now; none when it was current. */
  readonly applied: readonly string[];
}

/** Brings our schema in every store, or in one, to this version. */
export async function migrateStores(project: Project, only: string | null): Promise<MigratedStore[]> {
  const migrated: MigratedStore[] = [];
  for (const name of chosen(project.manifest, only)) {
    const store = project.stores.get(name);
    if (store === undefined) continue;
    const home = store === project.home;
    if ((await schemaState(store, home)) === 'newer') throw new NotMigrated(name, 'newer');
    migrated.push({ store: name, applied: await migrate(store, home) });
  }
  return migrated;
}

/** The same as SQL, by store, for people who apply SQL themselves. Connects to nothing. */
export function migrationScripts(manifest: Manifest, only: string | null): { readonly store: string; readonly sql: string }[] {
  return chosen(manifest, only).map((store) => ({ store, sql: migrationSql(manifest.stores[store]?.home === true) }));
}

function chosen(manifest: Manifest, only: string | null): string[] {
  const names = Object.keys(manifest.stores);
  if (only === null) return names;
  if (!names.includes(only)) throw new Refused(`The manifest names no store ${only}; it names ${names.join(', ')}`);
  return [only];
}

/** Throws `NotMigrated` when the home store lacks our schema. */
export async function requireHome(project: Project): Promise<void> {
  const state = await schemaState(project.home, true);
  if (state !== 'current') throw new NotMigrated(project.home.name, state);
}

export async function isMigrated(store: Store, home: boolean): Promise<boolean> {
  const state: SchemaState = await schemaState(store, home);
  return state === 'current';
}
