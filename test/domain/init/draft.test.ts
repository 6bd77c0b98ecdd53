import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readCatalog } from '../../../database/catalog.ts';
import { readSamples } from '../../../database/samples.ts';
import { openStore } from '../../../database/store.ts';
import type { Catalog } from '../../../domain/catalog.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import { draftManifest, type Draft } from '../../../domain/init/draft.ts';
import type { StoreSamples } from '../../../domain/init/samples.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import type { Manifest } from '../../../manifest/model.ts';
import { createSampleCompany, SAMPLE_NOW, SAMPLE_SEED } from '../../../scripts/sample/company.ts';
import { freshDatabase, type FreshDatabase } from '../../support/databases.ts';

interface Drafted {
  readonly draft: Draft;
  readonly manifest: Manifest;
  readonly catalogs: Readonly<Record<string, Catalog>>;
  readonly errors: readonly string[];
}

/** On a busy machine a table takes longer to sample than we would wait for with somebody's. */
const PATIENT_MS = 60_000;

/** The way that the command goes: catalog, samples, draft, load, check. */
async function draftOf(urls: Readonly<Record<string, string>>): Promise<Drafted> {
  const catalogs: Record<string, Catalog> = {};
  const samples: Record<string, StoreSamples> = {};
  for (const [name, url] of Object.entries(urls)) {
    const store = openStore({ name, url });
    try {
      catalogs[name] = await readCatalog(store);
      samples[name] = await readSamples(store, catalogs[name], PATIENT_MS);
    } finally {
      await store.close();
    }
  }
  const draft = draftManifest({ catalogs, samples, storeUrls: urls });
  const loaded = parseManifestText(draft.yaml);
  if (loaded.manifest === null) expect.fail(JSON.stringify(loaded.problems));
  const found = [...loaded.problems, ...checkManifest(loaded.manifest, (path) => loaded.source.place(path), catalogs)];
  const errors = found.filter((problem) => problem.severity === 'error').map((problem) => `${problem.code} ${problem.message}`);
  return { draft, manifest: loaded.manifest, catalogs, errors };
}

describe('a draft of the sample company', () => {
  let shop: FreshDatabase;
  let support: FreshDatabase;
  let drafted: Drafted;

  beforeAll(async () => {
    [shop, support] = await Promise.all([freshDatabase(), freshDatabase()]);
    await createSampleCompany({ shopUrl: shop.url, supportUrl: support.url, scale: 0.1, seed: SAMPLE_SEED, now: SAMPLE_NOW });
    drafted = await draftOf({ shop: shop.url, support: support.url });
  });
  afterAll(async () => {
    await shop.drop();
    await support.drop();
  });

  it('loads, passes the check, and only observes', () => {
    expect(drafted.errors).toEqual([]);
    expect(drafted.manifest.mode).toBe('observe');
    expect(drafted.manifest.stores['shop']).toMatchObject({ home: true, schemas: ['public'] });
  });

  it('writes no password down', () => {
    const password = new URL(shop.url).password;
    expect(password).not.toBe('');
    expect(drafted.draft.yaml).not.toContain(password);
    expect(drafted.manifest.stores['support']?.url).toBe('${SUPPORT_DATABASE_URL}');
  });

  it('finds the people, by what identifies them', () => {
    expect(drafted.manifest.subjects).toEqual({
      customer: { table: 'shop.public.customer', key: ['customer_id'], identities: { email: 'email', phone: 'phone' }, birth: null },
    });
  });

  it('finds references that are not foreign keys, also from the other store', () => {
    expect(drafted.manifest.references).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ from: 'support.public.ticket.requester_email', when: {}, to: 'customer.email' }),
        expect.objectContaining({ from: 'shop.public.note.entity_id', when: { entity_type: 'customer' }, to: 'customer' }),
        expect.objectContaining({ from: 'shop.public.note.entity_id', when: { entity_type: 'order' }, to: 'shop.public.order.order_id' }),
      ]),
    );
    expect(drafted.manifest.shared).toMatchObject([{ table: 'shop.public.household', owners: 'shop.public.household_member' }]);
    expect(drafted.manifest.tables['shop.public.event']?.json).toContainEqual({
      column: 'payload',
      path: '$.contact.email',
      refers: 'customer.email',
      onErase: 'remove',
    });
  });

  it('classifies columns by name and by sample', () => {
    const columns = drafted.manifest.tables['shop.public.customer']!.columns!;
    expect(columns['email']).toMatchObject({ category: 'contact', identifying: true });
    expect(columns['birth_year']).toMatchObject({ category: 'demographic', protected: 'age' });
    expect(columns['country']).toMatchObject({ category: 'location' });
    expect(columns['customer_id']).toMatchObject({ category: 'key' });
    expect(drafted.manifest.tables['shop.public.device']!.columns!['ip']).toMatchObject({ category: 'device', identifying: true });
    expect(drafted.manifest.tables['shop.public.note']!.columns!['body']).toMatchObject({ category: 'free_text' });
  });

  it('plans something at once: real rules for event-like tables, none where a law or a person decides', () => {
    const rules = Object.entries(drafted.manifest.tables).filter(([, table]) => table.retention !== null);
    expect(rules.map(([id, table]) => [id, table.retention!.after])).toEqual([
      ['shop.public.event', { column: 'at' }],
      ['shop.public.page_view', { column: 'viewed_at' }],
    ]);
    expect(drafted.draft.yaml).toMatch(/^ {4}# retention: \{ keep: P10Y, after: issued_at \} # guess: REVIEW/m);
    expect(drafted.draft.yaml).toMatch(/^ {4}# retention: \{ keep: P3Y, after: last_seen_at \} # guess: REVIEW/m);
  });

  it('marks each guess with its reason', () => {
    for (const { path, reason } of drafted.draft.guesses) expect(path.length > 0 && reason.length > 0).toBe(true);
    const marks = drafted.draft.yaml.match(/ # guess/g) ?? [];
    expect(marks).toHaveLength(drafted.draft.guesses.length);
    const ids = Object.keys(drafted.manifest.ignored);
    expect(ids).toContain('shop.public.product');
    expect(drafted.draft.guesses.filter((guess) => guess.path[0] === 'ignore')).toHaveLength(ids.length);
  });
});

describe('a draft of an odd schema', () => {
  const SCHEMA = `
    create schema "Odd Schema";
    create schema dotted;
    create table "Odd Schema"."App Users" (
      "User Id" bigint primary key, "E-Mail" text, "null" text, "constructor" int, "with: colon, {brace} #hash" text, "a.b" text, "it's ""quoted""" text
    );
    create table "Odd Schema"."loginHistory" ("appUserId" bigint, "loggedAt" timestamp, "ipAddress" text);
    create table "Odd Schema"."no" ("true" int primary key, "when?" date);
    create table dotted.person (id int primary key, email text);
    create table dotted."per.son" (id int primary key);
    create table public.guarded (id int, email text);
    create unlogged table public.cache (email text);
    create view public.shown as select * from dotted.person;
    create materialized view public.stored as select * from dotted.person;
    create table public.measurement (n int, at timestamptz) partition by range (at);
    create table public.measurement_1 partition of public.measurement for values from ('2026-01-01') to ('2026-02-01');
    insert into "Odd Schema"."loginHistory" select n, now() - n * interval '1 hour', '10.0.0.' || n % 250 from generate_series(1, 20000) n;
    insert into "Odd Schema"."App Users" select n, 'user' || n || '@canary.example', 'x', 1, 'y', 'z', 'w' from generate_series(1, 100) n;
    analyze`;
  let database: FreshDatabase;
  let drafted: Drafted;

  beforeAll(async () => {
    database = await freshDatabase();
    const owner = new pg.Client(database.url);
    await owner.connect();
    await owner.query(SCHEMA);
    await owner.end();
    drafted = await draftOf({ main: database.url });
  });
  afterAll(async () => {
    await database.drop();
  });

  it('loads and passes the check', () => {
    expect(drafted.errors).toEqual([]);
    expect(Object.keys(drafted.manifest.tables)).toEqual([
      'main.Odd Schema.App Users',
      'main.Odd Schema.loginHistory',
      'main.dotted.person',
      'main.public.guarded',
    ]);
    expect(Object.keys(drafted.manifest.tables['main.Odd Schema.App Users']!.columns!)).toEqual(
      drafted.catalogs['main']!.tables['Odd Schema.App Users']!.columns.map((column) => column.name),
    );
    expect(drafted.draft.yaml).not.toContain('canary');
  });

  it('reads names however they are spelt', () => {
    expect(drafted.manifest.subjects['app_user']).toEqual({
      table: 'main.Odd Schema.App Users',
      key: ['User Id'],
      identities: { email: 'E-Mail' },
      birth: null,
    });
    expect(drafted.manifest.references).toContainEqual(
      expect.objectContaining({ from: 'main.Odd Schema.loginHistory.appUserId', when: {}, to: 'app_user' }),
    );
    expect(drafted.manifest.tables['main.Odd Schema.loginHistory']!.retention).toMatchObject({
      after: { column: 'loggedAt' },
      zoneless: 'utc',
      keep: 'P13M',
    });
  });

  it('leaves out what cannot be governed, and says why', () => {
    expect(drafted.draft.notes).toEqual([expect.stringContaining('dotted."per.son"')]);
    expect(drafted.draft.yaml).toContain('# Not included: main: dotted."per.son" holds a dot');
    expect(drafted.manifest.stores['main']!.schemas).toEqual(['Odd Schema', 'public']);
    expect(drafted.manifest.ignored['main.public.cache']).toMatch(/unlogged/);
    expect(drafted.manifest.ignored['main.public.measurement']).toMatch(/no column looks personal/);
  });
});

describe('a draft of an empty database', () => {
  it('is a manifest too', () => {
    const catalog: Catalog = {
      store: 'main',
      version: 180004,
      database: 'nothing',
      role: { name: 'me', superuser: false, bypassRls: false },
      tables: {},
    };
    const draft = draftManifest({ catalogs: { main: catalog }, samples: {}, storeUrls: { main: '${DATABASE_URL}' } });
    expect(parseManifestText(draft.yaml).problems).toEqual([]);
    expect(parse(draft.yaml)).toMatchObject({ organisation: 'nothing', stores: { main: { url: '${DATABASE_URL}' } } });
  });
});
