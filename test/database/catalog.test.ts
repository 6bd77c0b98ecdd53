import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { openStore, type Store } from '../../database/store.ts';
import type { Catalog, CatalogTable } from '../../domain/catalog.ts';
import { incomingKeys, schemaFingerprint } from '../../domain/fingerprint.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { postgres15 } from '../support/postgres15.ts';

const NASTY = readFileSync(new URL('catalog/nasty.sql', import.meta.url), 'utf8');
const NASTY_18 = readFileSync(new URL('catalog/nasty-18.sql', import.meta.url), 'utf8');
const oldServer = postgres15();

describe.each([18, 15])('the catalog of Postgres %i', (major) => {
  let database: FreshDatabase;
  let owner: pg.Client;
  let store: Store;
  let catalog: Catalog;

  beforeAll(async () => {
    database = await freshDatabase(major === 15 ? { adminUrl: (await oldServer()).adminUrl } : {});
    owner = new pg.Client(database.url);
    await owner.connect();
    await owner.query(NASTY);
    if (major === 18) await owner.query(NASTY_18);
    store = openStore({ name: 'shop', url: database.url });
    catalog = await readCatalog(store);
  });
  afterAll(async () => {
    await store.close();
    await owner.end();
    await database.drop();
  });

  const table = (id: string, from = catalog): CatalogTable => from.tables[id] ?? expect.fail(`${id} is missing`);
  const partitionsOf = (id: string) => table(id).partitioning?.partitions.map(({ oid: _oid, ...partition }) => partition);

  it('knows the server, the role and which relations count', () => {
    expect(Math.floor(catalog.version / 10000)).toBe(major);
    expect(catalog).toMatchObject({
      store: 'shop',
      database: database.name,
      role: { superuser: true, bypassRls: true },
    });
    const ids = Object.keys(catalog.tables);
    expect(ids).toContain('Odd Schema.thing');
    expect(ids).toContain('app.Odd " name');
    expect(ids.filter((id) => /^(pg_|information_schema|probity)|passing|pg_stat_statements/.test(id))).toEqual([]);
  });

  it('reads columns: domains to their base, generated ones, identity, defaults, what may be null', () => {
    const columns = Object.fromEntries(table('app.parent').columns.map((column) => [column.name, column]));
    expect(Object.keys(columns)).not.toContain('dropped');
    expect(columns['note']).toMatchObject({
      type: 'app.required_text',
      baseType: 'text',
      typeCategory: 'string',
      nullable: false,
    });
    expect(columns['name']).toMatchObject({
      type: 'character varying(20)',
      baseType: 'varchar',
      nullable: false,
      comment: 'What it is called',
    });
    expect(columns['total']).toMatchObject({
      generated: 'stored',
      hasDefault: false,
      nullable: true,
    });
    expect(columns['n']).toMatchObject({
      identity: true,
      hasDefault: false,
      type: 'bigint',
    });
    expect(columns['at']).toMatchObject({
      type: 'timestamp with time zone',
      baseType: 'timestamptz',
      hasDefault: true,
    });
    const categories = Object.fromEntries(table('app.parent').columns.map((column) => [column.name, column.typeCategory]));
    expect(categories).toMatchObject({
      stage: 'enum',
      tags: 'array',
      payload: 'json',
      token: 'uuid',
      blob: 'binary',
      at: 'time',
      local_at: 'time',
      born: 'time',
      opens: 'other',
      price: 'number',
    });
  });

  it('reads keys, checks and indexes', () => {
    const parent = table('app.parent');
    expect(parent.primaryKey).toEqual(['b', 'a']);
    expect(parent.uniques).toHaveLength(2);
    expect(parent.uniques).toEqual(expect.arrayContaining([['b', 'a'], ['name']]));
    expect(parent.checks).toEqual([{ name: 'positive', definition: 'CHECK ((a > 0))' }]);
    const index = (name: string) => parent.indexes.find((candidate) => candidate.name === name);
    expect(index('parent_at_lower')).toEqual({
      name: 'parent_at_lower',
      method: 'btree',
      columns: ['at'],
      unique: false,
      partial: false,
      valid: true,
    });
    expect(index('parent_partial')).toMatchObject({
      partial: true,
      unique: true,
    });
    expect(index('parent_lower')).toMatchObject({ columns: [], unique: true });
  });

  it('reads foreign keys, and a partition does not repeat those of its parent', () => {
    const keys = Object.fromEntries(table('app.child').foreignKeys.map((key) => [key.name, key]));
    expect(keys['child_parent_b_parent_a_fkey']).toEqual({
      name: 'child_parent_b_parent_a_fkey',
      columns: ['parent_b', 'parent_a'],
      references: 'app.parent',
      referencedColumns: ['b', 'a'],
      onDelete: 'cascade',
      match: 'full',
      deferrable: false,
      enforced: true,
      validated: true,
    });
    expect(keys['child_boss_fkey']).toMatchObject({
      references: 'app.child',
      onDelete: 'set null',
      deferrable: true,
    });
    expect(keys['not_checked']).toMatchObject({
      validated: false,
      enforced: true,
    });
    expect(table('app.view_log').foreignKeys).toHaveLength(1);
    expect(table('app.view_log_01').foreignKeys).toEqual([]);
    expect(incomingKeys(catalog, 'app.child').map(({ from }) => from)).toEqual([
      'app.child',
      'app.child',
      ...(major === 18 ? ['app.modern'] : []),
      'app.view_log',
    ]);
  });

  it('reads partition trees with their bounds in UTC', () => {
    expect(table('app.view_log')).toMatchObject({
      kind: 'partitioned',
      partitioning: { strategy: 'range', columns: ['viewed_at'] },
    });
    expect(partitionsOf('app.view_log')).toEqual([
      {
        table: 'app.view_log_01',
        isDefault: false,
        from: '2025-12-31 23:00:00+00',
        to: '2026-02-01 00:00:00+00',
        detachPending: false,
      },
      {
        table: 'app.view_log_02',
        isDefault: false,
        from: '2026-02-01 00:00:00+00',
        to: null,
        detachPending: false,
      },
      {
        table: 'app.view_log_rest',
        isDefault: true,
        from: null,
        to: null,
        detachPending: false,
      },
    ]);
    expect(table('app.view_log_02')).toMatchObject({
      kind: 'partitioned',
      partitionOf: 'app.view_log',
      partitioning: { strategy: 'list' },
    });
    expect(table('app.view_log_02_1')).toMatchObject({
      kind: 'table',
      partitionOf: 'app.view_log_02',
    });
    expect(partitionsOf('app.by_day')).toMatchObject([{ from: null, to: null }]);
    expect(partitionsOf('app.by_text')).toMatchObject([{ from: 'back\\slash', to: "it's ) TO (" }]);
    expect(partitionsOf('app.by_number')).toMatchObject([{ from: '-5', to: '10' }]);
    expect(table('app.by_hash').partitioning).toEqual({
      strategy: 'hash',
      columns: [null],
      partitions: [],
    });
  });

  it('notices a detachment that was left half done', async () => {
    await owner.query('create table app.cut (at date) partition by range (at)');
    await owner.query(`create table app.cut_1 partition of app.cut for values from ('2026-01-01') to ('2026-02-01')`);
    // A reader's snapshot holds up the second half of DETACH … CONCURRENTLY; cancelled there, it stays pending.
    const reader = new pg.Client(database.url);
    await reader.connect();
    await reader.query('begin; select * from app.cut');
    await owner.query(`set lock_timeout = '200ms'`);
    await expect(owner.query('alter table app.cut detach partition app.cut_1 concurrently')).rejects.toThrow();
    await owner.query('reset lock_timeout');
    await reader.end();
    const after = await readCatalog(store);
    expect(table('app.cut', after).partitioning?.partitions).toMatchObject([
      { table: 'app.cut_1', detachPending: true, from: '2026-01-01' },
    ]);
  });

  it('reads triggers and rules', () => {
    expect(table('app.child').triggers).toEqual([
      {
        name: 'after_all',
        timing: 'after',
        level: 'statement',
        events: ['insert', 'truncate'],
        enabled: false,
        function: 'app.nothing',
        writes: { tables: [], more: false },
      },
      {
        name: 'on_delete',
        timing: 'before',
        level: 'row',
        events: ['delete', 'update'],
        enabled: true,
        function: 'app.nothing',
        writes: { tables: [], more: false },
      },
    ]);
    expect(table('app.view_log_01').triggers.map(({ name }) => name)).toEqual(['on_view']);
    expect(table('app.quick').rules).toEqual(['keep']);
    expect(table('app.shown').rules).toEqual([]);
  });

  it('says why it refuses to write a table', () => {
    const why = (id: string) => table(id).refused;
    expect(why('app.parent')).toBeNull();
    expect(why('app.old_heir')).toMatch(/inherits from/);
    expect(why('app.old_base')).toMatch(/inherit from it/);
    expect(why('app.quick')).toMatch(/unlogged/);
    expect(why('app.far')).toMatch(/foreign table/);
    expect(why('app.half_far')).toMatch(/^of its partition app.half_far_1: it is a foreign table/);
    expect(why('app.stored')).toMatch(/materialized/);
    expect(why('app."with.dot"')).toMatch(/dot/);
  });

  it('sees through another role which rows and rights are not its own', async () => {
    const role = `reader_${database.name}`;
    await owner.query(
      `create role ${role} login password 'reader'; grant usage on schema app to ${role}; grant select on all tables in schema app to ${role}`,
    );
    await owner.query(`grant select, delete on "Odd Schema".thing to ${role}`);
    const url = new URL(database.url);
    url.username = role;
    url.password = 'reader';
    const reading = openStore({ name: 'shop', url: url.href });
    try {
      const seen = await readCatalog(reading);
      expect(seen.role).toEqual({
        name: role,
        superuser: false,
        bypassRls: false,
      });
      expect(table('app.guarded', seen).rowSecurity).toEqual({
        enabled: true,
        forced: false,
        filtersUs: true,
      });
      expect(table('app.guarded').rowSecurity.filtersUs).toBe(false);
      expect(table('app.granted', seen).privileges).toEqual({
        select: true,
        update: false,
        delete: false,
        owner: false,
      });
      // A grant on a table is worth nothing without usage on its schema.
      expect(table('Odd Schema.thing', seen).privileges).toMatchObject({
        select: false,
        delete: false,
      });
      expect(Object.keys(seen.tables)).toEqual(Object.keys((await readCatalog(store)).tables));
    } finally {
      await reading.close();
      await owner.query(`drop owned by ${role}; drop role ${role}`);
    }
  });

  it('counts a partitioned table as the sum of its partitions, and only when all are analysed', async () => {
    await owner.query(`insert into app.child (id) values (1)`);
    await owner.query(
      `insert into app.view_log select 1, '2026-01-05'::timestamptz + n * '10 days'::interval, 1 from generate_series(1, 10) n`,
    );
    expect(table('app.view_log').estimatedRows).toBe(-1);
    await owner.query('analyze app.view_log');
    const after = await readCatalog(store);
    expect(table('app.view_log', after).estimatedRows).toBe(10);
    expect(table('app.view_log', after).bytes).toBeGreaterThan(table('app.view_log_01', after).bytes);
  });

  it('fingerprints what changes a plan, and nothing else', async () => {
    const of = (from: Catalog, id: string) => schemaFingerprint(table(id, from), incomingKeys(from, id));
    const before = await readCatalog(store);
    await owner.query(`create table app.view_log_00 partition of app.view_log for values from (minvalue) to ('2025-12-31 23:00+00')`);
    await owner.query(`comment on column app.parent.b is 'new'; create index on app.parent (price); analyze app.parent`);
    const same = await readCatalog(store);
    for (const id of ['app.view_log', 'app.parent', 'app.child']) expect(of(same, id)).toBe(of(before, id));

    await owner.query('create table app.newcomer (b text, a int, foreign key (b, a) references app.parent (b, a) on delete cascade)');
    await owner.query('create trigger late after delete on app.granted for each row execute function app.nothing()');
    const changed = await readCatalog(store);
    expect(of(changed, 'app.parent')).not.toBe(of(before, 'app.parent'));
    expect(of(changed, 'app.granted')).not.toBe(of(before, 'app.granted'));
    expect(schemaFingerprint(table('app.parent', changed))).toBe(schemaFingerprint(table('app.parent', before)));
  });

  it.runIf(major === 18)('handles or refuses what 18 adds', () => {
    expect(table('app.modern').foreignKeys).toMatchObject([{ enforced: false, validated: false }]);
    expect(table('app.modern').columns.find(({ name }) => name === 'doubled')?.generated).toBe('virtual');
    expect(table('app.guest').refused).toMatch(/PERIOD/);
    expect(table('app.stay').refused).toMatch(/PERIOD/);
  });
});

describe('a large catalog', () => {
  /** A second at most on a machine that is not overloaded. Milliseconds. */
  const LIMIT_MS = 20_000;

  it('of a thousand tables takes no more statements than an empty one, and a moment', async () => {
    const database = await freshDatabase();
    const store = openStore({ name: 'shop', url: database.url });
    const queries = vi.spyOn(pg.Client.prototype, 'query');
    await readCatalog(store);
    const least = queries.mock.calls.length;
    const many = `do $$ begin
      for n in 1..1000 loop
        execute format('create table t%s (id int primary key, at timestamptz, parent int references t%s (id))', n, greatest(n - 1, 1));
      end loop; end $$`;
    await store.pool.query(many);
    queries.mockClear();
    const started = performance.now();
    const catalog = await readCatalog(store);
    expect(performance.now() - started).toBeLessThan(LIMIT_MS);
    expect(least).toBeGreaterThan(0);
    expect(queries).toHaveBeenCalledTimes(least);
    queries.mockRestore();
    expect(Object.keys(catalog.tables)).toHaveLength(1000);
    await store.close();
    await database.drop();
  });
});
