import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Whose rows stay under a floor after an erasure, until their day; and what an owner may use to keep them from being changed. */
export const statements = [
  // As in `run_key`, which goes with its run. These stand for years, so what is not needed to find the rows is not here.
  `create table probity.obligation_key (
    obligation_id text not null,
    chunk integer not null,
    person integer not null,
    class integer not null,
    subject text not null,
    identity text not null,
    parts text[] not null check (cardinality(parts) > 0),
    primary key (obligation_id, identity, parts, person)
  )`,
  `create index obligation_key_parts on probity.obligation_key (subject, identity, parts)`,

  // Only a step that is being taken has no head: whoever sees one is in its transaction.
  `create index step_open on probity.step (run_id) where head is null`,

  // For a trigger of the owner's: (subject, identity, column, …). Rows of people under an obligation are changed by steps of ours alone.
  `create function probity.refuse_restricted() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  declare
    v_row constant jsonb := to_jsonb(old);
    v_parts constant text[] := array(select v_row ->> name from unnest(tg_argv[2:]) with ordinality it (name, n) order by n);
  begin
    -- Addresses are kept as people write them by default: no outer blanks, no case.
    if exists (
        select from probity.obligation_key k
        where k.subject = tg_argv[0] and k.identity = tg_argv[1]
          and k.parts = case when tg_argv[1] = 'email' then array[lower(btrim(v_parts[1]))] else v_parts end)
      and not exists (select from probity.step s where s.head is null) then
      raise exception 'probity: the row is restricted: its person was erased, and a law keeps it until its day' using errcode = 'PB017';
    end if;
    return case tg_op when 'DELETE' then old else new end;
  end
  $$`,
  `revoke execute on function probity.refuse_restricted() from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
