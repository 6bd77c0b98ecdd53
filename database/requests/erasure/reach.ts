import { sql, type RawBuilder } from 'kysely';
import type { Catalog, CatalogColumn } from '../../../domain/catalog.ts';
import { KEY_IDENTITY } from '../../../domain/requests/graph.ts';
import type { ErasureWay, Owner } from '../../../domain/requests/model.ts';
import type { Edge } from '../../../domain/retention/graph.ts';
import { EMAIL } from '../../../domain/serving/replica.ts';
import { ident, tableRef } from '../../identifiers.ts';
import { all, any, joins } from '../../retention/protection.ts';
import type { Condition } from '../../retention/times.ts';
import type { People } from './keys.ts';

/** Alias of the row that is judged. */
export const ROW = 't';
const KEY = 'k';

/** Which keys of a run count. */
export interface Who extends People {
  readonly subject: string;
  /** Ordinals of people who are held as a whole: left out. */
  readonly without: readonly number[];
  /** The same of the people of all chunks: who goes in another chunk of the run owns no more than who goes in this one. */
  readonly heldAnywhere: readonly number[];
}

/** True of rows of the shared table `alias` that nobody else owns. */
export type OwnedAlone = (owners: Edge, alias: string) => Condition;

/** The row `t` leads along the way to somebody of `who`. By tuples of the columns, so that Postgres may start from the keys. */
export function leadsTo(way: ErasureWay, table: string, catalog: Catalog, who: Who, alone: OwnedAlone): Condition {
  return all([leads(way, table, catalog, who, alone), ...counting(way, 0, catalog, who, alone)]);
}

/** Where a way counts at all, of its conditions on one table. */
function counting(way: ErasureWay, hop: number, catalog: Catalog, who: Who, alone: OwnedAlone): Condition[] {
  const alias = hop === 0 ? ROW : `s${hop}`;
  const { shared, together } = way;
  return [
    ...(shared?.hop === hop ? [alone(shared.owners, alias)] : []),
    // Of the row itself it is settled, and said, once it is entered.
    ...together
      .filter((it) => hop > 0 && it.hop === hop)
      .map(({ owners }) => sql<boolean>`not ${ownedByOthers(owners, way.steps[hop - 1]!.to, alias, catalog, who)}`),
  ];
}

function leads(way: ErasureWay, table: string, catalog: Catalog, who: Who, alone: OwnedAlone): Condition {
  const [first, ...further] = way.steps;
  if (first === undefined) {
    const own = way.columns.map((column) => sideOf(way, ident(ROW, column)));
    const parts = way.columns.map((column, index) => partOf(way, index, columnOf(catalog, table, column)));
    return sql<boolean>`(${sql.join(own)}) in (select ${sql.join(parts)} from probity.run_key as ${ident(KEY)} where ${amongKeys(way, who)})`;
  }
  const cast = first.asText ? sql`::text` : sql``;
  const own = first.columns.map((column) => sql`${ident(ROW, column)}${cast}`);
  const there = first.toColumns.map((column) => sql`${ident('s1', column)}${cast}`);
  const when = Object.entries(first.when).map(([column, value]) => sql<boolean>`${ident(ROW, column)}::text = ${String(value)}`);
  const tables = way.steps.map((step, index) => sql`${tableRef(step.to)} as ${ident(`s${index + 1}`)}`);
  const joined = further.map((step, index) => joins(step, `s${index + 1}`, `s${index + 2}`));
  const on = way.steps.flatMap((_, index) => counting(way, index + 1, catalog, who, alone));
  const condition = all([...joined, ...on, namesKey(way, `s${way.steps.length}`, catalog), amongKeys(way, who)]);
  // A key between partitions says more than that values are equal.
  if (first.partly?.pairs) {
    const from = sql`${sql.join(tables)}, probity.run_key as ${ident(KEY)}`;
    return sql<boolean>`exists (select 1 from ${from} where ${all([joins(first, ROW, 's1'), condition])})`;
  }
  return all([
    ...when,
    sql<boolean>`(${sql.join(own)}) in (select ${sql.join(there)} from ${sql.join(tables)}, probity.run_key as ${ident(KEY)} where ${condition})`,
  ]);
}

/** What stands behind `from`, and the condition, for a join of the rows `t` of a table (`rows`: a part of it) with the keys `k` along a way. */
export function joinedAlong(
  way: ErasureWay,
  table: string,
  catalog: Catalog,
  who: Who,
  alone: OwnedAlone,
  rows: RawBuilder<unknown> = tableRef(table),
): { from: RawBuilder<unknown>; where: Condition } {
  const aliases = [ROW, ...way.steps.map((_, index) => `s${index + 1}`)];
  const tables = [rows, ...way.steps.map((step) => tableRef(step.to))].map((each, index) => sql`${each} as ${ident(aliases[index] ?? '')}`);
  const steps = way.steps.map((step: Edge, index) => joins(step, aliases[index] ?? '', aliases[index + 1] ?? ''));
  const on = aliases.flatMap((_, hop) => counting(way, hop, catalog, who, alone));
  const where = all([...steps, ...on, namesKey(way, aliases.at(-1) ?? ROW, catalog, table), amongKeys(way, who)]);
  return { from: sql`${sql.join(tables)}, probity.run_key as ${ident(KEY)}`, where };
}

/** The way in words: `order_id → public.order → customer_id`. */
export function wayText(way: ErasureWay): string {
  return [...way.steps.flatMap((step) => [step.columns.join(', '), step.to]), way.columns.join(', ')].join(' → ');
}

function namesKey(way: ErasureWay, alias: string, catalog: Catalog, table?: string): Condition {
  const last = way.steps.at(-1)?.to ?? table ?? '';
  const same = way.columns.map((column, index) => {
    return sql<boolean>`${sideOf(way, ident(alias, column))} = ${partOf(way, index, columnOf(catalog, last, column))}`;
  });
  return all(same);
}

function amongKeys({ identity }: ErasureWay, who: Who): Condition {
  return identityKeys(identity, who).where;
}

/**
 * Some reference of the row names an owner who is not among the people and is still there: somebody whose row must stay as long as others own
 * what it stands for is known to be gone by their tombstone.
 */
export function ownedByOthers(owners: readonly Owner[], table: string, alias: string, catalog: Catalog, who: Who): Condition {
  const going = { ...who, chunk: null, without: who.heldAnywhere };
  const each = owners.map((owner) => {
    const columns = owner.columns.map((column) => ident(alias, column));
    const when = Object.entries(owner.when).map(([column, value]) => sql<boolean>`${ident(alias, column)}::text = ${String(value)}`);
    const parts = owner.columns.map((column, index) => partOf(owner, index, columnOf(catalog, table, column)));
    const among =
      owner.subject === who.subject
        ? [
            sql<boolean>`(${sql.join(columns.map((column) => sideOf(owner, column)))}) not in
              (select ${sql.join(parts)} from probity.run_key as ${ident(KEY)} where ${identityKeys(owner.identity, going).where})`,
          ]
        : [];
    const texts = columns.map((column) => sql`${column}::text`);
    const value = texts.length === 1 ? texts[0]! : sql`to_jsonb(array[${sql.join(texts)}])::text`;
    const erased = sql<boolean>`not probity.is_erased(${owner.subject}::text, ${owner.identity}::text, ${value}, null::timestamptz,
      ${owner.purposes}::text[])`;
    // A blank is nobody's address, and what we have written in place of one, neither.
    const said = owner.identity === KEY_IDENTITY ? [] : [sql<boolean>`btrim(${value}) <> '' and ${value} !~ '^erased(-|$)'`];
    return all([...columns.map((column) => sql<boolean>`${column} is not null`), ...said, ...when, ...among, erased]);
  });
  return any(each);
}

/** The people's identities of one kind among the keys `k`: as text, and the condition. */
export function identityKeys(identity: string, who: Who): { value: RawBuilder<unknown>; where: Condition } {
  const part = sql`${ident(KEY)}.parts[1]`;
  const where = all([
    sql<boolean>`${ident(KEY)}.run_id = ${who.runId} and ${ident(KEY)}.class = ${who.class} and ${ident(KEY)}.subject = ${who.subject}`,
    sql<boolean>`${ident(KEY)}.identity = ${identity}`,
    ...(who.chunk === null ? [] : [sql<boolean>`${ident(KEY)}.chunk = ${who.chunk}`]),
    ...(who.without.length === 0 ? [] : [sql<boolean>`${ident(KEY)}.person <> all(${who.without}::integer[])`]),
  ]);
  return { value: identity === EMAIL ? addressText(part) : part, where };
}

/** People write one address in several ways: no outer blanks, no case. As the consent ledger compares them. */
export function addressText(value: RawBuilder<unknown>): RawBuilder<string> {
  return sql<string>`lower(btrim(${value}::text))`;
}

/** What columns hold, and how it is compared. */
type Named = Pick<ErasureWay, 'identity' | 'asText'>;

/** The same where no index of the company's has to serve: without any white space around it. */
export function addressAlone(value: RawBuilder<unknown>): RawBuilder<string> {
  return sql<string>`lower(btrim(${value}::text, E' \\t\\n\\r\\f\\x0b'))`;
}

function sideOf(way: Named, value: RawBuilder<unknown>): RawBuilder<unknown> {
  if (way.identity === EMAIL) return addressText(value);
  return way.asText ? sql`${value}::text` : value;
}

function partOf(way: Named, index: number, column: CatalogColumn): RawBuilder<unknown> {
  const part = sql`${ident(KEY)}.parts[${sql.lit(index + 1)}]`;
  if (way.identity === EMAIL) return addressText(part);
  return way.asText ? part : sql`cast(${part} as ${sql.raw(comparedAs(column))})`;
}

/** The column's type without length and precision: a cast to them would cut a longer value down to somebody else's. */
function comparedAs(column: CatalogColumn): string {
  if (column.baseType === 'text' || column.baseType === 'varchar') return 'text';
  if (column.baseType === 'bpchar') return 'bpchar';
  return column.type.replace(/\([\d, ]+\)/, '');
}

export function columnOf(catalog: Catalog, table: string, name: string): CatalogColumn {
  const column = catalog.tables[table]?.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw new Error(`There is no column ${name} in ${table}`);
  return column;
}
