import type { Basis } from '../../manifest/model.ts';
import { addDuration } from '../time.ts';
import { ofAge } from './age.ts';
import { answers, compare, inScope, knowing, timeOf } from './order.ts';
import { ANY_REGIME } from './rules.ts';
import { MICROS_PER_MS } from './types.ts';
import type { Answer, ConsentRecord, Micros, PermissionRule, Question, Reason, SubjectFacts } from './types.ts';

/** Below this age, opt-out regimes ask for an opt-in; from the second on the child itself may give it (CCPA, Cal. Civ. Code 1798.120). */
const CHILD = 16;
const YOUNGEST = 13;
/** Bases that a subject's word does not end. */
const UNCONDITIONAL: ReadonlySet<string> = new Set<Basis>(['contract', 'legal_obligation', 'vital_interests']);
/** Bases that a restriction (Art. 18) leaves. */
const BEYOND_RESTRICTION: ReadonlySet<Basis> = new Set<Basis>(['legal_obligation', 'vital_interests']);
const NEGATIVE: ReadonlySet<string> = new Set(['refused', 'withdrawn', 'objected', 'objection_upheld']);
const OFFERS: ReadonlySet<string> = new Set(['asked', 'pending', 'granted']);
/** Of several channels that all deny, the answer tells the first of these: what can be mended comes before what cannot. */
const TELLING: readonly Reason[] = [
  'unconfirmed', 'expired', 'unknown_age', 'under_age', 'withdrawn', 'refused', 'objected', 'objection_upheld', 'not_asked', 'no_consent', 'restricted', 'ended',
]; // prettier-ignore

/** One rule, with what bears on it of what had been said by the time that is asked for. */
interface Case {
  readonly rule: PermissionRule;
  readonly facts: SubjectFacts;
  readonly at: Micros;
  /** In scope of the rule's channel, in their order. */
  readonly said: readonly ConsentRecord[];
  /** Grants among them that count: under double opt-in the confirmed ones. */
  readonly grants: readonly ConsentRecord[];
  /** The restriction that stands, if any. */
  readonly restriction: ConsentRecord | null;
}

/**
 * May the purpose use the person's data on the channel at that time? `history` holds every record of the person and of what was linked to
 * it, in any order. What is not known is answered with no; a regime that is not known must allow under every regime.
 */
export function permission(
  rules: readonly PermissionRule[],
  history: readonly ConsentRecord[],
  facts: SubjectFacts,
  { purpose, channel, at }: Question,
): Answer {
  const declared = rules.filter((rule) => rule.purpose === purpose);
  if (declared.length === 0) return no('unknown_purpose');
  const onChannel = declared.filter((rule) => channel === null || rule.channel === channel);
  if (onChannel.length === 0) return no('unknown_channel');
  if (!facts.known) return no('unknown_subject');
  const asked = onChannel.filter(({ regime }) => regime === ANY_REGIME || facts.regime === null || regime === facts.regime);
  if (asked.length === 0) return no('unknown_regime');

  // What comes later neither ends a grant nor answers a refusal yet.
  const past = history.filter((it) => timeOf(it) <= at).sort(compare);
  const said = past.filter((it) => it.purpose === purpose);
  const restriction = standing(past.filter((it) => it.purpose === '*'));
  const byRegime = [...Map.groupBy(asked, (rule) => rule.regime).values()].map((ofRegime) =>
    onAnyChannel(ofRegime.map((rule) => judge(caseOf(rule, facts, at, said, restriction)))),
  );
  return byRegime.find((it) => !it.allowed) ?? byRegime[0]!;
}

function onAnyChannel(perChannel: readonly Answer[]): Answer {
  const order = (it: Answer): number => TELLING.indexOf(it.reason);
  return perChannel.find((it) => it.allowed) ?? perChannel.toSorted((one, other) => order(one) - order(other))[0]!;
}

function caseOf(
  rule: PermissionRule,
  facts: SubjectFacts,
  at: Micros,
  records: readonly ConsentRecord[],
  restriction: ConsentRecord | null,
): Case {
  const said = records.filter((it) => inScope(it, rule.channel));
  const grants = said.filter((it) => it.decision === 'granted' && (!rule.doubleOptIn || confirmed(it, records)));
  return { rule, facts, at, said, grants, restriction };
}

/** The double opt-in's first half came from the same source and for the same channel, and nothing negative came between. */
function confirmed(grant: ConsentRecord, records: readonly ConsentRecord[]): boolean {
  const same = records.filter((it) => it.source === grant.source && compare(it, grant) <= 0);
  const pending = same.filter((it) => it.decision === 'pending' && it.channel === grant.channel);
  const negatives = same.filter((it) => isNegative(it) && (it.channel === null || it.channel === grant.channel));
  return pending.some((first) => negatives.every((it) => compare(it, first) < 0));
}

/** The newest restriction that nobody has lifted. */
function standing(records: readonly ConsentRecord[]): ConsentRecord | null {
  const lifts = records.filter((it) => it.decision === 'restriction_lifted');
  const restrictions = records.filter((it) => it.decision === 'restricted');
  return restrictions.findLast((it) => !lifts.some((lift) => compare(lift, it) > 0 && knowing(lift, it))) ?? null;
}

function judge(it: Case): Answer {
  const { rule, facts, at, restriction } = it;
  const ends = facts.ends[rule.purpose];
  if (ends !== undefined && ends <= at) return no('ended');
  if (restriction !== null && !BEYOND_RESTRICTION.has(rule.basis)) return no('restricted', restriction);
  if (rule.basis === 'consent') return byGrant(it, rule.minimumAge);
  if (rule.basis === 'soft_opt_in') return byOffer(it);
  if (rule.basis === 'opt_out') return byOptOut(it);
  const denial = standingDenial(it);
  if (denial !== null) return no(denial.decision as Reason, denial);
  return aged(it, rule.minimumAge, at) ?? yes('basis_holds');
}

/** A grant that lives: not expired, not taken back, and given by somebody old enough. */
function byGrant(it: Case, minimumAge: number | null): Answer {
  const { rule, facts, at, said, grants } = it;
  const negatives = said.filter(isNegative);
  const alive = grants.filter((grant) => negatives.every((negative) => answers(grant, negative)));
  const current = alive.filter((grant) => at < endOf(grant, rule));
  const young = (grant: ConsentRecord): Answer | null =>
    grant.givenBy === 'parent' ? null : ageAnswer(facts, minimumAge, timeOf(grant), rule.zone, grant);
  const granted = current.findLast((grant) => young(grant) === null);
  if (granted !== undefined) return yes('granted', granted);
  const tooYoung = current.at(-1);
  if (tooYoung !== undefined) return young(tooYoung)!;
  const expired = alive.at(-1);
  if (expired !== undefined) return no('expired', expired);
  const negative = negatives.at(-1);
  if (negative !== undefined) return no(negative.decision as Reason, negative);
  const waiting = said.findLast(({ decision }) => decision === 'granted' || (decision === 'pending' && rule.doubleOptIn));
  return waiting === undefined ? no('no_consent') : no('unconfirmed', waiting);
}

/** Soft opt-in: allowed since the chance to refuse was offered, in spans that a refusal ends and its answer begins anew. */
function byOffer(it: Case): Answer {
  const denial = standingDenial(it);
  if (denial !== null) return no(denial.decision as Reason, denial);
  const offer = it.said.find(({ decision }) => OFFERS.has(decision));
  if (offer === undefined) return no('not_asked');
  const ended = denials(it).map(({ until }) => until);
  const since = Math.max(timeOf(offer), ...ended);
  return aged(it, it.rule.minimumAge, since) ?? yes('offered', offer);
}

/** Opt-out holds for whoever is known not to be a child, unless opted out; for a child it is an opt-in. */
function byOptOut(it: Case): Answer {
  const { rule, at } = it;
  const granted = byGrant(it, Math.max(YOUNGEST, rule.minimumAge ?? 0));
  if (granted.allowed) return granted;
  const denial = standingDenial(it);
  if (denial !== null) return no(denial.decision as Reason, denial);
  return aged(it, Math.max(CHILD, rule.minimumAge ?? 0), at) ?? yes('basis_holds');
}

interface Denial {
  readonly record: ConsentRecord;
  /** Infinity while nothing answers it. */
  readonly until: Micros;
}

/** Where absence allows: what denies, and until when. An answer at the same instant leaves nothing to deny. */
function denials({ rule, said, grants }: Case): Denial[] {
  const counted = said.filter((it) => isNegative(it) && !(UNCONDITIONAL.has(rule.basis) && UNCONDITIONAL.has(it.basis)));
  const rejections = rule.objection === 'balanced' ? said.filter((it) => it.decision === 'objection_rejected') : [];
  return counted
    .map((record) => {
      const lifting = record.decision === 'objected' ? [...grants, ...rejections] : grants;
      const lifted = lifting.filter((it) => answers(it, record)).map(timeOf);
      return { record, until: Math.min(Infinity, ...lifted) };
    })
    .filter(({ record, until }) => timeOf(record) < until);
}

function standingDenial(it: Case): ConsentRecord | null {
  return denials(it).findLast(({ until }) => until === Infinity)?.record ?? null;
}

function endOf(grant: ConsentRecord, { expires, zone }: PermissionRule): Micros {
  return Math.min(grant.expiresAt ?? Infinity, expires === null ? Infinity : addTo(timeOf(grant), expires, zone));
}

/** Calendar units never touch what is below a millisecond. */
function addTo(at: Micros, length: string, zone: string): Micros {
  const ms = Math.floor(at / MICROS_PER_MS);
  return addDuration(new Date(ms), length, zone).getTime() * MICROS_PER_MS + (at - ms * MICROS_PER_MS);
}

function aged({ rule, facts }: Case, minimumAge: number | null, at: Micros): Answer | null {
  return ageAnswer(facts, minimumAge, at, rule.zone);
}

/** Null when old enough, or nobody asks. */
function ageAnswer(facts: SubjectFacts, years: number | null, at: Micros, zone: string, record?: ConsentRecord): Answer | null {
  if (years === null) return null;
  const enough = ofAge(facts.birth, years, at, zone);
  if (enough === null) return no('unknown_age', record);
  return enough ? null : no('under_age', record);
}

function isNegative({ decision }: ConsentRecord): boolean {
  return NEGATIVE.has(decision);
}

function yes(reason: Reason, record?: ConsentRecord): Answer {
  return { allowed: true, reason, record: record?.id ?? null };
}

function no(reason: Reason, record?: ConsentRecord): Answer {
  return { allowed: false, reason, record: record?.id ?? null };
}
