import { sql, type RawBuilder } from 'kysely';
import type { ChannelEnd, KeyDomain, PurposeViews, TableView, ViewColumn } from '../../domain/views/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { permittedNow } from './permitted.ts';
import { and } from './spans.ts';
import { keptJoins, type Kept } from './kept.ts';
import { leadsToSomebody, ROW, shownRows } from './way.ts';
import { keyTextIn } from '../subject-key.ts';

/** Bytes of a pseudonym: two people share one with a chance of 2^-64 only among 2^32. */
const PSEUDONYM_BYTES = 16;
export const CHANNELS_VIEW = 'permitted_channels';

/** The query of a view. It holds no secret: everybody may read a view's definition. */
export function tableViewQuery(of: PurposeViews, view: TableView): RawBuilder<unknown> {
  const columns = view.columns.map((column, index) => sql`${columnSql(of, column, index)} as ${ident(column.name)}`);
  const conditions = [sql<boolean>`(select probity.serving_open())`, ...shownRows(of, view.ways, view.withoutSubject)];
  const from = sql`${tableRef(view.table)} as ${ident(ROW)}${keptJoins(of.purpose, keptIn(view))}`;
  return sql`select ${sql.join(columns)} from ${from} where ${sql.join(conditions, sql` and `)}`;
}

function keptAlias(index: number): string {
  return `p${index}`;
}

function keptIn({ columns }: TableView): Kept[] {
  return columns.flatMap((column, index) =>
    column.kind === 'pseudonym' && column.kept !== null
      ? [{ alias: keptAlias(index), column: ident(ROW, column.name), key: column.kept }]
      : [],
  );
}

/** Whom the purpose may address on which channel, a row for each pair. */
export function channelsViewQuery(of: PurposeViews): RawBuilder<unknown> {
  const channels = [...new Set(of.rules.map((rule) => rule.channel))];
  const parts = of.channels.map(
    (end) => sql`select ${channelsPseudonym(of, end)} as pseudonym, q.channel
    from ${tableRef(end.table)} as ${ident(ROW)}${keptJoins(of.purpose, keptAt(end))} cross join (values ${sql.join(channels.map((channel) => sql`(${sql.lit(channel)}::text)`))}) as q (channel)
    where (select probity.serving_open()) and ${channelAllows(of, end, channels)}`,
  );
  return sql.join(parts, sql` union all `);
}

function keptAt({ kept, columns }: ChannelEnd): Kept[] {
  const [name] = columns;
  return kept === null || name === undefined ? [] : [{ alias: keptAlias(0), column: ident(ROW, name), key: kept }];
}

function channelAllows(of: PurposeViews, end: ChannelEnd, channels: readonly string[]): RawBuilder<boolean> {
  if (end.judged.by !== 'facts') return sql<boolean>`false`;
  const judged = { ...of, facts: end.judged.facts, row: ROW, subject: end.subject, key: keyTextIn(ROW, end.columns) };
  const cases = channels.map((channel) => sql`when ${sql.lit(channel)} then ${and(permittedNow(judged, channel))}`);
  return sql<boolean>`case q.channel ${sql.join(cases, sql` `)} else false end`;
}

/** As the views show the key; of several columns, one after the other. */
function channelsPseudonym(of: PurposeViews, end: ChannelEnd): RawBuilder<unknown> {
  const [kept] = keptAt(end);
  if (kept !== undefined) return ident(kept.alias, 'pseudonym');
  const parts = end.columns.map((column, index) => hashed(of.purpose, end.domains[index] ?? '', ident(ROW, column)));
  return parts.length === 1 ? parts[0]! : sql`concat_ws(':', ${sql.join(parts)})`;
}

function columnSql(of: PurposeViews, column: ViewColumn, index: number): RawBuilder<unknown> {
  const value = ident(ROW, column.name);
  if (column.kind === 'plain') return value;
  if (column.kind === 'json') return jsonWithout(value, column.type, column.without);
  if (column.kept !== null) return ident(keptAlias(index), 'pseudonym');
  const shown = pseudonym(of.purpose, column.domains, value);
  return column.shownIf === null ? shown : sql`case when ${leadsToSomebody(of, column.shownIf)} then ${shown} end`;
}

function pseudonym(purpose: string, domains: readonly KeyDomain[], value: RawBuilder<unknown>): RawBuilder<unknown> {
  const otherwise = domains.at(-1)?.domain ?? '';
  const kinds = domains.slice(0, -1).map(({ when, domain }) => {
    const is = and(Object.entries(when).map(([column, wanted]) => sql<boolean>`${ident(ROW, column)}::text = ${sql.lit(String(wanted))}`));
    return sql`when ${is} then ${sql.lit(domain)}`;
  });
  if (kinds.length === 0) return hashed(purpose, otherwise, value);
  return hashed(purpose, sql`case ${sql.join(kinds, sql` `)} else ${sql.lit(otherwise)} end`, value);
}

/** SHA-256 over the purpose's secret, what the key names, and the key; null of null. */
function hashed(purpose: string, domain: string | RawBuilder<unknown>, value: RawBuilder<unknown>): RawBuilder<unknown> {
  const secret = sql`(select k.secret from probity.pseudonym_key as k where k.purpose = ${sql.lit(purpose)})`;
  const named = typeof domain === 'string' ? sql`${sql.lit(`${domain}:`)}` : sql`${domain} || ':'`;
  return sql`encode(substr(sha256(${secret} || convert_to(${named} || ${value}::text, 'UTF8')), 1, ${sql.lit(PSEUDONYM_BYTES)}), 'hex')`;
}

/**
 * Takes the declared paths out. Where a value lies at such a path only when arrays on the way are looked into, its place is not what was
 * declared, and the whole document is hidden.
 */
function jsonWithout(value: RawBuilder<unknown>, type: 'json' | 'jsonb', without: readonly (readonly string[])[]): RawBuilder<unknown> {
  const document = type === 'json' ? sql`${value}::jsonb` : value;
  const lax = without.map((path) => sql<boolean>`jsonb_path_exists(${document}, ${sql.lit(jsonPath('lax', path))})`);
  const exact = without.map((path) => ({
    path,
    // An error that is kept silent gives null.
    there: sql<boolean>`jsonb_path_exists(${document}, ${sql.lit(jsonPath('strict', path))}, '{}', true) is true`,
  }));
  const cleaned = exact.reduce(
    (inner, { path, there }) =>
      sql`case when ${there} then ${inner} #- array[${sql.join(path.map((part) => sql.lit(part)))}] else ${inner} end`,
    document,
  );
  const misplaced = exact.map(({ there }, index) => sql<boolean>`(${lax[index]!} and not ${there})`);
  const any = sql.join(lax, sql` or `);
  const all = sql`case when ${sql.join(misplaced, sql` or `)} then null when ${any} then ${cleaned} else ${document} end`;
  return type === 'json' ? sql`(${all})::json` : all;
}

function jsonPath(mode: 'strict' | 'lax', path: readonly string[]): string {
  return `${mode} $${path.map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${JSON.stringify(part)}`)).join('')}`;
}
