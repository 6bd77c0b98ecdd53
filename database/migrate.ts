import { sql, type Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import type { Store } from './store.ts';
import * as store0001 from './migrations/0001-store.ts';
import * as home0002 from './migrations/0002-home.ts';
import * as store0003 from './migrations/0003-serving.ts';
import * as home0004 from './migrations/0004-consent.ts';
import * as home0005 from './migrations/0005-permission.ts';
import * as home0006 from './migrations/0006-recording.ts';
import * as store0007 from './migrations/0007-views.ts';
import * as store0008 from './migrations/0008-replica.ts';
import * as home0009 from './migrations/0009-serving-home.ts';
import * as store0010 from './migrations/0010-run-key.ts';
import * as home0011 from './migrations/0011-requests.ts';
import * as home0012 from './migrations/0012-vault.ts';
import * as store0013 from './migrations/0013-scan.ts';
import * as home0014 from './migrations/0014-batch.ts';
import * as home0015 from './migrations/0015-notices.ts';
import * as store0016 from './migrations/0016-tombstones.ts';
import * as home0016 from './migrations/0016-tombstones-home.ts';
import * as home0017 from './migrations/0017-keeper.ts';
import * as store0017 from './migrations/0017-obligations.ts';
import * as home0018 from './migrations/0018-copies.ts';
import * as home0019 from './migrations/0019-envelope.ts';
import * as store0020 from './migrations/0020-protected.ts';
import * as home0020 from './migrations/0020-protected-home.ts';
import * as home0023 from './migrations/0023-plans-home.ts';
import * as store0025 from './migrations/0025-search.ts';
import * as store0026 from './migrations/0026-forget.ts';
import * as home0026 from './migrations/0026-forget-home.ts';
import * as home0026redact from './migrations/0026-redact-home.ts';

const STORE_MIGRATIONS = {
  '0001-store': store0001,
  '0003-serving': store0003,
  '0007-views': store0007,
  '0008-replica': store0008,
  '0010-run-key': store0010,
  '0013-scan': store0013,
  '0016-tombstones': store0016,
  '0017-obligations': store0017,
  '0020-protected': store0020,
  '0025-search': store0025,
  '0026-forget': store0026,
};
const HOME_MIGRATIONS = {
  '0001-store': store0001,
  '0002-home': home0002,
  '0003-serving': store0003,
  '0004-consent': home0004,
  '0005-permission': home0005,
  '0006-recording': home0006,
  '0007-views': store0007,
  '0008-replica': store0008,
  '0009-serving-home': home0009,
  '0010-run-key': store0010,
  '0011-requests': home0011,
  '0012-vault': home0012,
  '0013-scan': store0013,
  '0014-batch': home0014,
  '0015-notices': home0015,
  '0016-tombstones': store0016,
  '0016-tombstones-home': home0016,
  '0017-keeper': home0017,
  '0017-obligations': store0017,
  '0018-copies': home0018,
  '0019-envelope': home0019,
  '0020-protected': store0020,
  '0020-protected-home': home0020,
  '0023-plans-home': home0023,
  '0025-search': store0025,
  '0026-forget': store0026,
  '0026-forget-home': home0026,
  '0026-redact-home': home0026redact,
};

type Migrations = Readonly<Record<string, { statements: readonly string[]; up(db: Kysely<unknown>): Promise<void> }>>;

function migrationsFor(home: boolean): Migrations {
  return home ? HOME_MIGRATIONS : STORE_MIGRATIONS;
}

function migratorFor(store: Store, home: boolean): Migrator {
  const migrations: Record<string, Migration> = { ...migrationsFor(home) };
  return new Migrator({
    db: store.db,
    provider: { getMigrations: () => Promise.resolve(migrations) },
    migrationTableSchema: 'probity',
    migrationTableName: 'migration',
    migrationLockTableName: 'migration_lock',
  });
}

/** Brings our schema in `store` to this version. Returns the names of the migrations that were applied now. */
export async function migrate(store: Store, home: boolean): Promise<string[]> {
  const { error, results } = await migratorFor(store, home).migrateToLatest();
  if (error !== undefined) throw error instanceof Error ? error : new Error('The migration failed');
  return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName);
}

/** The same migrations as SQL text, for people who apply SQL themselves; it records itself as kysely's migrator would. */
export function migrationSql(home: boolean): string {
  const names = Object.keys(migrationsFor(home));
  const lines = ['begin;', ...Object.values(migrationsFor(home)).flatMap((migration) => migration.statements.map((text) => `${text};`))];
  lines.push(
    'create table if not exists probity.migration (name varchar(255) primary key, timestamp varchar(255) not null);',
    'create table if not exists probity.migration_lock (id varchar(255) primary key, is_locked integer not null default 0);',
    `insert into probity.migration_lock (id, is_locked) values ('migration_lock', 0) on conflict do nothing;`,
    ...names.map((name) => `insert into probity.migration (name, timestamp) values ('${name}', now()::text) on conflict do nothing;`),
    'commit;',
  );
  return lines.join('\n') + '\n';
}

export type SchemaState = 'missing' | 'outdated' | 'current' | 'newer';

/** Whether our schema is there; `newer` means that a later version of this software made it, and we must not write. */
export async function schemaState(store: Store, home: boolean): Promise<SchemaState> {
  const known = Object.keys(migrationsFor(true));
  const wanted = Object.keys(migrationsFor(home));
  const found = await sql<{ there: boolean }>`
    select pg_catalog.to_regclass('probity.migration') is not null as there`.execute(store.db);
  if (found.rows[0]?.there !== true) return 'missing';
  const applied = await sql<{ name: string }>`select name from probity.migration order by name`.execute(store.db);
  const names = applied.rows.map((row) => row.name);
  if (names.some((name) => !known.includes(name))) return 'newer';
  return wanted.every((name) => names.includes(name)) ? 'current' : 'outdated';
}

/** Whether our schema is there in this version. */
export async function isCurrent(store: Store, home: boolean): Promise<boolean> {
  return (await schemaState(store, home)) === 'current';
}
