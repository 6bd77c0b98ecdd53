import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCatalog } from '../../../database/catalog.ts';
import { openStore } from '../../../database/store.ts';
import { draft as draftOf } from '../../../client/init.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import type { Draft } from '../../../domain/init/draft.ts';
import { mappedReferences } from '../../../domain/people/map.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import { club } from '../../samples/club/club.ts';
import { freshDatabase, type FreshDatabase } from '../../support/databases.ts';

/** A lending library of things, with people in every place in which a row can name them. */
const SCHEMA = `
  create table readers (id bigint primary key, email text not null, full_name text not null, referred_by bigint references readers, branch_team_id bigint);
  create table employees (id bigint primary key, email text not null, full_name text not null);
  create table branch_teams (id bigint primary key, lead_id bigint references readers);
  alter table readers add foreign key (branch_team_id) references branch_teams;
  create table grants (id bigint primary key, reader_id bigint not null references readers, granted_by bigint references readers, granted_by_name text);
  create table letters (id bigint primary key, sender_id bigint not null references readers, recipient_id bigint references readers, sender_name text, body text);
  create table notices (id bigint primary key, created_by bigint references readers, title text);
  create table loans (id bigint primary key, reader_id bigint not null references readers, employee_id bigint references employees);
  create table loan_steps (id bigint primary key, loan_id bigint not null references loans, employee_id bigint references employees);
  create table essays (id bigint primary key, author_id bigint not null references readers, moderator_id bigint references readers, assigned_to_id bigint references readers);
  create table comments (id bigint primary key, essay_id bigint not null references essays on delete cascade, author_name text, author_ip inet, body text);
  create table pairs (one bigint references readers, other bigint references readers, primary key (one, other));
  create table disputes (id bigint primary key, plaintiff bigint not null references readers, defendant bigint not null references readers);
  create table returns (id bigint primary key, loan_id bigint references loans, essay_id bigint not null references essays);
  create table shelves (branch int, id int, reader_id bigint references readers, primary key (branch, id));
  create table moves (id bigint primary key, branch int, from_shelf int, to_shelf int,
    foreign key (branch, from_shelf) references shelves, foreign key (branch, to_shelf) references shelves);
  create table circles (id bigint primary key, author_id bigint references readers, last_turn bigint);
  create table turns (id bigint primary key, circle_id bigint references circles, author_id bigint references readers, hidden_by bigint references readers);
  alter table circles add foreign key (last_turn) references turns;
  create table parcels (id bigint primary key, recipient_email text, packed_by bigint references readers)`;

interface Drafted {
  readonly draft: Draft;
  /** `table.column to: role (along) # reason`, without the store and schema. */
  readonly lines: readonly string[];
  readonly errors: readonly string[];
  /** `table.column role` of everything that leads to people, as `check --map` tells it. */
  readonly map: readonly string[];
}

async function drafted(database: FreshDatabase, sql: string): Promise<Drafted> {
  const owner = new pg.Client(database.url);
  await owner.connect();
  await owner.query(sql);
  await owner.end();
  const draft = await draftOf({ stores: [`main=${database.url}`], env: {} });
  const store = openStore({ name: 'main', url: database.url });
  const catalog = await readCatalog(store);
  await store.close();
  const loaded = parseManifestText(draft.yaml);
  if (loaded.manifest === null) expect.fail(JSON.stringify(loaded.problems));
  const { manifest } = loaded;
  const found = [...loaded.problems, ...checkManifest(manifest, (path) => loaded.source.place(path), { main: catalog })];
  const short = (id: string): string => id.split('.').slice(2).join('.') || id;
  return {
    draft,
    lines: manifest.references.map(({ from, to, as, with: along }) =>
      [short(from), to.split('.').length > 2 ? short(to) : to, as ?? '?', ...along].join(' '),
    ),
    errors: found.filter(({ severity }) => severity === 'error').map(({ code, message }) => `${code} ${message}`),
    map: mappedReferences(catalog, manifest).map(({ table, columns, as }) => `${short(table)}.${columns.join('+')} ${as}`),
  };
}

describe('a draft over people in every place', () => {
  let database: FreshDatabase;
  let found: Drafted;
  const said = (table: string): string[] =>
    found.lines.filter((line) => line.startsWith(`${table}.`)).map((line) => line.slice(table.length + 1));
  const why = (column: string): string => found.draft.guesses.find(({ value }) => value.startsWith(`main.public.${column} →`))!.reason;

  beforeAll(async () => {
    database = await freshDatabase();
    found = await drafted(database, SCHEMA);
  });
  afterAll(() => database.drop());

  it('leaves nothing for the check to ask, and gives each role its reason', () => {
    expect(found.errors).toEqual([]);
    for (const line of found.draft.yaml.split('\n').filter((it) => it.includes(' as: '))) expect(line).toMatch(/ # guess: \S/);
  });

  it('takes who granted, moderates, works on or received something for a mention, with their written names', () => {
    expect(said('grants')).toEqual(['granted_by reader mention granted_by_name', 'reader_id reader owner']);
    expect(said('essays')).toEqual(['assigned_to_id reader mention', 'author_id reader owner', 'moderator_id reader mention']);
    expect(said('parcels')).toEqual(['recipient_email employee.email mention', 'packed_by reader mention']);
    expect(why('grants.granted_by')).toMatch(/named like somebody who did, handles or receives it/);
  });

  it('takes no row for the one of whom it says only that they created it', () => {
    expect(said('notices')).toEqual(['created_by reader mention']);
  });

  it('gives messages to both, and ties to either', () => {
    expect(said('letters')).toEqual(['recipient_id reader both', 'sender_id reader both sender_name']);
    expect(said('pairs')).toEqual(['one reader owner', 'other reader owner']);
    expect(why('pairs.one')).toMatch(/^REVIEW/);
  });

  it('leaves the customer’s rows to the customer, whoever of the staff served them', () => {
    expect(said('loans')).toEqual(['employee_id employee mention', 'reader_id reader owner']);
    expect(said('loan_steps')).toEqual(['employee_id employee mention', 'loan_id loans.id owner']);
  });

  it('gives rows of nobody known to nobody, and what people belong to to none of them', () => {
    expect(said('comments')).toEqual(['essay_id essays.id mention']);
    expect(why('comments.essay_id')).toMatch(/author_ip/);
    expect(said('branch_teams')).toEqual(['lead_id reader mention']);
  });

  it('asks a person where nothing tells', () => {
    expect(said('disputes')).toEqual(['defendant reader both', 'plaintiff reader both']);
    expect(said('returns')).toEqual(['essay_id essays.id owner', 'loan_id loans.id mention']);
    expect(said('moves')).toEqual(['from_shelf shelves.id owner', 'to_shelf shelves.id mention']);
    for (const column of ['disputes.defendant', 'returns.essay_id', 'moves.to_shelf']) expect(why(column), column).toMatch(/^REVIEW/);
  });

  it('follows tables that refer to each other', () => {
    expect(found.map.filter((line) => /^(circles|turns)/.test(line))).toEqual([
      'circles.author_id owner',
      'circles.last_turn mention',
      'turns.author_id owner',
      'turns.circle_id mention',
      'turns.hidden_by mention',
    ]);
  });
});

describe('a draft of the club', () => {
  let database: FreshDatabase;
  let found: Drafted;
  beforeAll(async () => {
    database = await freshDatabase();
    found = await drafted(database, club.sql);
  });
  afterAll(() => database.drop());

  it('passes the check, and says of the club what its own people say', () => {
    expect(found.errors).toEqual([]);
    const people = club.manifest.references!.flatMap((it) => ('as' in it && it.as !== undefined ? [it] : []));
    const theirs = people.map(({ from, to, as, with: along }) => [from.split('.').slice(2).join('.'), to, as, ...(along ?? [])].join(' '));
    // That others use an app stands in no catalog.
    const known = theirs.filter((line) => !/^(app\.owner_id|locker_call\.phone) /.test(line));
    expect(found.lines).toEqual(expect.arrayContaining(known));
    expect(found.map).toEqual(
      expect.arrayContaining(['access_grant.granted_by mention', 'post.hidden_by mention', 'locker_call.phone owner']),
    );
  });
});
