import { sql, type Transaction } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { writeFacts } from './facts.ts';
import { writeRules, type Derived } from './rules.ts';

export interface ApplyProgress {
  /** People, devices and addresses whose state is derived anew. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/**
 * Lets the home store judge permissions by the manifest, in the transaction that puts it in force: rules, facts, the stores that are told,
 * and, the first time, that it answers at all. Doing it again changes nothing. After a restore it opens nothing: that takes a replay.
 */
export async function applyPermission(
  trx: Transaction<unknown>,
  manifest: Manifest,
  hash: string,
  /** Of the home store. */
  catalog: Catalog,
  { onProgress }: ApplyProgress = {},
): Promise<Derived> {
  const derived = await writeRules(trx, manifest, hash, onProgress);
  await writeFacts(trx, manifest, catalog);
  await writeReplicas(trx, replicasOf(manifest, catalog.store));
  await sql`update probity.serving set sink = ${manifest.sink !== null}`.execute(trx);
  await sql`update probity.serving set incarnation = probity.incarnation(), valid_until = 'infinity' where incarnation is null`.execute(
    trx,
  );
  return derived;
}

/** Stores other than home that hold tables of the manifest. */
function replicasOf(manifest: Manifest, home: string): string[] {
  const named = [...Object.keys(manifest.tables), ...Object.values(manifest.subjects).map(({ table }) => table)];
  return [...new Set(named.map(storeOf))].filter((store) => store !== home).sort();
}

async function writeReplicas(trx: Transaction<unknown>, stores: readonly string[]): Promise<void> {
  await sql`delete from probity.replica where store <> all (${stores}::text[])`.execute(trx);
  await sql`insert into probity.replica (store) select unnest(${stores}::text[]) on conflict (store) do nothing`.execute(trx);
}
