import { sql, type Kysely } from 'kysely';

/** What stands in the way of changing columns of a table, beyond their types. */
export interface TableConstraints {
  readonly checks: readonly TableCheck[];
  /** Columns that some unique index or exclusion constraint looks at, also by an expression or in its condition. */
  readonly unique: ReadonlySet<string>;
  /** Of those, columns of which not even NULL may stand there twice. */
  readonly nullOnce: ReadonlySet<string>;
  /** Labels of columns whose type is an enum, in its order. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  /** What stands in quotes in checks over one column, such as the values that it lists. */
  readonly listed: ReadonlyMap<string, readonly string[]>;
  /** Defaults that are one value, as text: what the table itself calls neutral. */
  readonly defaults: ReadonlyMap<string, string>;
}

export interface TableCheck {
  readonly name: string;
  /** SQL over the bare names of columns. */
  readonly expression: string;
  readonly columns: readonly string[];
}

/** Reads them from `pg_catalog`. Expressions name everything in full only while the search path is empty: see `PRINTED`. */
export async function readConstraints(db: Kysely<unknown>, oid: number): Promise<TableConstraints> {
  const checks = await sql<{ name: string; expression: string; columns: string[] }>`
    select c.conname as name, pg_catalog.pg_get_expr(c.conbin, c.conrelid) as expression,
      array(select a.attname::text from pg_catalog.unnest(c.conkey) as u (attnum)
        join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = u.attnum order by u.attnum) as columns
    from pg_catalog.pg_constraint c where c.conrelid = ${oid}::oid and c.contype = 'c' order by c.conname`.execute(db);
  const unique = await sql<{ name: string; null_once: boolean }>`
    select a.attname as name, pg_catalog.bool_or(i.indnullsnotdistinct) as null_once
    from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum > 0 and not a.attisdropped
    where i.indrelid = ${oid}::oid and (i.indisunique or i.indisexclusion)
      and (a.attnum = any (i.indkey::int2[]) or exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.indexrelid
          and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = i.indrelid and d.refobjsubid = a.attnum))
    group by a.attname order by a.attname`.execute(db);
  const labels = await sql<{ name: string; labels: string[] }>`
    with recursive type as (
      select a.attname as name, a.atttypid as oid from pg_catalog.pg_attribute a
      where a.attrelid = ${oid}::oid and a.attnum > 0 and not a.attisdropped
      union all
      select type.name, t.typbasetype from type join pg_catalog.pg_type t on t.oid = type.oid where t.typtype = 'd'
    )
    select type.name, pg_catalog.array_agg(e.enumlabel::text order by e.enumsortorder) as labels
    from type join pg_catalog.pg_enum e on e.enumtypid = type.oid group by type.name order by type.name`.execute(db);
  const defaults = await sql<{ name: string; expression: string }>`
    select a.attname as name, pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression
    from pg_catalog.pg_attrdef d join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attgenerated = ''
    where d.adrelid = ${oid}::oid order by a.attname`.execute(db);
  const alone = [...Map.groupBy(checks.rows, ({ columns }) => (columns.length === 1 ? columns[0] : undefined))].filter(
    ([column]) => column !== undefined,
  );
  return {
    checks: checks.rows,
    unique: new Set(unique.rows.map((row) => row.name)),
    nullOnce: new Set(unique.rows.filter((row) => row.null_once).map((row) => row.name)),
    labels: new Map(labels.rows.map((row) => [row.name, row.labels])),
    listed: new Map(alone.map(([column, found]) => [column!, found.flatMap(({ expression }) => literals(expression))])),
    defaults: new Map(
      defaults.rows.flatMap(({ name, expression }) => {
        const value = literal(expression);
        return value === null ? [] : [[name, value] as const];
      }),
    ),
  };
}

function literals(expression: string): string[] {
  return [...expression.matchAll(/'((?:[^'\\]|'')*)'::/g)].map(([, text]) => text!.replaceAll("''", "'"));
}

/** An expression that is one value and nothing else, such as `'en'::text`: as text; null for one that is computed, such as `now()`. */
function literal(expression: string): string | null {
  const [, quoted, bare] =
    /^(?:'((?:[^'\\]|'')*)'(?:::[^()']+(?:\([\d,]+\))?)?|\(?(-?\d+(?:\.\d+)?)\)?|(?:true|false))$/.exec(expression) ?? [];
  if (quoted !== undefined) return quoted.replaceAll("''", "'");
  return bare ?? (expression === 'true' || expression === 'false' ? expression : null);
}

/** Settings under which expressions are printed, and read again, with every name in full. */
export const PRINTED = { search_path: 'pg_catalog' } as const;
