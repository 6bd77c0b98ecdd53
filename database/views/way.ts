import { sql, type RawBuilder } from 'kysely';
import { isOptIn } from '../../manifest/basis.ts';
import type { PermissionRule } from '../../domain/permission/types.ts';
import type { Capture, Step, SubjectEnd, Way } from '../../domain/views/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { addressAlone } from '../requests/erasure/reach.ts';
import { byCase, notRestrictedThen, permittedNow, restrictions, type Judged } from './permitted.ts';
import { allowedThen, allowsNow, and, byRegime, captured, ofAgeFor, or, spanOf, type Asked, type Condition } from './spans.ts';
import { keyTextIn } from '../subject-key.ts';

/** Alias of the row that a view shows or hides. */
export const ROW = 'r';
const SUBJECT = 's';
/** What the home store said to a replica: all regimes, ages and ends are in it already. */
const EVERY = '*';

export interface Purpose {
  readonly purpose: string;
  readonly rules: readonly PermissionRule[];
}

/** Which rows a view shows: everybody that they lead to has permission; under an opt-in basis they lead to somebody. */
export function shownRows(purpose: Purpose, ways: readonly Way[], withoutSubject: boolean): Condition[] {
  if (ways.length === 0) return withoutSubject ? [] : [sql<boolean>`false`];
  const [only] = ways;
  if (!withoutSubject && ways.length === 1 && only !== undefined)
    return [...(hasMany(only) ? [nobodyWithout(purpose, only)] : []), leadsToSomebody(purpose, only)];
  const each = ways.map((way) => ({ way, somebody: leadsToSomebody(purpose, way) }));
  const conditions = each.map(({ way, somebody }) => {
    if (hasMany(way)) return nobodyWithout(purpose, way);
    return way.mayLeadNowhere ? or([leadsNowhere(way), somebody]) : somebody;
  });
  const certain = each.some(({ way }) => !way.mayLeadNowhere && !hasMany(way));
  return withoutSubject || certain ? conditions : [...conditions, or(each.map(({ somebody }) => somebody))];
}

function hasMany(way: Way): boolean {
  return way.steps.some((step) => step.many);
}

/** The way reaches a person with permission, now and (where asked for) when the row was captured. */
export function leadsToSomebody(purpose: Purpose, way: Way): Condition {
  if (way.capture === 'unknown') return sql<boolean>`false`;
  const tables = way.steps.map((step, index) => sql`${tableRef(step.to)} as ${ident(aliasAt(index + 1))}`);
  const joined = way.steps.map((step, index) => joins(step, aliasAt(index), aliasAt(index + 1)));
  const person = personAt(purpose, way, aliasAt(way.steps.length));
  return existsIn(tables, person, joined);
}

function existsIn(before: readonly RawBuilder<unknown>[], person: Person, joined: readonly Condition[]): Condition {
  const tables = [...before, ...(person.table === null ? [] : [person.table])];
  const last = tables.pop() ?? (person.left.length === 0 ? null : sql`(values (1)) as one`);
  // Only what stands right before them may be named in their conditions.
  const from = [...tables, ...(last === null ? [] : [sql.join([last, ...person.left], sql` `)]), ...person.inner];
  const where = [...joined, ...person.conditions];
  return from.length === 0 ? and(where) : sql<boolean>`exists (select from ${sql.join(from)} where ${sql.join(where, sql` and `)})`;
}

/** `child.columns = parent.columns` and the values that make a polymorphic reference hold, as literals: a view takes no parameters. */
function joins(step: Step, child: string, parent: string): Condition {
  const cast = step.asText ? sql`::text` : sql``;
  const pairs = step.columns.map(
    (column, index) => sql<boolean>`${ident(child, column)}${cast} = ${ident(parent, step.toColumns[index] ?? '')}${cast}`,
  );
  const when = Object.entries(step.when).map(([column, value]) => sql<boolean>`${ident(child, column)}::text = ${sql.lit(String(value))}`);
  return and([...pairs, ...when]);
}

/** Of all that the way reaches, nobody lacks permission. */
function nobodyWithout(purpose: Purpose, way: Way): Condition {
  const tables = way.steps.map((step, index) => sql`${tableRef(step.to)} as ${ident(aliasAt(index + 1))}`);
  const last = aliasAt(way.steps.length);
  const joined = way.steps.map((step, index) => joins(step, aliasAt(index), aliasAt(index + 1)));
  const named = way.end.columns.map((column) => sql<boolean>`${ident(last, column)} is not null`);
  const person = way.capture === 'unknown' ? null : personAt(purpose, way, last);
  const permitted = person === null ? sql<boolean>`false` : existsIn([], person, []);
  return sql<boolean>`not exists (select from ${sql.join(tables)} where ${sql.join([...joined, ...named], sql` and `)} and (${permitted}) is not true)`;
}

/** A reference on the way is empty, or of another kind. What names somebody who is not there does not lead nowhere: nobody knows who it is. */
function leadsNowhere(way: Way): Condition {
  const hops = [...way.steps.map(({ columns, when }) => ({ columns, when })), { columns: way.end.columns, when: {} }];
  const conditions = hops.map(({ columns, when }, index) => {
    const at = aliasAt(index);
    const empty = or([
      ...Object.entries(when).map(([column, value]) => sql<boolean>`${ident(at, column)}::text is distinct from ${sql.lit(String(value))}`),
      ...columns.map((column) => sql<boolean>`${ident(at, column)} is null`),
    ]);
    if (index === 0) return empty;
    const before = way.steps.slice(0, index);
    const tables = before.map((step, hop) => sql`${tableRef(step.to)} as ${ident(aliasAt(hop + 1))}`);
    const joined = before.map((step, hop) => joins(step, aliasAt(hop), aliasAt(hop + 1)));
    return sql<boolean>`exists (select from ${sql.join(tables)} where ${sql.join([...joined, empty], sql` and `)})`;
  });
  return or(conditions);
}

function aliasAt(hop: number): string {
  return hop === 0 ? ROW : `w${hop}`;
}

interface Person {
  /** The subject's, where the way does not end in it. */
  readonly table: RawBuilder<unknown> | null;
  /** `left join …`, of the table before. */
  readonly left: readonly RawBuilder<unknown>[];
  readonly inner: readonly RawBuilder<unknown>[];
  readonly conditions: readonly Condition[];
}

const NO_TABLES = { table: null, left: [], inner: [] };

function personAt(purpose: Purpose, way: Way, last: string): Person {
  const { end } = way;
  const capture = way.capture === 'unknown' ? null : way.capture;
  if (end.judged.by === 'nobody') return { ...NO_TABLES, conditions: [sql<boolean>`false`] };
  if (end.judged.by === 'replica') return byReplica(purpose.purpose, end, end.judged.identity, last, capture);
  const { facts } = end.judged;
  const row = facts.itself ? last : SUBJECT;
  const judged: Judged = { ...purpose, facts, row, subject: end.subject, key: keyTextIn(row, facts.key) };
  const cast = end.asText ? sql`::text` : sql``;
  const found = facts.itself
    ? []
    : end.columns.map((column, index) => sql<boolean>`${ident(SUBJECT, facts.key[index] ?? '')}${cast} = ${ident(last, column)}${cast}`);
  const table = facts.itself ? null : sql`${tableRef(facts.table)} as ${ident(SUBJECT)}`;
  const now = permittedNow(judged, null);
  const then = capture === null ? { left: [], inner: [], conditions: [] } : capturedUnder(judged, capture);
  return { table, left: then.left, inner: then.inner, conditions: [...found, ...now, ...then.conditions] };
}

/** Spans that held when the row was captured: joined, so that one hash table over people and their spans answers for every row. */
function capturedUnder(judged: Judged, capture: Capture): Omit<Person, 'table'> {
  const row = aliasAt(capture.hop);
  const [first, last] = captured(row, capture);
  const regimes = [...byRegime(judged.rules)].map(([regime, rules]) => ({ regime, asked: rules.some((rule) => isOptIn(rule.basis)) }));
  const span = (alias: string, regime: string): Condition =>
    and([spanOf(alias, judged, regime), ofAgeFor(alias, judged.row, judged.facts)]);
  const [only] = regimes;
  if (only?.regime === EVERY) {
    const under = restrictions({ ...judged, key: sql<string>`c.key` });
    const conditions = [span('c', EVERY), allowedThen('c', row, capture), notRestrictedThen(first, last)];
    return { left: [], inner: [sql`probity.permission_span as c ${under}`], conditions };
  }
  const numbered = regimes.map((it, index) => ({ ...it, alias: `c${index}` }));
  const left = numbered
    .filter(({ asked }) => asked)
    .map(
      ({ alias, regime }) =>
        sql`left join probity.permission_span as ${ident(alias)} on ${span(alias, regime)} and ${ident(alias, 'allows')}`,
    );
  const held = numbered.map(({ alias, regime, asked }) => ({
    regime,
    condition: asked
      ? and([sql<boolean>`coalesce(${allowedThen(alias, row, capture)}, false)`, notRestrictedThen(first, last)])
      : sql<boolean>`true`,
  }));
  return { left: [...left, restrictions(judged)], inner: [], conditions: [byCase(judged, held)] };
}

function byReplica(purpose: string, end: SubjectEnd, identity: 'key' | 'email', last: string, capture: Capture | null): Person {
  const key = identity === 'key' ? keyTextIn(last, end.columns) : addressHash(last, end.columns[0] ?? '');
  const asked: Asked = { purpose, subject: identity === 'key' ? end.subject : 'email', key };
  const now = sql<boolean>`exists (select from probity.permission_span as n where ${spanOf('n', asked, EVERY)} and ${allowsNow('n')})`;
  if (capture === null) return { ...NO_TABLES, conditions: [now] };
  return {
    ...NO_TABLES,
    inner: [sql`probity.permission_span as c`],
    conditions: [spanOf('c', asked, EVERY), allowedThen('c', aliasAt(capture.hop), capture), now],
  };
}

function addressHash(alias: string, column: string): RawBuilder<string> {
  return sql<string>`encode(sha256(convert_to(${addressAlone(ident(alias, column))}, 'UTF8')), 'hex')`;
}
