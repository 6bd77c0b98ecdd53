import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { ManifestInput } from '../../../manifest/schema/root.ts';

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/** A club with a workshop, in schema `club` of whichever database it is put into: tables with rows, and what they mean. */
export const club = { sql: `${read('schema.sql')}\n${read('rows.sql')}`, manifest: parse(read('manifest.yaml')) as ManifestInput };

export type Query = (text: string) => Promise<Record<string, unknown>[]>;
export type Contents = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** Every row of every table of the club by `table key`, read by SQL of its own; partitions as their parent. */
export async function contents(query: Query): Promise<Contents> {
  const tables = await query(`
    select c.relname as name, (select string_agg(format('%I', a.attname), ', ' order by a.attnum) from pg_index i
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey) where i.indrelid = c.oid and i.indisprimary) as key
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'club' and c.relkind in ('r', 'p') and not c.relispartition`);
  const found = new Map<string, Record<string, unknown>>();
  for (const { name, key } of tables as { name: string; key: string | null }[]) {
    const rows = await query(`select concat_ws('/', ${key ?? 'visit_id'}) as id, to_jsonb(t) as body from club."${name}" t`);
    for (const { id, body } of rows) found.set(`${name} ${id as string}`, body as Record<string, unknown>);
  }
  return found;
}

/** What became of rows: `- booking 10` gone, `~ team 1 lead_id=null` changed, in order. */
export function difference(before: Contents, after: Contents): string[] {
  const gone = [...before.keys()].filter((id) => !after.has(id)).map((id) => `- ${id}`);
  const come = [...after.keys()].filter((id) => !before.has(id)).map((id) => `+ ${id}`);
  const changed = [...before].flatMap(([id, row]) => {
    const now = after.get(id);
    if (now === undefined) return [];
    const columns = Object.keys(row).filter((name) => JSON.stringify(row[name]) !== JSON.stringify(now[name]));
    return columns.length === 0 ? [] : [`~ ${id} ${columns.map((name) => `${name}=${valueText(now[name])}`).join(' ')}`];
  });
  return [...gone, ...come, ...changed].sort((one, other) => one.localeCompare(other, 'en', { numeric: true }));
}

/** A derived mask is told as such. */
function valueText(value: unknown): string {
  return typeof value === 'string' && value.startsWith('erased-') ? 'erased-…' : String(value);
}
