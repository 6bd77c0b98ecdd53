import { sql, type RawBuilder } from 'kysely';
import { AT, NEAR_DOMAIN, type TermIndex } from '../../domain/requests/tokens.ts';
import { calledStems } from '../../domain/requests/called.ts';
import { ident } from '../identifiers.ts';

/** Words and numbers of many people are looked for by joining the tokens of each text with theirs. A superset: the text is judged outside. */

const EMAIL = '([0-9A-Za-z]*)[^0-9A-Za-z@[:space:]]*@([0-9A-Za-z]*)';
const TAGGED = String.raw`([0-9A-Za-z]+)[^0-9A-Za-z@[:space:]+]*\+[0-9A-Za-z._+%-]*@([0-9A-Za-z]*)`;
const DIGITS = String.raw`[0-9](?:[^0-9A-Za-z,:;"%\\\n]{0,4}[0-9]){6,}`;
/** Cheaper than to take them out, and true of few texts. */
const SEVEN_DIGITS = Array.from({ length: 7 }, () => '[0-9]').join('[^0-9A-Za-z]*');
const ENCODED_PLUS = String.raw`%(?:25)*2[Bb]|\\+u002[Bb]|&#43;`;
const ENCODED = String.raw`%(?:25)*[0-9A-Fa-f]{2}|\\+u[0-9A-Fa-f]{4}|\\+[bfnrt"/]|&#x?[0-9A-Fa-f]+;`;
/** Of ASCII, what may stand between two digits of a number (`BETWEEN` in domain/requests/phones.ts), and a plus. */
const BETWEEN_DIGITS = [' ', '\t', '(', ')', '.', '/', '-', '+'];
/** Every window of a text up to this length costs less than an expression that finds the numbers in it. Bytes. */
const SHORT = 32;

/** `tableoid` and `ctid` of the rows `t` in which a token of one of the columns is one of the run. */
export function tokenRows(
  runId: string,
  columns: readonly string[],
  from: RawBuilder<unknown>,
  range: RawBuilder<unknown>,
  index: TermIndex,
): RawBuilder<unknown> {
  const { kinds } = index;
  const branches = [
    ...(kinds.has('email') ? emailTokens(index) : []),
    ...(kinds.has('phone') ? phoneTokens() : []),
    ...(kinds.has('id') ? [idTokens(index.shortestId)] : []),
    ...(kinds.has('called') ? [calledTokens(index.called)] : []),
  ];
  if (branches.length === 0) return sql`select t.tableoid, t.ctid from ${from} where false`;
  // Fenced (`offset 0`), so that each is made once.
  return sql`
    select distinct t.tableoid, t.ctid
    from ${from}
    cross join lateral (
      select v.body, strpos(v.body, '@') > 0 as has_at, e.encoded, case when e.encoded then ${decoded(sql`v.body`)} else v.body end as plain
      from (values ${sql.join(columns.map((column) => sql`(${ident('t', column)}::text collate "C")`))}) v (body)
      cross join lateral (select strpos(v.body, '%') > 0 or strpos(v.body, ${'\\'}::text) > 0 or strpos(v.body, '&#') > 0 as encoded offset 0) e
      where v.body <> '' offset 0
    ) b
    cross join lateral (${sql.join(branches, sql` union all `)}) k
    join probity.run_term r on r.run_id = ${runId} and r.kind = k.kind and r.token = k.token
    where ${range}`;
}

/** As it stands, and decoded as far as tokens need it. */
function decoded(text: RawBuilder<unknown>): RawBuilder<unknown> {
  const plain = sql`regexp_replace(regexp_replace(regexp_replace(${text}, ${AT}::text, '@', 'gi'), ${ENCODED_PLUS}::text, '+', 'g'), ${ENCODED}::text, ' ', 'g')`;
  return sql`concat(${text}, E'\n', ${plain}) collate "C"`;
}

/**
 * Most texts with an address have one, as it is: then the characters on both sides of the sign are the token. Only expressions find the
 * addresses in others.
 */
function emailTokens({ windows }: TermIndex): RawBuilder<unknown>[] {
  const simple = windows === null ? sql`false` : sql`(not b.encoded and strpos(b.body, '+') = 0 and split_part(b.body, '@', 3) = '')`;
  const near = sql`
    select 'near' as kind, lower(right(split_part(b.body, '@', 1), w.size) || '@' || left(split_part(b.body, '@', 2), ${NEAR_DOMAIN})) as token
    from unnest(${windows ?? []}::integer[]) w (size) where b.has_at and ${simple}`;
  const tokens = (pattern: string, sign: string): RawBuilder<unknown> => sql`
    select 'email' as kind, lower(m[1] || '@' || m[2]) as token from regexp_matches(b.plain, ${pattern}::text, 'g') m
    where (b.has_at or b.encoded) and not ${simple} and strpos(b.plain, ${sign}::text) > 0`;
  return [...(windows === null ? [] : [near]), tokens(EMAIL, '@'), tokens(TAGGED, '+')];
}

/** Every seven digits in a row, since a number may stand beside another one. */
function phoneTokens(): RawBuilder<unknown>[] {
  const short = sql`(octet_length(b.body) between 7 and ${SHORT} and octet_length(b.body) = length(b.body) and not b.encoded)`;
  const digits = BETWEEN_DIGITS.reduce((text, sign) => sql`replace(${text}, ${sign}::text, '')`, sql`b.body`);
  return [
    sql`
      select 'phone' as kind, substr(d.digits, s.start, 7) as token
      from (select ${digits} as digits where ${short} and b.plain ~ ${SEVEN_DIGITS}::text offset 0) d
      cross join lateral generate_series(1, length(d.digits) - 6) s (start)`,
    sql`
      select 'phone' as kind, substr(d.digits, s.start, 7) as token
      from regexp_matches(b.plain, ${DIGITS}::text, 'g') m
      cross join lateral (select regexp_replace(m[1], '[^0-9]', '', 'g') as digits offset 0) d
      cross join lateral generate_series(1, length(d.digits) - 6) s (start)
      where not ${short} and b.plain ~ ${SEVEN_DIGITS}::text`,
  ];
}

function idTokens(least: number): RawBuilder<unknown> {
  const words = `[0-9A-Za-z]{${least},}`;
  return sql`select 'id' as kind, lower(m[1]) as token from regexp_matches(b.plain, ${words}::text, 'g') m`;
}

/** What follows where a text calls somebody's key by a name. Of keys that are numbers, the numbers that come next. */
function calledTokens(called: TermIndex['called']): RawBuilder<unknown> {
  const stems = [...new Set(called.flatMap(({ as }) => calledStems(as)))];
  const named = stems.map((stem) => sql`strpos(lower(b.body), ${stem}::text) > 0`);
  const isNumber = (token: string): boolean => /^[0-9]+$/.test(token);
  const numbers = called.every(({ as, terms }) => [...terms.keys()].every(isNumber) && !as.names.some((name) => /[0-9]/.test(name)));
  const behind = numbers ? `(?:${stems.join('|')})[^0-9]*([0-9]+(?:[^0-9a-z]+[0-9]+)*)` : '(.*)';
  const words = numbers ? ['([0-9]+)'] : ['([0-9]+)', '([0-9a-z]*[0-9][0-9a-z]*)'];
  return sql`
    select 'called' as kind, coalesce(nullif(ltrim(w.one[1], '0'), ''), '0') as token
    from regexp_matches(lower(b.plain), ${behind}::text, 'g') m
    cross join lateral (${sql.join(
      words.map((word) => sql`select regexp_matches(m[1], ${word}::text, 'g') as one`),
      sql` union all `,
    )}) w where ${sql.join(named, sql` or `)}`;
}
