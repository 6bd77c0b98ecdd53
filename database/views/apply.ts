import { sql, type Transaction } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import type { StoreViews, ViewFinding } from '../../domain/views/model.ts';
import type { Manifest } from '../../manifest/model.ts';
import { inTransaction, type Store } from '../store.ts';
import { dropChanges, viewChanges, type ViewChange } from './changes.ts';
import { checkReaders } from './readers.ts';
import { readViewState, type ViewState } from './state.ts';

/** Any number that nobody else uses: two who apply at once would undo each other's work. */
const APPLY_LOCK = 7_065_226_001;
/** A view is dropped and made again only when nobody reads it; rather say "busy" than stop every reader behind us. Milliseconds. */
const LOCK_TIMEOUT_MS = 10_000;
/** How Postgres prints a definition depends on it, and so does the hash by which a change is noticed. */
export const SEARCH_PATH = 'pg_catalog';

export interface ViewDifference {
  readonly changes: readonly ViewChange[];
  readonly findings: readonly ViewFinding[];
  readonly state: ViewState;
}

export interface Wanted {
  readonly manifest: Manifest;
  readonly catalog: Catalog;
  readonly planned: StoreViews;
}

/** What `applyViews` would do. Changes nothing. */
export async function compareViews(store: Store, wanted: Wanted): Promise<ViewDifference> {
  return inTransaction(store, { readOnly: true, isolation: 'repeatable read', settings: { search_path: SEARCH_PATH } }, (trx) =>
    compare(trx, wanted),
  );
}

export interface AppliedViews {
  readonly changes: readonly ViewChange[];
  readonly findings: readonly ViewFinding[];
  /** What is still different: a grant that our role may not give has no effect in Postgres, and raises nothing. */
  readonly left: readonly ViewChange[];
}

/**
 * Makes the views what they should be, all or nothing. `secrets`: those of the home store, by purpose, for every other store; null in the home
 * store. Throws `StoreError` (42501: our role may not do it; 2BP01: something depends on a view that has to change).
 */
export async function applyViews(store: Store, wanted: Wanted, secrets: Secrets | null): Promise<AppliedViews> {
  return inTransaction(store, { lockTimeoutMs: LOCK_TIMEOUT_MS, settings: { search_path: SEARCH_PATH } }, async (trx) => {
    await lock(trx);
    await putSecrets(
      trx,
      wanted.planned.purposes.map((it) => it.purpose),
      secrets,
    );
    const { changes, findings } = await compare(trx, wanted);
    await execute(trx, changes);
    const { changes: left } = changes.length === 0 ? { changes: [] } : await compare(trx, wanted);
    return { changes, findings, left };
  });
}

/** Removes all views and grants of ours. The secrets stay, so that made again the views show the same pseudonyms. */
export async function dropViews(store: Store): Promise<ViewChange[]> {
  return inTransaction(store, { lockTimeoutMs: LOCK_TIMEOUT_MS, settings: { search_path: SEARCH_PATH } }, async (trx) => {
    await lock(trx);
    const changes = dropChanges(await readViewState(trx));
    await execute(trx, changes);
    return changes;
  });
}

/** What `dropViews` would do. */
export async function compareDrop(store: Store): Promise<ViewChange[]> {
  return inTransaction(store, { readOnly: true, settings: { search_path: SEARCH_PATH } }, async (trx) =>
    dropChanges(await readViewState(trx)),
  );
}

export type Secrets = ReadonlyMap<string, Buffer>;

/** The secrets of the home store, made where missing. */
export async function homeSecrets(home: Store, purposes: readonly string[]): Promise<Secrets> {
  return inTransaction(home, {}, async (trx) => {
    await putSecrets(trx, purposes, null);
    const { rows } = await sql<{
      purpose: string;
      secret: Buffer;
    }>`select purpose, secret from probity.pseudonym_key order by purpose`.execute(trx);
    return new Map(rows.map((row) => [row.purpose, row.secret]));
  });
}

async function putSecrets(trx: Transaction<unknown>, purposes: readonly string[], secrets: Secrets | null): Promise<void> {
  for (const purpose of purposes) {
    const secret = secrets?.get(purpose);
    // One person has one pseudonym in all stores: the home store's secret replaces another.
    await (
      secret === undefined
        ? sql`insert into probity.pseudonym_key (purpose) values (${purpose}) on conflict do nothing`
        : sql`insert into probity.pseudonym_key (purpose, secret) values (${purpose}, ${secret})
          on conflict (purpose) do update set secret = excluded.secret where pseudonym_key.secret <> excluded.secret`
    ).execute(trx);
  }
}

async function compare(trx: Transaction<unknown>, { manifest, catalog, planned }: Wanted): Promise<ViewDifference> {
  const state = await readViewState(trx);
  const readers = await checkReaders(trx, manifest, catalog);
  return { changes: viewChanges(trx, planned, state, readers.fit), findings: [...planned.findings, ...readers.findings], state };
}

async function lock(trx: Transaction<unknown>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${APPLY_LOCK})`.execute(trx);
}

async function execute(trx: Transaction<unknown>, changes: readonly ViewChange[]): Promise<void> {
  for (const change of changes) for (const statement of change.statements) await statement.execute(trx);
}
