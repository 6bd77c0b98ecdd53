import type { Manifest } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import { rootOf } from '../check/context.ts';
import type { Processing, StoreEntry } from './record.ts';

/** `server_version_num` is the version times this. */
const VERSION_UNIT = 10_000;

export function stores({ manifest, catalogs }: Processing): StoreEntry[] {
  return Object.entries(manifest.stores).flatMap(([store, { home, schemas }]) => {
    const catalog = catalogs[store];
    if (!catalog) return [];
    const tables = Object.keys(manifest.tables).filter((id) => id.startsWith(`${store}.`)).length;
    const postgres = String(Math.floor(catalog.version / VERSION_UNIT));
    return [{ store, home, database: catalog.database, postgres, tables, unclassified: unclassified(manifest, store, schemas, catalog) }];
  });
}

function unclassified(manifest: Manifest, store: string, schemas: readonly string[], catalog: Catalog): string[] {
  return Object.values(catalog.tables)
    .filter((it) => it.kind !== 'view' && schemas.includes(it.schema) && rootOf(catalog, it) === it)
    .map((it) => `${store}.${it.schema}.${it.name}`)
    .filter((id) => !(id in manifest.tables) && !(id in manifest.ignored));
}
