import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** The search tells why it expected somebody in a row, and looks for short words for as long as they are rare. */
export const statements = [
  // Such as `floor:RULE` or `purpose:NAME`, see domain/requests/kept.ts; null: nothing explains the hit.
  `alter table probity.run_hit add column kept_by text,
    add constraint run_hit_kept_by check (expected or kept_by is null),
    -- Found as a short word alone, which counts for as long as it is rare.
    add column word boolean not null default false`,
  `alter table probity.run_search drop constraint run_search_how_check,
    add constraint run_search_how_check check (how in ('names', 'one_word', 'short', 'no_form', 'called'))`,
  // Short words of people that more rows hold than could mean them: looked for no further. The word stands in the run's keys alone.
  `create table probity.run_word (
    run_id text not null,
    person integer not null,
    identity text not null,
    primary key (run_id, person, identity)
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
