type Query = <T extends Record<string, unknown>>(text: string, values?: unknown[]) => Promise<T[]>;

/** Types that may hold what somebody wrote, or a number by which somebody is known. */
const HOLDING = [
  'text',
  'json',
  'jsonb',
  'bytea',
  'character varying',
  'character',
  'ARRAY',
  'bigint',
  'integer',
  'numeric',
  'uuid',
  'name',
];

/** Every place in our tables of a database where one of the words stands, as `table.column`, whatever tables there are. */
export async function placesOf(query: Query, words: readonly string[]): Promise<string[]> {
  const columns = await query<{ table: string; column: string; type: string }>(
    `select c.table_name::text as table, c.column_name::text as column, c.data_type::text as type
     from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = 'probity' and t.table_type = 'BASE TABLE' and c.data_type = any ($1) order by 1, 2`,
    [HOLDING],
  );
  const places = columns.map(({ table, column, type }) => {
    const text = type === 'bytea' ? `encode("${column}", 'escape')` : `"${column}"::text`;
    return `select '${table}.${column}' as place where exists (
      select from probity."${table}", unnest($1::text[]) w where position(lower(w) in lower(${text})) > 0)`;
  });
  return (await query<{ place: string }>(places.join(' union all '), [words])).map(({ place }) => place).sort();
}
