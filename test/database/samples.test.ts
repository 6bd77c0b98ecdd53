import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { readSamples } from '../../database/samples.ts';
import { openStore, type Store } from '../../database/store.ts';
import type { ColumnShape, StoreSamples } from '../../domain/init/samples.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';

const SCHEMA = `
  create table person (
    id int primary key, mail text, call varchar(30), addr char(40), token text, essay text, blank text, payload jsonb, at timestamptz, plain date
  );
  insert into person
  select n, 'canary' || n || '@private.example', '+49 30 ' || 1000000 + n, '10.0.' || n % 250 || '.7', gen_random_uuid(),
         'this is a sentence of canary words', null,
         jsonb_build_object('contact', jsonb_build_object('email', 'canary' || n || '@private.example'), 'tel', '+49 30 1000000',
                            'canary' || n || '@private.example', 'x@y.example', 'canary' || n, 'x@y.example'),
         now() - (n * 7919 % 1461) * interval '1 day', current_date
    from generate_series(1, 20000) n;
  create table small (mail text);
  insert into small values ('canary@private.example'), ('none'), (null), (null);
  create table "Odd "" table" ("constructor" text, "it's; drop table small; --" text);
  create table locked (mail text);
  create table hidden (mail text);
  alter table hidden enable row level security;
  analyze person`;

/** On a busy machine a table takes longer to sample than we would wait for with somebody's. */
const PATIENT_MS = 60_000;

describe('samples', () => {
  let database: FreshDatabase;
  let owner: pg.Client;
  let store: Store;
  let samples: StoreSamples;

  beforeAll(async () => {
    database = await freshDatabase();
    owner = new pg.Client(database.url);
    await owner.connect();
    await owner.query(SCHEMA);
    store = openStore({ name: 'shop', url: database.url });
    const catalog = await readCatalog(store);
    await owner.query('begin; lock table locked');
    samples = await readSamples(store, catalog, PATIENT_MS);
    await owner.query('rollback');
  });
  afterAll(async () => {
    await store.close();
    await owner.end();
    await database.drop();
  });

  const shape = (table: string, column: string): ColumnShape =>
    samples.tables[table]?.[column] ?? expect.fail(`${table}.${column} was not sampled`);

  it('tell what values look like', () => {
    expect(shape('public.person', 'mail')).toMatchObject({ email: 1, phone: 0, nulls: 0, distinct: 1, prose: 0 });
    expect(shape('public.person', 'call')).toMatchObject({ phone: 1, email: 0 });
    expect(shape('public.person', 'addr')).toMatchObject({ ip: 1 });
    expect(shape('public.person', 'addr').distinct).toBeLessThan(0.2);
    expect(shape('public.person', 'token')).toMatchObject({ uuid: 1 });
    expect(shape('public.person', 'essay')).toMatchObject({ prose: 1 });
    expect(shape('public.person', 'blank')).toMatchObject({ nulls: 1, values: 0 });
    expect(shape('public.small', 'mail')).toMatchObject({ values: 2, nulls: 0.5, email: 0.5 });
  });

  it('look at a bounded part of the table, spread over all of it', () => {
    expect(shape('public.person', 'mail').values).toBeGreaterThan(1_000);
    expect(shape('public.person', 'mail').values).toBeLessThan(12_000);
    const [one, two, three] = shape('public.person', 'at').olderThanYears!;
    // Ages are spread evenly over four years, and over the pages.
    expect(one).toBeCloseTo(0.75, 1);
    expect(two).toBeCloseTo(0.5, 1);
    expect(three).toBeCloseTo(0.25, 1);
  });

  it('tell paths of JSON by names of fields, never by what may be a person', () => {
    expect(shape('public.person', 'payload').contactPaths).toEqual([
      { path: '$.contact.email', kind: 'email' },
      { path: '$.tel', kind: 'phone' },
    ]);
  });

  it('let no value leave the database', () => {
    expect(JSON.stringify(samples)).not.toContain('canary');
    expect(JSON.stringify(samples)).not.toContain('private');
  });

  it('pass over what is locked or hidden, and say so', async () => {
    expect(samples.skipped).toEqual({ 'public.locked': 'locked or slow to read' });
    const role = `sampler_${database.name}`;
    await owner.query(`create role ${role} login password 'sampler'; grant select on hidden, small to ${role}`);
    const url = new URL(database.url);
    url.username = role;
    url.password = 'sampler';
    const reading = openStore({ name: 'shop', url: url.href });
    try {
      const seen = await readSamples(reading, await readCatalog(reading), PATIENT_MS);
      expect(Object.keys(seen.tables)).toEqual(['public.small']);
      expect(seen.skipped['public.hidden']).toMatch(/row-level security/);
      expect(seen.skipped['public.person']).toMatch(/may not read/);
    } finally {
      await reading.close();
      await owner.query(`drop owned by ${role}; drop role ${role}`);
    }
  });

  it('survive names that try to be SQL', () => {
    expect(Object.keys(samples.tables['public.Odd " table']!)).toEqual(['constructor', "it's; drop table small; --"]);
  });
});
