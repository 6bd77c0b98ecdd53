import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** How the scan after an erasure looks, how far it is, and what it found: of a running request, removed when it closes. */
export const statements = [
  // Identities of a run that are not looked for in every text: of how many people, and how instead. Says nothing of anybody.
  `create table probity.run_search (
    run_id text not null,
    identity text not null,
    how text not null check (how in ('not', 'value', 'called')),
    people integer not null,
    primary key (run_id, identity, how)
  )`,
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
