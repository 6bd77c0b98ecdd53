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

  // Steps of the path: `.name`, `[3]`, `[*]` and `.*`. Where a name meets an array it means each of its elements, as JSON paths do by default.
  `create function probity.json_without(p_document jsonb, p_path text[], p_null boolean) returns jsonb
    language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
  declare
    v_step constant text := p_path[1];
    v_name constant text := substr(p_path[1], 2);
    v_rest constant text[] := p_path[2:];
    v_last constant boolean := cardinality(p_path) = 1;
    v_kind constant text := jsonb_typeof(p_document);
    v_at integer;
  begin
    if v_kind = 'array' and v_step like '.%' then
      return (select coalesce(jsonb_agg(probity.json_without(e.value, p_path, p_null) order by e.at), '[]')
        from jsonb_array_elements(p_document) with ordinality e (value, at));
    elsif v_kind = 'array' and v_step = '[*]' then
      if v_last and not p_null then return '[]'; end if;
      return (select coalesce(jsonb_agg(case when v_last then 'null' else probity.json_without(e.value, v_rest, p_null) end order by e.at), '[]')
        from jsonb_array_elements(p_document) with ordinality e (value, at));
    elsif v_kind = 'array' then
      v_at := rtrim(v_name, ']')::integer;
      if v_at >= jsonb_array_length(p_document) then return p_document; end if;
      if v_last then return case when p_null then jsonb_set(p_document, array[v_at::text], 'null') else p_document - v_at end; end if;
      return jsonb_set(p_document, array[v_at::text], probity.json_without(p_document -> v_at, v_rest, p_null));
    elsif v_step in ('[*]', '[0]') then
      if not v_last then return probity.json_without(p_document, v_rest, p_null); end if;
      return 'null';
    elsif v_kind = 'object' and v_step = '.*' then
      if v_last and not p_null then return '{}'; end if;
      return (select coalesce(jsonb_object_agg(e.key, case when v_last then 'null' else probity.json_without(e.value, v_rest, p_null) end), '{}')
        from jsonb_each(p_document) e (key, value));
    elsif v_kind = 'object' and v_step like '.%' and p_document ? v_name then
      if v_last then return case when p_null then jsonb_set(p_document, array[v_name], 'null') else p_document - v_name end; end if;
      return jsonb_set(p_document, array[v_name], probity.json_without(p_document -> v_name, v_rest, p_null));
    end if;
    return p_document;
  end
  $$`,
  `revoke execute on function probity.json_without(jsonb, text[], boolean) from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
