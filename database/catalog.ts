import { sql } from 'kysely';
import type { Catalog } from '../domain/catalog.ts';
import { assemble } from './catalog/assemble.ts';
import { readColumns, readConstraints, readIndexes, readRules, readServer, readTables, readTriggers } from './catalog/queries.ts';
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
      return assemble(store.name, {
        server,
        tables,
        columns,
        constraints,
        indexes,
        triggers,
        rules,
      });
    },
  );
}

/** What tells a store from its own restored or promoted past; null where our role may not ask. */
export interface Incarnation {
  /** Made by initdb; base backups and standbys share it. Text, since it exceeds 2^53. */
  readonly systemIdentifier: string | null;
  /** Grows with each promotion and point-in-time recovery. */
  readonly timeline: number | null;
}

/** The server's part of a store's incarnation; the random epoch is kept in our own schema and added by its reader. */
export async function readIncarnation(store: Store): Promise<Incarnation> {
  return inTransaction(store, { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, async (trx) => {
    const may = await sql<{ system: boolean; wal: boolean }>`
      select pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') as system,
             pg_catalog.has_function_privilege('pg_catalog.pg_walfile_name(pg_lsn)', 'execute')
               and not pg_catalog.pg_is_in_recovery() as wal`.execute(trx);
    const { system, wal } = may.rows[0]!;
    // The name of the current WAL file begins with the timeline in hex; the control file lags behind until the next checkpoint.
    const { rows } = await sql<{
      system_identifier: string | null;
      timeline: string | null;
    }>`
      select ${system ? sql`(select s.system_identifier::text from pg_catalog.pg_control_system() s)` : sql`null::text`} as system_identifier,
             ${wal ? sql`pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)` : sql`null::text`} as timeline`.execute(
      trx,
    );
    const { system_identifier, timeline } = rows[0]!;
    return {
      systemIdentifier: system_identifier,
      timeline: timeline === null ? null : Number.parseInt(timeline, 16),
    };
  });
}
