import pg from 'pg';

export type HeapOrder = 'time' | 'random';

/** What every run is judged as of, and what the rule then takes: everything before 2025. */
export const AS_OF = '2026-01-01T00:00:00Z';
export const CUT_OFF = '2025-01-01T00:00:00Z';
export const KEEP = 'P1Y';
export const TABLE = 'visit';

// 365 days are kept; the 135 before them, 27 % of all, have expired.
const FIRST = `timestamptz '2024-08-19T00:00:00Z'`;
const SPAN = `interval '500 days'`;
// Each customer has about this many rows.
const ROWS_PER_CUSTOMER = 50;
// Months that hold the 500 days.
const MONTHS = 17;
const SEED = 0.42;
/** The table's parts that have storage; pg_partition_tree() knows nothing of a table without partitions. */
const PARTS = `(select oid from pg_class where relname = '${TABLE}' and relkind = 'r' union select relid from pg_partition_tree('${TABLE}') where isleaf)`;

export interface Dataset {
  readonly rows: number;
  readonly expired: number;
  /** On disk. */
  readonly bytes: { readonly heap: number; readonly indexes: number };
}

/** Runs `act` with one session of `application`. */
export async function session<T>(url: string, application: string, act: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: application });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await act(client);
  } finally {
    await client.end();
  }
}

/**
 * Fills an empty database with `visit`: a key, a time, a customer and 64 characters, about 124 bytes a row, with three indexes. In time order
 * the expired rows lie together at the heap's beginning; in random order every page has some. The rest of the heap's order is the key's.
 */
export async function fill(client: pg.Client, rows: number, order: HeapOrder, partitioned: boolean): Promise<Dataset> {
  const columns = `visit_id bigint not null, at timestamptz not null, customer_id bigint not null, note text not null`;
  await client.query(`create extension if not exists pg_prewarm`);
  await client.query(`create table ${TABLE} (${columns}) ${partitioned ? 'partition by range (at)' : ''}`);
  if (partitioned) await client.query(partitions());
  const place = order === 'time' ? `(i - 1)::float8 / ${rows}` : 'random()';
  await client.query(`select setseed(${SEED})`);
  await client.query(`
    insert into ${TABLE} (visit_id, at, customer_id, note)
    select i, ${FIRST} + ${SPAN} * (${place}), (random() * ${Math.ceil(rows / ROWS_PER_CUSTOMER)})::bigint, repeat(md5(i::text), 2)
    from generate_series(1::bigint, ${rows}::bigint) as i`);
  await client.query(`alter table ${TABLE} add primary key (visit_id${partitioned ? ', at' : ''})`);
  await client.query(`create index visit_at on ${TABLE} (at)`);
  await client.query(`create index visit_customer on ${TABLE} (customer_id)`);
  // Frozen and with every page marked all-visible: no run writes the hints that another has written already.
  await client.query(`vacuum (freeze, analyze) ${TABLE}`);
  return describe(client);
}

function partitions(): string {
  const first = new Date('2024-08-01T00:00:00Z');
  const month = (index: number): string =>
    new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + index, 1)).toISOString().slice(0, 10);
  return Array.from(
    { length: MONTHS },
    (_, index) =>
      `create table ${TABLE}_${month(index).slice(0, 7).replace('-', '_')} partition of ${TABLE} for values from ('${month(index)}') to ('${month(index + 1)}')`,
  ).join(';');
}

async function describe(client: pg.Client): Promise<Dataset> {
  const { rows } = await client.query<{ rows: string; expired: string; heap: string; indexes: string }>(`
    select count(*) as rows, count(*) filter (where at < '${CUT_OFF}') as expired,
      (select sum(pg_table_size(oid)) from ${PARTS} as part) as heap,
      (select sum(pg_indexes_size(oid)) from ${PARTS} as part) as indexes
    from ${TABLE}`);
  const [row] = rows;
  return { rows: Number(row?.rows), expired: Number(row?.expired), bytes: { heap: Number(row?.heap), indexes: Number(row?.indexes) } };
}

/** Reads table and indexes into the server's cache, as an application at work would have done. */
export async function warm(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ pages: string | null }>(`
    select sum(pg_prewarm(c.oid::regclass)) as pages
    from pg_class c left join pg_index i on i.indexrelid = c.oid
    where coalesce(i.indrelid, c.oid) in ${PARTS}`);
  if (Number(rows[0]?.pages ?? 0) === 0) throw new Error('Nothing was read into the cache');
}

/** Rows of the table, and those of them that should be gone. */
export async function left(client: pg.Client): Promise<{ readonly rows: number; readonly expired: number }> {
  const { rows } = await client.query<{ rows: string; expired: string }>(
    `select count(*) as rows, count(*) filter (where at < '${CUT_OFF}') as expired from ${TABLE}`,
  );
  return { rows: Number(rows[0]?.rows), expired: Number(rows[0]?.expired) };
}
