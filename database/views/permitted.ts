import { sql, type RawBuilder } from 'kysely';
import type { Basis } from '../../manifest/model.ts';
import { isOptIn } from '../../manifest/basis.ts';
import type { PermissionRule } from '../../domain/permission/types.ts';
import type { SubjectFactColumns } from '../../domain/views/model.ts';
import { ident } from '../identifiers.ts';
import {
  allowsNow,
  and,
  byRegime,
  deniesNow,
  notEnded,
  ofAgeFor,
  ofAgeNow,
  or,
  regimeOf,
  spanOf,
  type Asked,
  type Condition,
} from './spans.ts';

/*
 * `probity.permissions` in the form of conditions on a row of the subject's table: the planner can turn them into joins, where a function
 * would be called once a row. The tests hold the two together.
 */

/** A restriction of processing leaves these alone. */
const UNRESTRICTED: readonly Basis[] = ['legal_obligation', 'vital_interests'];
/** Below this age opt-out regimes ask for an opt-in (CCPA, Cal. Civ. Code 1798.120). */
const CHILD = 16;
const EVERY = '*';

export interface Judged extends Asked {
  readonly rules: readonly PermissionRule[];
  readonly facts: SubjectFactColumns;
  /** Alias of the subject's row. */
  readonly row: string;
}

/** Conditions, all of which must hold, for the purpose (null: on any of its channels) now. */
export function permittedNow(judged: Judged, channel: string | null): Condition[] {
  const regimes = [...byRegime(judged.rules.filter((rule) => channel === null || rule.channel === channel))];
  const each = regimes.map(([regime, rules]) => ({ regime, conditions: regimeAllows(judged, regime, rules, channel) }));
  const ends = notEnded(judged.row, judged.facts);
  const [only] = each;
  if (only?.regime === EVERY) return [...ends, ...only.conditions];
  return [
    ...ends,
    byCase(
      judged,
      each.map(({ regime, conditions }) => ({ regime, condition: and(conditions) })),
    ),
  ];
}

/** The condition of the subject's regime; of all of them where it is unknown. */
export function byCase(judged: Judged, each: readonly { readonly regime: string; readonly condition: Condition }[]): Condition {
  const cases = each.map(({ regime, condition }) => sql`when ${sql.lit(regime)} then ${condition}`);
  const regime = regimeOf(judged.row, judged.facts);
  const all = and(each.map(({ condition }) => condition));
  return sql<boolean>`case when ${regime} is null then ${all} else case ${regime} ${sql.join(cases, sql` `)} else false end end`;
}

function regimeAllows(judged: Judged, regime: string, rules: readonly PermissionRule[], channel: string | null): Condition[] {
  const [first] = rules;
  if (first === undefined) return [sql<boolean>`false`];
  const kinds = new Set(rules.map((rule) => `${kindOf(rule.basis)} ${rule.minimumAge ?? 0}`));
  // One question instead of one a channel.
  if (channel === null && kinds.size === 1) return ruleAllows(judged, regime, first, null);
  if (channel === null) return [or(rules.map((rule) => and(ruleAllows(judged, regime, rule, rule.channel))))];
  return ruleAllows(judged, regime, first, channel);
}

function kindOf(basis: Basis): string {
  if (isOptIn(basis)) return 'opt-in';
  if (basis === 'opt_out') return basis;
  return UNRESTRICTED.includes(basis) ? 'unrestricted' : 'open';
}

/** `channel` null: the purpose as a whole, where all of its channels are judged alike. */
function ruleAllows(judged: Judged, regime: string, rule: PermissionRule, channel: string | null): Condition[] {
  const free = UNRESTRICTED.includes(rule.basis) ? [] : [notRestricted(judged)];
  const granted = exists(judged, 'n', regime, channel, [allowsNow('n'), ofAgeFor('n', judged.row, judged.facts)]);
  if (isOptIn(rule.basis)) return [...free, granted];
  const whole = channel === null ? [sql<boolean>`${ident('d', 'every_channel')}`] : [];
  const notDenied = sql<boolean>`not ${exists(judged, 'd', regime, channel, [deniesNow('d'), ...whole])}`;
  if (rule.basis === 'opt_out') {
    const grown = ofAgeNow(judged.row, judged.facts, Math.max(CHILD, rule.minimumAge ?? 0));
    return [...free, or([granted, and([grown, notDenied])])];
  }
  const age = rule.minimumAge === null ? [] : [ofAgeNow(judged.row, judged.facts, rule.minimumAge)];
  return [...free, ...age, notDenied];
}

function exists(judged: Asked, alias: string, regime: string, channel: string | null, conditions: readonly Condition[]): Condition {
  const on = channel === null ? [] : [sql<boolean>`${sql.lit(channel)} = any (${ident(alias, 'channels')})`];
  return sql<boolean>`exists (select from probity.permission_span as ${ident(alias)} where ${sql.join([spanOf(alias, judged, regime), ...conditions, ...on], sql` and `)})`;
}

function notRestricted(judged: Asked): Condition {
  return sql<boolean>`not exists (select from probity.permission_span as x where ${spanOf('x', { ...judged, purpose: EVERY }, EVERY)} and ${deniesNow('x')})`;
}

/**
 * Restrictions of everybody who ever had one, to be joined by the person's key: a question for each row would cost a look-up, and keep the
 * statement in one process.
 */
export function restrictions(judged: Asked): RawBuilder<unknown> {
  return sql`left join (
    select x.key, range_agg(tstzrange(x.from_at, x.until_at)) as during from probity.permission_span as x
    where x.purpose = ${sql.lit(EVERY)} and x.subject = ${sql.lit(judged.subject)} and not x.allows group by x.key
  ) as z on z.key = ${judged.key}`;
}

/** None of them was in force between two instants. */
export function notRestrictedThen(first: RawBuilder<Date>, last: RawBuilder<Date>): Condition {
  return sql<boolean>`(z.key is null or not z.during && tstzrange(${first}, ${last}, '[]'))`;
}
