import { Client } from 'pg';
import type { ClientBase } from 'pg';

/** What we wrote into a database that we made. Only a database with this mark may ever be changed without being asked. */
export interface Marker {
  readonly name: string;
  readonly seed: number | null;
  readonly scale: number | null;
  /** False when the load was cut short: such a database is made anew. */
  readonly complete: boolean;
}

export class NotOurDatabase extends Error {
  override readonly name = 'NotOurDatabase';
}

/** The database's mark, or null when it carries none. */
export async function readMarker(url: string): Promise<Marker | null> {
  return withClient(url, marker);
}

/** Whether this database was made by us. */
export async function isSample(url: string): Promise<boolean> {
  return (await readMarker(url)) !== null;
}

/** Throws NotOurDatabase, before anything is changed, when the database has a table or view that is not of ours. */
export async function refuseForeign(client: ClientBase, name: string, ourTables: readonly string[]): Promise<void> {
  const known = await marker(client);
  const foreign = (await userTables(client)).filter((table) => known?.name !== name || !ourTables.includes(table));
  if (foreign.length === 0) return;
  const first = foreign.slice(0, 3).join(', ');
  throw new NotOurDatabase(`This database has ${foreign.length} tables or views that we did not make (${first}); name an empty one.`);
}

/** Leaves an empty schema `public` and a mark that says "not complete"; refuses as `refuseForeign` does. */
export async function claimDatabase(client: ClientBase, made: Omit<Marker, 'complete'>, ourTables: readonly string[]): Promise<void> {
  await refuseForeign(client, made.name, ourTables);
  const known = await marker(client);
  await client.query('begin');
  await client.query('create schema if not exists probity_sample');
  await client.query(`create table if not exists probity_sample.made_by (
    name text primary key, seed bigint, scale double precision, made_at timestamptz not null default now(), complete boolean not null
  )`);
  await client.query('delete from probity_sample.made_by');
  await client.query('insert into probity_sample.made_by (name, seed, scale, complete) values ($1, $2, $3, false)', [
    made.name,
    made.seed,
    made.scale,
  ]);
  // Only what we made before is dropped: in an unmarked database even a view or a function of somebody's stays.
  if (known !== null) await client.query('drop schema if exists public cascade');
  await client.query('create schema if not exists public');
  await client.query('commit');
}

export async function markComplete(client: ClientBase): Promise<void> {
  await client.query('update probity_sample.made_by set complete = true');
}

/** Runs `use` on a connection of its own, and closes it in any case. */
export async function withClient<T>(url: string, use: (client: ClientBase) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, application_name: 'probity sample' });
  // A backend that is terminated would otherwise end the process; the running query reports the same failure.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function marker(client: ClientBase): Promise<Marker | null> {
  const exists = await client.query<{ present: boolean }>(`select to_regclass('probity_sample.made_by') is not null as present`);
  if (exists.rows[0]?.present !== true) return null;
  const rows = await client.query<Marker>(
    'select name, seed::float8 as seed, scale, complete from probity_sample.made_by order by name limit 1',
  );
  return rows.rows[0] ?? null;
}

/** Tables and views of users, without partitions, ours (`probity`, `probity_sample`) and the system's; those of public without their schema. */
async function userTables(client: ClientBase): Promise<readonly string[]> {
  const result = await client.query<{ name: string }>(`
    select case n.nspname when 'public' then c.relname else n.nspname || '.' || c.relname end as name
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f', 'm', 'v') and not c.relispartition
      and n.nspname not in ('information_schema', 'probity', 'probity_sample') and n.nspname not like 'pg\\_%'
      and coalesce(obj_description(n.oid, 'pg_namespace'), '') not like 'probity views:%'
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    order by 1`);
  return result.rows.map((row) => row.name);
}
