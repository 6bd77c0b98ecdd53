import type pg from 'pg';
import { expect } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { migrate } from '../../database/migrate.ts';
import { analyseKeys, writeKeys, type RunKey } from '../../database/requests/erasure/keys.ts';
import { readScanScope, scan, type ScanOptions, type ScanProgress } from '../../database/requests/scan.ts';
import { scanResult } from '../../database/requests/scan-result.ts';
import { openStore, type Store } from '../../database/store.ts';
import type { ScanResult } from '../../domain/requests/scan.ts';
import type { ScanScope } from '../../domain/requests/scan-scope.ts';
import { parseManifestValue } from '../../manifest/index.ts';
import type { Manifest } from '../../manifest/model.ts';
import { freshDatabase } from '../support/databases.ts';

export interface ScanStore {
  readonly store: Store;
  readonly manifest: Manifest;
  readonly query: (text: string, values?: readonly unknown[]) => Promise<pg.QueryResult<Record<string, unknown>>>;
  /** As another role, which must be able to write our schema's tables of the run. */
  readonly as: (role: string) => Store;
  readonly close: () => Promise<void>;
}

export function manifestOf(value: object): Manifest {
  const { manifest, problems } = parseManifestValue({ organisation: 'Scan', timezone: 'UTC', ...value });
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  return manifest!;
}

export async function scanStore(ddl: string, declared: object): Promise<ScanStore> {
  const database = await freshDatabase();
  const store = openStore({ name: 'shop', url: database.url });
  const others: Store[] = [];
  await migrate(store, false);
  await store.pool.query(ddl);
  return {
    store,
    manifest: manifestOf({ stores: { shop: { url: 'postgres://unused', home: true, schemas: ['public'] } }, ...declared }),
    query: (text, values = []) => store.pool.query(text, [...values]),
    as: (role) => {
      const url = new URL(database.url);
      [url.username, url.password] = [role, role];
      const other = openStore({ name: 'shop', url: url.href });
      others.push(other);
      return other;
    },
    close: async () => {
      for (const each of [...others, store]) await each.close();
      await database.drop();
    },
  };
}

export interface Scanned {
  readonly scope: ScanScope;
  readonly result: ScanResult;
  readonly progress: readonly ScanProgress[];
}

/** Person 0, 1, … of the run, each with a list of [identity, ...parts]. */
export async function search(
  { store, manifest }: Pick<ScanStore, 'store' | 'manifest'>,
  runId: string,
  people: readonly (readonly (readonly string[])[])[],
  options: ScanOptions = {},
  classOf: (person: number) => number = () => 0,
): Promise<Scanned> {
  const keys = people.flatMap((identities, index) =>
    identities.map(([identity = '', ...parts]): RunKey => ({ chunk: 0, person: index, class: classOf(index), identity, parts })),
  );
  await writeKeys(store, runId, 'customer', keys);
  await analyseKeys(store);
  const scope = await readScanScope(store, await readCatalog(store), manifest);
  const progress: ScanProgress[] = [];
  for await (const step of scan(store, scope, runId, options)) progress.push(step);
  return { scope, progress, result: await scanResult(store, scope, runId) };
}

/** `table.column identity rows`, sorted. */
export function shown(hits: ScanResult['hits']): string[] {
  return hits.map(({ table, column, identity, rows }) => `${table.replace('public.', '')}.${column} ${identity} ${rows}`).toSorted();
}
