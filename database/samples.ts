import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { Catalog, CatalogColumn, CatalogTable } from '../domain/catalog.ts';
import type { ColumnShape, StoreSamples } from '../domain/init/samples.ts';
import { pairedId } from '../domain/init/pairs.ts';
import { StoreError } from './errors.ts';
import { ident } from './identifiers.ts';
import { inTransaction, type Store } from './store.ts';

/** Rows looked at per table. Pages are sampled whole and rows of one page resemble each other, so more than the 1,000 that ±3 % would need. */
const SAMPLE_ROWS = 4_000;
/** The estimate behind the sample may be old. A tight limit would cut off the end of the table, and with it the newest rows. */
const MOST_ROWS = 5 * SAMPLE_ROWS;
/** A table of more columns gets guesses by name alone beyond these; a select list ends at 1,664 entries. */
const MOST_COLUMNS = 200;
/** Somebody's production database: a table that is slow to sample is not worth waiting for. Milliseconds. */
const TABLE_TIMEOUT_MS = 3_000;
const LOCK_TIMEOUT_MS = 500;
/** All tables together; those left over are guessed by name. Milliseconds. */
const TOTAL_MS = 60_000;
/** Longer values are cut, or for JSON left out: reading megabytes to see a shape is not cheap. Bytes. */
const MOST_BYTES = 8_192;
/** A path is told only when this many sampled rows have it, so that a key that is somebody's name stays inside. */
const PATH_ROWS = 20;
/** Rails writes few kinds into a polymorphic reference; more are something else. */
const MOST_TYPES = 50;

/**
 * Looks at a bounded sample of each table that the role may read, and reduces it inside the database to shares: no value leaves it
 * but names of classes in polymorphic references.
 * A table that is locked, slower than `tableMs` (milliseconds) or hidden is skipped with its reason. Throws `StoreError` only when the store is
 * out of reach.
 */
export async function readSamples(store: Store, catalog: Catalog, tableMs = TABLE_TIMEOUT_MS): Promise<StoreSamples> {
  const tables: Record<string, Readonly<Record<string, ColumnShape>>> = {};
  const skipped: Record<string, string> = {};
  const deadline = performance.now() + TOTAL_MS;
  for (const [id, table] of Object.entries(catalog.tables)) {
    if (table.partitionOf !== null || (table.kind !== 'table' && table.kind !== 'partitioned')) continue;
    const columns = table.columns.filter((column) => sampled(column)).slice(0, MOST_COLUMNS);
    const why = reasonToSkip(table, performance.now() > deadline);
    if (why !== null) skipped[id] = why;
    if (why !== null || columns.length === 0) continue;
    try {
      tables[id] = await sampleTable(store, table, columns, tableMs);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind === 'connection') throw error;
      skipped[id] = error.kind === 'busy' ? 'locked or slow to read' : `not readable (SQLSTATE ${error.code})`;
    }
  }
  return { tables, skipped };
}

function reasonToSkip(table: CatalogTable, late: boolean): string | null {
  if (!table.privileges.select) return 'our role may not read it';
  if (table.rowSecurity.filtersUs) return 'row-level security hides rows from our role';
  return late ? 'sampling took too long before it' : null;
}

function sampled(column: CatalogColumn): boolean {
  return (
    column.typeCategory === 'string' || column.typeCategory === 'enum' || column.baseType === 'jsonb' || column.typeCategory === 'time'
  );
}

async function sampleTable(
  store: Store,
  table: CatalogTable,
  columns: readonly CatalogColumn[],
  tableMs: number,
): Promise<Readonly<Record<string, ColumnShape>>> {
  const options = {
    readOnly: true,
    statementTimeoutMs: tableMs,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    settings: { search_path: 'pg_catalog' },
  };
  return inTransaction(store, options, async (trx) => {
    const shapes = await readShapes(trx, table, columns);
    const entries = await Promise.all(
      columns.map(async (column, index) => {
        const shape = toShape(shapes.rows, shapes.facts[index]!, column);
        const contactPaths = column.baseType === 'jsonb' && shape.values > 0 ? await readContactPaths(trx, table, column) : [];
        const typeNames = pairedId(table, column.name) === null ? [] : await readTypeNames(trx, table, column);
        return [column.name, { ...shape, contactPaths, typeNames }] as const;
      }),
    );
    return Object.fromEntries(entries);
  });
}

/** Counts over the sample, in the order of `measures`. */
type Facts = readonly number[];

async function readShapes(
  trx: Transaction<unknown>,
  table: CatalogTable,
  columns: readonly CatalogColumn[],
): Promise<{ rows: number; facts: Facts[] }> {
  const lists = columns.map((column) => sql`jsonb_build_array(${sql.join(measures(column))})`);
  const { rows } = await sql<{ rows: number; facts: Facts[] }>`
    select count(*) as rows, jsonb_build_array(${sql.join(lists)}) as facts from ${sample(table, columns)}`.execute(trx);
  return rows[0]!;
}

function measures(column: CatalogColumn): RawBuilder<unknown>[] {
  const name = ident(column.name);
  if (column.typeCategory === 'time') {
    const older = [1, 2, 3].map((years) => sql`count(*) filter (where ${name} < now() - make_interval(years => ${years}::int))`);
    return [sql`count(${name})`, ...older];
  }
  if (column.baseType === 'jsonb') return [sql`count(${name})`];
  const text = sql`left(${name}::text, ${MOST_BYTES}::int)`;
  const like = (pattern: string) => sql`count(*) filter (where ${text} ~* ${pattern})`;
  return [sql`count(${name})`, sql`count(distinct ${text})`, like(EMAIL), like(PHONE), like(IP), like(UUID), like(PROSE)];
}

const EMAIL = String.raw`^\s*[^@\s]+@[^@\s.]+(\.[^@\s.]+)+\s*$`;
const PHONE = String.raw`^\s*(\+|00)[1-9][0-9 ()./-]{6,18}$`;
const IP = String.raw`^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7})(/[0-9]{1,3})?$`;
const UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
const PROSE = String.raw`^\s*(\S+\s+){4}`;

function toShape(rows: number, facts: Facts, column: CatalogColumn): ColumnShape {
  const [values = 0, ...rest] = facts;
  const share = (count: number | undefined): number => (values === 0 ? 0 : (count ?? 0) / values);
  const isTime = column.typeCategory === 'time';
  const [distinct, email, phone, ip, uuid, prose] = isTime || column.baseType === 'jsonb' ? [] : rest;
  return {
    values,
    nulls: rows === 0 ? 0 : 1 - values / rows,
    distinct: share(distinct),
    email: share(email),
    phone: share(phone),
    ip: share(ip),
    uuid: share(uuid),
    prose: share(prose),
    olderThanYears: isTime ? [share(rest[0]), share(rest[1]), share(rest[2])] : null,
    contactPaths: [],
    typeNames: [],
  };
}

/** `Issue`, `Wiki::Page`, `customer`. */
const TYPE_NAME = '^[A-Za-z][A-Za-z0-9_]{0,62}(::[A-Za-z][A-Za-z0-9_]{0,62})*$';

async function readTypeNames(trx: Transaction<unknown>, table: CatalogTable, column: CatalogColumn): Promise<readonly string[]> {
  const name = sql`${ident(column.name)}::text`;
  const { rows } = await sql<{ name: string }>`
    select ${name} as name from ${sample(table, [column])} where ${name} ~ ${TYPE_NAME}
     group by 1 order by count(*) desc, 1 limit ${MOST_TYPES}::int`.execute(trx);
  return rows.map((row) => row.name);
}

/** Up to two levels of keys that read like names of fields, under which many rows hold a string like an e-mail address or a phone number. */
async function readContactPaths(
  trx: Transaction<unknown>,
  table: CatalogTable,
  column: CatalogColumn,
): Promise<ColumnShape['contactPaths']> {
  const name = ident(column.name);
  const { rows } = await sql<{ path: string; kind: 'email' | 'phone' }>`
    with doc as (
      select ${name} as body from ${sample(table, [column])} where jsonb_typeof(${name}) = 'object' and pg_column_size(${name}) < ${MOST_BYTES}::int
    ),
    outer_key as (select e.key as path, e.value from doc cross join lateral jsonb_each(doc.body) e where e.key ~ '^[A-Za-z_][A-Za-z0-9_]{0,30}$'),
    leaf as (
      select path, value from outer_key
      union all
      select o.path || '.' || e.key, e.value
        from outer_key o
       cross join lateral jsonb_each(case when jsonb_typeof(o.value) = 'object' then o.value else '{}' end) e
       where e.key ~ '^[A-Za-z_][A-Za-z0-9_]{0,30}$'
    ),
    found as (
      select path, case when value #>> '{}' ~* ${EMAIL} then 'email' when value #>> '{}' ~* ${PHONE} then 'phone' end as kind
        from leaf where jsonb_typeof(value) = 'string'
    )
    select '$.' || path as path, kind from found where kind is not null group by path, kind having count(*) >= ${PATH_ROWS} order by path, kind`.execute(
    trx,
  );
  return rows;
}

/** Whole pages at random where the size is known, otherwise the first rows: a bounded read in either case. */
function sample(table: CatalogTable, columns: readonly CatalogColumn[]): RawBuilder<unknown> {
  const percent = (100 * SAMPLE_ROWS) / Math.max(table.estimatedRows, 1);
  const random = table.estimatedRows > 0 && percent < 100 ? sql`tablesample system (${percent}::real) repeatable (1)` : sql``;
  const list = sql.join(columns.map((column) => ident(column.name)));
  return sql`(select ${list} from ${ident(table.schema, table.name)} ${random} limit ${MOST_ROWS}::int) as sampled`;
}
