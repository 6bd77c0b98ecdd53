import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Whom a running request is about, in each store, until the run closes; and how parts of a JSON document go. */
export const statements = [
  // `person` numbers people within the run; only the home store knows who they are. `parts` are the key's columns, or one identity, as text.
  `create table probity.run_key (
    run_id text not null,
    chunk integer not null,
    person integer not null,
    subject text not null,
    identity text not null,
    parts text[] not null check (cardinality(parts) > 0),
    class integer not null,
    primary key (run_id, chunk, identity, parts, person)
  )`,

  // What stands at a path goes where it is one of the values, as text; `p_fold`: as people write addresses. Steps: `.name`, `[3]`, `[*]`, `.*`.
  // Where a name meets an array it means each of its elements, as JSON paths do by default. Everything beside stays as it is.
  `create function probity.json_without(p_document jsonb, p_path text[], p_null boolean, p_values text[], p_fold boolean) returns jsonb
    language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
  declare
    v_step constant text := p_path[1];
    v_name constant text := substr(p_path[1], 2);
    v_rest constant text[] := p_path[2:];
    v_kind constant text := jsonb_typeof(p_document);
    v_text text;
    v_new jsonb;
    v_at integer;
  begin
    if cardinality(p_path) = 0 then
      if v_kind in ('array', 'object', 'null') then return p_document; end if;
      v_text := p_document #>> '{}';
      if p_fold then v_text := lower(btrim(v_text)); end if;
      return case when v_text = any (p_values) then null else p_document end;
    elsif v_kind = 'array' and (v_step like '.%' or v_step = '[*]') then
      return (
        select coalesce(jsonb_agg(case when q.value is null then 'null' else q.value end order by q.at) filter (where q.value is not null or p_null), '[]')
        from (
          select e.at, probity.json_without(e.value, case when v_step = '[*]' then v_rest else p_path end, p_null, p_values, p_fold) as value
          from jsonb_array_elements(p_document) with ordinality e (value, at)) q);
    elsif v_kind = 'array' then
      v_at := rtrim(v_name, ']')::integer;
      if v_at >= jsonb_array_length(p_document) then return p_document; end if;
      v_new := probity.json_without(p_document -> v_at, v_rest, p_null, p_values, p_fold);
      if v_new is null and not p_null then return p_document - v_at; end if;
      return jsonb_set(p_document, array[v_at::text], coalesce(v_new, 'null'));
    elsif v_step in ('[*]', '[0]') then
      return probity.json_without(p_document, v_rest, p_null, p_values, p_fold);
    elsif v_kind = 'object' and v_step = '.*' then
      return (
        select coalesce(jsonb_object_agg(q.key, coalesce(q.value, 'null')) filter (where q.value is not null or p_null), '{}')
        from (
          select e.key, probity.json_without(e.value, v_rest, p_null, p_values, p_fold) as value
          from jsonb_each(p_document) e (key, value)) q);
    elsif v_kind = 'object' and v_step like '.%' and p_document ? v_name then
      v_new := probity.json_without(p_document -> v_name, v_rest, p_null, p_values, p_fold);
      if v_new is null and not p_null then return p_document - v_name; end if;
      return jsonb_set(p_document, array[v_name], coalesce(v_new, 'null'));
    end if;
    return p_document;
  end
  $$`,
  `revoke execute on function probity.json_without(jsonb, text[], boolean, text[], boolean) from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
