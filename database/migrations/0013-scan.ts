import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** What the scan after an erasure looks for, how far it is, and what it found: of a running request, removed when it closes. */
export const statements = [
  `create table probity.run_term (
    run_id text not null,
    person integer not null,
    subject text not null,
    identity text not null,
    kind text not null check (kind in ('email', 'near', 'phone', 'id', 'name', 'called', 'value')),
    -- By which texts are joined with it, what such a text contains or else matches, and the normal form that decides.
    token text not null,
    word text not null,
    pattern text not null,
    value text not null
  )`,
  `create index run_term_token on probity.run_term (run_id, kind, token)`,
  // Says nothing of anybody. One row for each range of blocks of each table; ranges of one table make it up without a gap.
  `create table probity.run_scan (
    run_id text not null,
    table_name text not null,
    -- A partition of it, or itself.
    relation text not null,
    from_block bigint not null,
    -- Null: to the end.
    to_block bigint,
    -- pg_current_snapshot() of the transaction that read it; null until then.
    snapshot text,
    primary key (run_id, relation, from_block)
  )`,
  // Where it was found; what was found stands in the row only.
  `create table probity.run_hit (
    run_id text not null,
    table_name text not null,
    relation text not null,
    column_name text not null,
    -- The primary key's columns as a JSON array, or the row's ctid.
    location text not null,
    identity text not null,
    person integer not null,
    -- In a row that the plan keeps.
    expected boolean not null,
    found_at timestamptz not null default clock_timestamp(),
    primary key (run_id, relation, location, column_name, identity, person)
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
