import { sql, type RawBuilder } from 'kysely';
import type { CatalogTable } from '../../domain/catalog.ts';
import { documentParts, subjectReferences, type CopyColumn, type DocumentPart, type SubjectReference } from '../../domain/requests/copy.ts';
import { homeOf, erasureGraph, KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { EMAIL } from '../../domain/serving/replica.ts';
import { ident } from '../identifiers.ts';
import { all, any } from '../retention/protection.ts';
import type { Condition } from '../retention/times.ts';
import type { StoreCopy } from './copy.ts';
import { ownedAlone, type Look } from './erasure/judge.ts';
import { jsonPath, jsonSteps } from './erasure/json-paths.ts';
import { addressText, identityKeys, leadsTo, ROW, type Who } from './erasure/reach.ts';

export interface ShownRow {
  /** What is worked out once a row: who else it names. */
  readonly lateral: RawBuilder<unknown>;
  /** By column: its value as JSON, SQL's null where it is withheld. */
  readonly values: readonly RawBuilder<unknown>[];
  /** By column: how many things were withheld in it. */
  readonly redacted: readonly RawBuilder<unknown>[];
}

const FOUND = 'f';
const JSON_TYPES: readonly string[] = ['json', 'jsonb'];

interface Named extends DocumentPart {
  /** Columns of `FOUND`: what stands there, as text arrays. */
  readonly theirs: RawBuilder<unknown>;
  readonly others: RawBuilder<unknown>;
}

/** The columns of a row `t`, entered as `x`, as its person may see them. `somebodys`: rows of the table that are not theirs are another's. */
export function shownRow(copy: StoreCopy, look: Look, index: number, columns: readonly CopyColumn[], somebodys: boolean): ShownRow {
  const { catalog, manifest } = copy;
  const { name: table, plan, live } = look.target.tables[index]!;
  const whoOf = (subject: string): Who => ({ ...look.who, subject });
  const references = subjectReferences(table, catalog, manifest);
  const parts = documentParts(table, catalog, manifest).map((part, at): Named => ({
    ...part,
    theirs: ident(FOUND, `theirs${at}`),
    others: ident(FOUND, `others${at}`),
  }));
  const home = homeOf(erasureGraph(look.who.subject, catalog, manifest));
  // Who is named beside the person in a row about both; a person's own row may name whoever recommended them.
  const beside = references.flatMap(({ subject }, at) => (subject === look.who.subject && table !== home ? [ident(FOUND, `r${at}`)] : []));
  const isNaming = sql<boolean>`(x.outcome = 'other')`;
  const several = any([
    ...(plan?.shared === null || plan?.shared === undefined ? [] : [sql<boolean>`not ${ownedAlone(look, false)(plan.shared.owners, ROW)}`]),
    ...beside.map((it) => sql<boolean>`${it}`),
    ...(parts.length === 0 ? [] : [all([isNaming, any(parts.map(({ others }) => sql<boolean>`cardinality(${others}) > 0`))])]),
    sql<boolean>`false`,
  ]);
  const asked = [
    ...references.map((it, at) => sql`${isAnothers(it)} as ${ident(`r${at}`)}`),
    ...parts.flatMap((part, at) => [
      sql`${standingAt(part, live, true)} as ${ident(`theirs${at}`)}`,
      sql`${standingAt(part, live, false)} as ${ident(`others${at}`)}`,
    ]),
    sql`1 as one`,
  ];
  // Twice, since `several` asks what the first has found; `offset 0` keeps Postgres from working it out once a column.
  const lateral = sql`
    cross join lateral (select ${sql.join(asked)} offset 0) as ${ident(FOUND)}
    cross join lateral (select ${several} as several, ${somebodys ? isNaming : sql`false`} as strange offset 0) as g`;
  const shown = columns.map((column) => value(column));
  return { lateral, values: shown.map((it) => it.value), redacted: shown.map((it) => it.redacted) };

  function value(column: CopyColumn): { value: RawBuilder<unknown>; redacted: RawBuilder<unknown> } {
    const own = ident(ROW, column.name);
    const there = parts.filter((part) => part.column === column.name);
    if (there.length > 0) return document(column, there);
    const kept =
      live.primaryKey?.includes(column.name) === true || column.name === manifest.tables[`${copy.store.name}.${table}`]!.capturedAt;
    const withheld = any([
      ...references.flatMap((it, at) => (it.columns.includes(column.name) ? [otherPart(it, at, column.name)] : [])),
      ...(column.inCommon === 'show'
        ? []
        : [all([sql<boolean>`g.several`, ...(column.inCommon === 'withhold' ? [] : [isNoneOfTheirs(own)])])]),
      kept ? sql<boolean>`false` : sql<boolean>`g.strange`,
    ]);
    return {
      value: sql`case when ${own} is null then 'null' when ${withheld} then null else to_json(${own})::text end`,
      redacted: sql`case when ${own} is not null and ${withheld} then 1 else 0 end`,
    };
  }

  /** Without what names others; of a row about several people only where the person stands. */
  function document(column: CopyColumn, there: readonly Named[]): { value: RawBuilder<unknown>; redacted: RawBuilder<unknown> } {
    const own = ident(ROW, column.name);
    const cleaned = there.reduce<RawBuilder<unknown>>(
      (inner, part) => sql`
        probity.json_without(${inner}, ${jsonSteps(part.path)}::text[], true, ${part.others}, ${part.identity === EMAIL})`,
      sql`${own}::jsonb`,
    );
    const only = sql`jsonb_build_object(${sql.join(there.flatMap(({ path, theirs }) => [sql`${path}::text`, sql`to_jsonb(${theirs})`]))})`;
    const reduced = sql<boolean>`((g.several and ${sql.lit(column.inCommon !== 'show')}) or g.strange)`;
    const others = sql.join(there.map((part) => sql`cardinality(${part.others})`), sql` + `); // prettier-ignore
    return {
      value: sql`case when ${own} is null then 'null' when ${reduced} then ${only}::text else (${cleaned})::text end`,
      redacted: sql`case when ${own} is null then 0 when ${reduced} then 1 else ${others} end`,
    };
  }

  function isAnothers({ subject, columns: named, when, way }: SubjectReference): Condition {
    const holds = Object.entries(when).map(([name, is]) => sql<boolean>`${ident(ROW, name)}::text = ${String(is)}`);
    const filled = named.map((name) => sql<boolean>`${ident(ROW, name)} is not null`);
    const theirs = way === null ? [] : [sql<boolean>`(${leadsTo(way, table, catalog, whoOf(subject), nobody)}) is not true`];
    return sql<boolean>`coalesce(${all([...holds, ...filled, ...theirs])}, false)`;
  }

  /** Of another's key of several columns only what is not also the person's, such as a tenant's number. */
  function otherPart({ subject, columns: named, way }: SubjectReference, at: number, column: string): Condition {
    const another = sql<boolean>`${ident(FOUND, `r${at}`)}`;
    const mine = copy.keys.filter((it) => it.subject === subject && it.identity === KEY_IDENTITY);
    const place = way?.steps.length === 0 ? way.columns.indexOf(column) : -1;
    if (named.length === 1 || place < 0 || way?.identity !== KEY_IDENTITY || mine.length !== 1) return another;
    return all([another, sql<boolean>`${ident(ROW, column)}::text is distinct from ${mine[0]!.parts[place] ?? ''}`]);
  }

  function isNoneOfTheirs(own: RawBuilder<unknown>): Condition {
    return sql<boolean>`${addressText(own)} not in (
      select ${addressText(sql`k.parts[1]`)} from probity.run_key as k where k.run_id = ${look.who.runId} and k.identity <> ${KEY_IDENTITY})`;
  }

  /** What stands at the path, and is the person's or is not. */
  function standingAt(
    { column, path, subject, identity }: DocumentPart,
    { columns: all }: CatalogTable,
    theirs: boolean,
  ): RawBuilder<unknown> {
    if (!all.some((it) => it.name === column && JSON_TYPES.includes(it.baseType))) return sql`array[]::text[]`;
    const found = sql`(v #>> '{}')`;
    const text = identity === EMAIL ? addressText(found) : found;
    const keys = identityKeys(identity ?? KEY_IDENTITY, whoOf(subject));
    const among = identity === null ? sql`false` : sql`${text} in (select ${keys.value} from probity.run_key as k where ${keys.where})`;
    return sql`array(
      select ${theirs ? found : text} from jsonb_path_query(${ident(ROW, column)}::jsonb, ${jsonPath(jsonSteps(path) ?? [])}::text::jsonpath, '{}', true) as v
      where jsonb_typeof(v) not in ('null', 'array', 'object') and (${among}) = ${sql.lit(theirs)})`;
  }
}

/** No way here goes through what people share. */
function nobody(): Condition {
  return sql<boolean>`false`;
}
