import type { Catalog } from '../domain/catalog.ts';
import { assemble } from './catalog/assemble.ts';
import {
  readColumns,
  readConstraints,
  readDetached,
  readIndexes,
  readRules,
  readServer,
  readTables,
  readTriggers,
} from './catalog/queries.ts';
import { StoreError } from './errors.ts';
import { inTransaction, type Store } from './store.ts';

/** A table under DDL would hold up `pg_total_relation_size`; rather say "busy" than hang. Milliseconds. */
const LOCK_TIMEOUT_MS = 5_000;
/** A thousand tables take well under a second; a minute means that something is wrong. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** What is read here is tested from this version on. */
const OLDEST_VERSION = 150000;

/**
 * Reads what a live Postgres (15 to 18) says about one store, from one snapshot, with read privileges alone.
 * Throws `StoreError`: `connection` when out of reach, `busy` when a table is locked, `other` on a server that is too old.
 */
export async function readCatalog(store: Store): Promise<Catalog> {
  return inTransaction(
    store,
    {
      readOnly: true,
      isolation: 'repeatable read',
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      // Bounds, defaults and type names are printed by these settings: explicit zones, qualified names, plain quoting.
      settings: {
        search_path: 'pg_catalog',
        datestyle: 'ISO, YMD',
        timezone: 'UTC',
        standard_conforming_strings: 'on',
        extra_float_digits: '1',
      },
    },
    async (trx) => {
      const server = await readServer(trx);
      if (server.version < OLDEST_VERSION) {
        throw new StoreError({
          store: store.name,
          code: '0A000',
          kind: 'other',
          retryable: false,
          sentence: 'PostgreSQL 15 is the oldest that we support',
        });
      }
      const tables = await readTables(trx);
      const columns = await readColumns(trx);
      const constraints = await readConstraints(trx, server.version);
      const indexes = await readIndexes(trx);
      const triggers = await readTriggers(trx);
      const rules = await readRules(trx);
      const detached = await readDetached(trx);
      return assemble(store.name, {
        server,
        tables,
        columns,
        constraints,
        indexes,
        triggers,
        rules,
        detached,
      });
    },
  );
}
