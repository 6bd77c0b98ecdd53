import type pg from 'pg';
import type { Manifest } from '../../manifest/model.ts';

/** Tables and columns of schema public that the manifest neither declares nor ignores, and declared ones that do not exist. */
export async function undeclared(client: pg.Client, manifest: Manifest, store: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ id: string; column: string }>(
    `select $1 || '.public.' || c.relname as id, a.attname as column
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
     order by 1, a.attnum`,
    [store],
  );
  const live = new Set(rows.map(({ id, column }) => `${id}.${column}`));
  const declared = Object.entries(manifest.tables)
    .filter(([id]) => id.startsWith(`${store}.`))
    .flatMap(([id, table]) => Object.keys(table.columns ?? {}).map((column) => `${id}.${column}`));
  const missing = rows.filter(({ id, column }) => !(id in manifest.ignored) && manifest.tables[id]?.columns?.[column] === undefined);
  return [...missing.map(({ id, column }) => `${id}.${column}`), ...declared.filter((column) => !live.has(column))];
}
