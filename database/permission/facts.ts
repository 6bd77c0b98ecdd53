import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely';
import type { Catalog, CatalogColumn, CatalogTable } from '../../domain/catalog.ts';
import { columnParts, inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, Subject } from '../../manifest/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { keyMatch } from './keys.ts';

/** Kinds of somebody who is not a subject of the manifest: known when they have said something. */
const STRANGERS = ['device', 'email'];
/** Years that Postgres' dates and people agree on; another is not a birth year. */
const FIRST_YEAR = 1800;
const LAST_YEAR = 9999;

type Expression = RawBuilder<unknown>;

/** A subject of which the table is where permissions are asked. */
interface Known {
  readonly name: string;
  readonly subject: Subject;
  readonly live: CatalogTable;
}

/**
 * Makes `probity.subject_facts` say what the manifest's subject tables of this store say. Subjects of other stores, and columns that are
 * not there, stay unknown, which is answered with no.
 */
export async function writeFacts(trx: Transaction<unknown>, manifest: Manifest, catalog: Catalog): Promise<void> {
  // Literals inside the function's body are quoted for it.
  await sql`select pg_catalog.set_config('standard_conforming_strings', 'on', true)`.execute(trx);
  // One plan for one key and for a thousand: by the key's index, whatever the caller has set.
  await sql`
    create or replace function probity.subject_facts(p_subject text, p_keys text[])
      returns table (key text, regime text, birth date, ends jsonb)
      language sql stable security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD'
      set plan_cache_mode = force_generic_plan set enable_nestloop = on set enable_seqscan = off set jit = off
      as ${sql.lit(factsBody(trx, manifest, catalog))}`.execute(trx);
  await sql`revoke execute on function probity.subject_facts from public`.execute(trx);
}

/** The function's statement. Pure but for the dialect's quoting, so that it can be shown and compared. */
export function factsBody(db: Kysely<unknown>, manifest: Manifest, catalog: Catalog): string {
  const known = Object.entries(manifest.subjects).flatMap(([name, subject]): Known[] => {
    const live = storeOf(subject.table) === catalog.store ? catalog.tables[inStore(subject.table)] : undefined;
    return live ? [{ name, subject, live }] : [];
  });
  const strangers = STRANGERS.filter((kind) => !(kind in manifest.subjects));
  const parts = known.flatMap((it) => factsOf(it, manifest));
  parts.push(sql`
    select l.key, null::text, null::date, '{}'::jsonb from probity.consent_link l
    where p_subject = any (${sql.lit(`{${strangers.join(',')}}`)}::text[]) and l.subject = p_subject and l.key = any (p_keys)`);
  const { sql: text, parameters } = sql`${sql.join(parts, sql`\n    union all`)}`.compile(db);
  if (parameters.length > 0) throw new Error('a function body takes no parameters');
  return `${text}\n  `;
}

function factsOf({ name, subject, live }: Known, manifest: Manifest): RawBuilder<unknown>[] {
  const column = (it: string): CatalogColumn | null => live.columns.find((found) => found.name === it) ?? null;
  const key = subject.key.map(column);
  if (key.some((it) => it === null)) return [];
  const match = keyMatch(key as CatalogColumn[]);
  return [
    sql`
    select k.key, ${regime(name, subject, manifest, column)}, ${birth(subject, manifest, column)}, ${ends(subject, manifest, column)}
    from unnest(p_keys) k (key)${match.parts} join ${tableRef(inStore(subject.table))} s on ${match.condition}
    where p_subject = ${sql.lit(name)}`,
  ];
}

type Columns = (name: string) => CatalogColumn | null;

function regime(name: string, subject: Subject, { regimes }: Manifest, column: Columns): Expression {
  const from = regimes.from === null ? null : columnOf(name, subject, regimes.from);
  const found = from === null ? null : column(from);
  if (found === null) return sql`null::text`;
  const value = sql`${ident('s', found.name)}::text`;
  const mapped = Object.entries(regimes.map).map(([from, to]) => sql`when ${value} = ${sql.lit(from)} then ${sql.lit(to)}`);
  return sql`case when ${value} is null then null ${sql.join([...mapped, sql``], sql` `)}else ${sql.lit(regimes.default)} end`;
}

/** The column that `customer.country` or `shop.public.customer.country` means, if it is one of this subject's table. */
function columnOf(name: string, subject: Subject, text: string): string | null {
  const { table: owner, column } = columnParts(text);
  if (owner === subject.table) return column;
  return owner === name ? (subject.identities[column] ?? column) : null;
}

/** The latest day: a year means its last. */
function birth({ birth }: Subject, { timezone }: Manifest, column: Columns): Expression {
  const found = birth === null ? null : column(birth);
  if (found === null) return sql`null::date`;
  const value = ident('s', found.name);
  if (found.typeCategory === 'number') {
    const year = sql`${value}::numeric`;
    return sql`case when ${year} between ${sql.lit(FIRST_YEAR)} and ${sql.lit(LAST_YEAR)} and ${year} = trunc(${year}) then make_date(${year}::integer, 12, 31) end`;
  }
  const day = found.baseType === 'timestamptz' ? sql`(${value} at time zone ${sql.lit(timezone)})::date` : sql`${value}::date`;
  if (!['date', 'timestamp', 'timestamptz'].includes(found.baseType)) return sql`null::date`;
  return sql`case when isfinite(${value}) then ${day} end`;
}

/** By purpose. One whose end is written where it cannot be read here has ended: no basis is endless. */
function ends(subject: Subject, manifest: Manifest, column: Columns): Expression {
  const tables = Object.values(manifest.subjects).map((it) => it.table);
  const pairs = Object.entries(manifest.purposes).flatMap(([purpose, { ends: id }]): Expression[] => {
    if (id === null) return [];
    const { table, column: name } = columnParts(id);
    if (table !== subject.table) return tables.includes(table) ? [] : [sql`${sql.lit(purpose)}, '-infinity'::text`];
    const found = column(name);
    return [sql`${sql.lit(purpose)}, ${found === null ? sql`'-infinity'::text` : instant(found, manifest.timezone)}`];
  });
  // Postgres takes a hundred arguments; each purpose is two.
  const chunks = Array.from({ length: Math.ceil(pairs.length / 50) }, (_, index) => pairs.slice(index * 50, index * 50 + 50));
  if (chunks.length === 0) return sql`'{}'::jsonb`;
  return sql`${sql.join(
    chunks.map((chunk) => sql`jsonb_build_object(${sql.join(chunk)})`),
    sql` || `,
  )}`;
}

/** The first instant that the value can mean: a day begins at local midnight. */
function instant(column: CatalogColumn, zone: string): Expression {
  const value = ident('s', column.name);
  if (column.baseType === 'timestamptz') return sql`${value}`;
  if (column.baseType === 'date' || column.baseType === 'timestamp') return sql`${value}::timestamp at time zone ${sql.lit(zone)}`;
  return sql`'-infinity'::text`;
}
