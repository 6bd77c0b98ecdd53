import { afterAll, beforeAll, expect, it } from 'vitest';
import pg from 'pg';
import { readCatalog } from '../../../database/catalog.ts';
import { draft as draftOf } from '../../../client/init.ts';
import { openStore } from '../../../database/store.ts';
import type { Catalog } from '../../../domain/catalog.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import type { Draft } from '../../../domain/init/draft.ts';
import { planErasure } from '../../../domain/requests/erasure.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import type { Manifest } from '../../../manifest/model.ts';
import { freshDatabase, type FreshDatabase } from '../../support/databases.ts';

/** A garden club's site, in the manner in which web frameworks lay out tables. */
const SCHEMA = `
  create table gardeners (id bigint primary key, email text not null, encrypted_password text, unlock_token text, api_auth text, backup_codes text[]);
  create table plots (id bigint primary key, gardener_id bigint not null references gardeners, name text);
  create table remarks (id bigint primary key, about_type text not null, about_id bigint not null, gardener_id bigint references gardeners, body text);
  create table attachments (id bigint primary key, record_type text not null, record_id bigint not null, blob_id bigint not null);
  create table blobs (id bigint primary key, key text, filename text, content_type text, byte_size bigint);
  create table thumbnails (id bigint primary key, blob_id bigint not null references blobs, digest text);
  alter table attachments add foreign key (blob_id) references blobs;
  create table background_jobs (id bigint primary key, handler text, queue text, run_at timestamptz);
  create table login_tokens (id bigint primary key, gardener_id bigint references gardeners, value text);
  create table external_logins (id bigint primary key, gardener_id bigint references gardeners, provider text, uid text);
  create table seed_orders (id bigint primary key, gardener_id bigint references gardeners, approved_by text, token_type text);
  create table tools (id bigint primary key, kind_type text, kind_id bigint, label text);
  insert into gardeners select n, 'g' || n || '@garden.example' from generate_series(1, 50) n;
  insert into plots select n, n, 'Plot' from generate_series(1, 50) n;
  insert into remarks select n, (array['Gardener', 'Club::Plot', 'Ada Lovelace', 'Canary'])[1 + n % 4], n, 1, 'x' from generate_series(1, 50) n;
  insert into blobs select n, 'k', 'f', 'image/png', 1 from generate_series(1, 20) n;
  insert into attachments select n, (array['Plot', 'Gardener'])[1 + n % 2], n, n from generate_series(1, 20) n;
  insert into tools select n, 'Hammer', n, 'Canary' from generate_series(1, 20) n;
  analyze`;

let database: FreshDatabase;
let draft: Draft;
let catalog: Catalog;
let manifest: Manifest;

beforeAll(async () => {
  database = await freshDatabase();
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query(SCHEMA);
  await owner.end();
  draft = await draftOf({ stores: [`club=${database.url}`], env: {} });
  const store = openStore({ name: 'club', url: database.url });
  catalog = await readCatalog(store);
  await store.close();
  const loaded = parseManifestText(draft.yaml);
  if (loaded.manifest === null) expect.fail(JSON.stringify(loaded.problems));
  manifest = loaded.manifest;
  const found = checkManifest(manifest, (path) => loaded.source.place(path), { club: catalog });
  expect(found.filter(({ severity }) => severity === 'error')).toEqual([]);
});
afterAll(() => database.drop());

const column = (table: string, name: string) => manifest.tables[`club.public.${table}`]?.columns?.[name];

it('takes tokens, secrets, passwords and what signs people in for what they are', () => {
  for (const name of ['encrypted_password', 'unlock_token', 'api_auth', 'backup_codes'])
    expect(column('gardeners', name)?.category, name).toBe('credential');
  expect(column('login_tokens', 'value')?.category).toBe('credential');
  expect(column('external_logins', 'uid')).toMatchObject({ category: 'contact', identifying: true });
  expect(column('seed_orders', 'approved_by')).toMatchObject({ category: 'contact', identifying: true });
  expect(column('seed_orders', 'token_type')?.category).toBe('other');
});

it('governs queues of serialised jobs, and says why', () => {
  expect(column('background_jobs', 'handler')?.category).toBe('free_text');
  expect(draft.yaml).toMatch(/handler: free_text # guess: a serialised job may hold anything about anybody/);
});

it('makes references of pairs by the values found, and tells no other value', () => {
  expect(manifest.references.filter(({ from }) => from.startsWith('club.public.remarks.'))).toMatchObject([
    { from: 'club.public.remarks.about_id', when: { about_type: 'Club::Plot' }, to: 'club.public.plots.id', as: 'mention' },
    { from: 'club.public.remarks.about_id', when: { about_type: 'Gardener' }, to: 'gardener', as: 'mention' },
    { from: 'club.public.remarks.gardener_id', when: {}, to: 'gardener', as: 'owner' },
  ]);
  expect(draft.yaml).not.toMatch(/Lovelace|Canary|Hammer/);
});

it('lets attached files, and what is made of them, follow their record', () => {
  expect(manifest.shared).toMatchObject([{ table: 'club.public.blobs', owners: 'club.public.attachments' }]);
  const everything = { ended: null, remaining: [] };
  const { tables, problems } = planErasure('gardener', everything, catalog, manifest);
  expect(problems).toEqual([]);
  const gone = tables.filter(({ rows }) => rows === 'delete').map(({ table }) => table);
  expect(gone).toEqual(expect.arrayContaining(['public.attachments', 'public.blobs', 'public.thumbnails', 'public.remarks']));
});

it('leaves the password out, and says which variable is to hold the address', async () => {
  const password = new URL(database.url).password;
  expect(draft.yaml).not.toContain(password);
  expect(draft.yaml).toContain('# Expects in the environment: CLUB_DATABASE_URL (postgres://… of club).');
  expect(draft.expected).toEqual([{ store: 'club', variable: 'CLUB_DATABASE_URL', value: database.url.replace(password, 'PASSWORD') }]);
  // A shell puts the address in place of the variable that the user wrote.
  const again = await draftOf({ stores: [`club=${database.url}`], env: { CLUB_DB: database.url } });
  expect(again.expected).toEqual([{ store: 'club', variable: 'CLUB_DB', value: null }]);
});

it('ends with what a first rule could be, where it proposes none itself', () => {
  const [, end] = draft.yaml.split('# Nothing expires yet.');
  expect(end).toMatch(/^ For a first rule take the "# " away[^\n]*\n# {3}club\.public\.background_jobs: \{ keep: P90D, after: run_at \}\n/);
  expect(manifest.tables['club.public.background_jobs']!.retention).toBeNull();
});
