import { durationParts } from '../../manifest/duration.ts';
import type { ConsentRecord, Micros, PermissionRule, Question, SubjectFacts } from '../../domain/permission/types.ts';

/*
 * The rules of permission once more, as slow and as literal as can be: whole lives of grants and refusals as intervals, the future included,
 * and a clock that is searched instead of computed. It shares no code with what it judges.
 */

type Span = readonly [from: Micros, until: Micros];

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
const WIDEST_OFFSET_MS = DAY_MS;

export function naive(
  rules: readonly PermissionRule[],
  history: readonly ConsentRecord[],
  facts: SubjectFacts,
  question: Question,
): boolean {
  const { purpose, channel, at } = question;
  if (!facts.known) return false;
  const asked = rules.filter(
    (r) =>
      r.purpose === purpose &&
      (channel === null || channel === r.channel) &&
      (r.regime === '*' || facts.regime === null || r.regime === facts.regime),
  );
  const regimes = new Set(asked.map((r) => r.regime));
  if (regimes.size === 0) return false;
  for (const regime of regimes) if (!asked.some((r) => r.regime === regime && holds(r, history, facts, at))) return false;
  return true;
}

/** Whether the purpose as a whole is denied under a regime, of which no channel needs a grant. */
export function deniedAsAWhole(rules: readonly PermissionRule[], history: readonly ConsentRecord[], at: Micros): boolean {
  return rules.length > 0 && rules.every((rule) => inside(refused(rule, history), at));
}

function holds(rule: PermissionRule, history: readonly ConsentRecord[], facts: SubjectFacts, at: Micros): boolean {
  const end = facts.ends[rule.purpose];
  if (end !== undefined && at >= end) return false;
  if (rule.basis !== 'legal_obligation' && rule.basis !== 'vital_interests' && inside(restricted(history), at)) return false;
  const least = rule.minimumAge;
  switch (rule.basis) {
    case 'consent':
      return inside(granted(rule, history, facts, least), at);
    case 'soft_opt_in':
      return softly(rule, history, facts, at);
    case 'opt_out':
      if (inside(granted(rule, history, facts, Math.max(13, least ?? 0)), at)) return true;
      return old(facts, Math.max(16, least ?? 0), at, rule.zone) && !inside(refused(rule, history), at);
    default:
      return (least === null || old(facts, least, at, rule.zone)) && !inside(refused(rule, history), at);
  }
}

const inside = (spans: readonly Span[], at: Micros): boolean => spans.some(([from, until]) => from <= at && at < until);
const when = (r: ConsentRecord): Micros => (r.capturedAt < r.receivedAt ? r.capturedAt : r.receivedAt);
const about = (rule: PermissionRule, history: readonly ConsentRecord[]): ConsentRecord[] =>
  history.filter((r) => r.purpose === rule.purpose && (r.channel === null || r.channel === rule.channel));
const bad = (r: ConsentRecord): boolean => ['refused', 'withdrawn', 'objected', 'objection_upheld'].includes(r.decision);

function beats(g: ConsentRecord, n: ConsentRecord): boolean {
  const later = when(g) > when(n) || (when(g) === when(n) && g.receivedAt > n.receivedAt);
  const aware = g.source === n.source || (when(g) >= g.linkedAt && when(g) >= n.linkedAt);
  const specific = n.channel === null || g.channel !== null;
  return later && aware && specific;
}

function effective(rule: PermissionRule, history: readonly ConsentRecord[]): ConsentRecord[] {
  const grants = about(rule, history).filter((r) => r.decision === 'granted');
  if (!rule.doubleOptIn) return grants;
  const notAfter = (one: ConsentRecord, other: ConsentRecord): boolean =>
    when(one) < when(other) || (when(one) === when(other) && one.receivedAt <= other.receivedAt);
  return grants.filter((g) =>
    history.some(
      (p) =>
        p.decision === 'pending' &&
        p.purpose === g.purpose &&
        p.source === g.source &&
        p.channel === g.channel &&
        notAfter(p, g) &&
        !history.some(
          (n) =>
            bad(n) &&
            n.purpose === g.purpose &&
            n.source === g.source &&
            (n.channel === null || n.channel === g.channel) &&
            notAfter(p, n) &&
            notAfter(n, g),
        ),
    ),
  );
}

function granted(rule: PermissionRule, history: readonly ConsentRecord[], facts: SubjectFacts, least: number | null): Span[] {
  return effective(rule, history)
    .filter((g) => least === null || g.givenBy === 'parent' || old(facts, least, when(g), rule.zone))
    .map((g) => {
      let end = g.expiresAt ?? Infinity;
      if (rule.expires !== null) end = Math.min(end, addSlowly(when(g), rule.expires, rule.zone));
      for (const n of about(rule, history)) if (bad(n) && !beats(g, n) && when(n) < end) end = when(n);
      return [when(g), end];
    });
}

function refused(rule: PermissionRule, history: readonly ConsentRecord[]): Span[] {
  const firm = ['contract', 'legal_obligation', 'vital_interests'];
  const spans: Span[] = [];
  for (const n of about(rule, history)) {
    if (!bad(n) || (firm.includes(rule.basis) && firm.includes(n.basis))) continue;
    let end = Infinity;
    for (const g of effective(rule, history)) if (beats(g, n)) end = Math.min(end, when(g));
    if (rule.objection === 'balanced' && n.decision === 'objected')
      for (const d of about(rule, history)) if (d.decision === 'objection_rejected' && beats(d, n)) end = Math.min(end, when(d));
    spans.push([when(n), end]);
  }
  return spans;
}

function restricted(history: readonly ConsentRecord[]): Span[] {
  const all = history.filter((r) => r.purpose === '*');
  return all
    .filter((r) => r.decision === 'restricted')
    .map((r) => [when(r), Math.min(Infinity, ...all.filter((l) => l.decision === 'restriction_lifted' && beats(l, r)).map(when))]);
}

/** Walks back from the time that is asked for, from event to event, while it would have been allowed. */
function softly(rule: PermissionRule, history: readonly ConsentRecord[], facts: SubjectFacts, at: Micros): boolean {
  const offers = about(rule, history).filter((r) => ['asked', 'pending', 'granted'].includes(r.decision));
  const no = refused(rule, history);
  const free = (t: Micros): boolean => offers.some((r) => when(r) <= t) && !inside(no, t);
  if (!free(at)) return false;
  let start = at;
  const events = [...new Set(history.map(when))].filter((t) => t <= at).sort((one, other) => other - one);
  for (const event of events) {
    if (!free(event)) break;
    start = event;
  }
  return rule.minimumAge === null || old(facts, rule.minimumAge, start, rule.zone);
}

/** Counts birthdays by the local calendar; on 29 February others turn a year older on 1 March. */
function old(facts: SubjectFacts, years: number, at: Micros, zone: string): boolean {
  if (facts.birth === null) return false;
  const [y, m, d] = facts.birth.split('-').map(Number) as [number, number, number];
  const today = wall(Math.floor(at / 1000), zone);
  const date = new Date(today);
  const turned = date.getUTCMonth() + 1 > m || (date.getUTCMonth() + 1 === m && date.getUTCDate() >= d);
  return date.getUTCFullYear() - y - (turned ? 0 : 1) >= years;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clock on the wall shows, as if it were UTC; milliseconds. */
function wall(ms: number, zone: string): number {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  formats.set(zone, format);
  const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const below = ((ms % 1000) + 1000) % 1000;
  return Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'], part['second']) + below;
}

const added = new Map<string, number>();

export function addSlowly(at: Micros, length: string, zone: string): Micros {
  const key = `${at} ${length} ${zone}`;
  const known = added.get(key);
  if (known !== undefined) return known;
  const ms = Math.floor(at / 1000);
  const found = search(wall(ms, zone), length, zone) * 1000 + (at - ms * 1000);
  added.set(key, found);
  return found;
}

function search(local: number, length: string, zone: string): number {
  const parts = durationParts(length)!;
  const from = new Date(local);
  const months = from.getUTCFullYear() * 12 + from.getUTCMonth() + parts.years * 12 + parts.months;
  const last = new Date(Date.UTC(Math.floor(months / 12), (months % 12) + 1, 0)).getUTCDate();
  const day = Date.UTC(Math.floor(months / 12), months % 12, Math.min(from.getUTCDate(), last));
  const clock =
    local -
    Date.UTC(from.getUTCFullYear(), from.getUTCMonth(), from.getUTCDate()) +
    ((parts.hours * 60 + parts.minutes) * 60 + parts.seconds) * 1000;
  const target = day + (parts.weeks * 7 + parts.days) * DAY_MS + clock;
  for (let it = target - WIDEST_OFFSET_MS; it <= target + WIDEST_OFFSET_MS; it += QUARTER_MS) if (wall(it, zone) === target) return it;
  // The clock skipped it: as if it had not been put forward.
  const before = target - DAY_MS - WIDEST_OFFSET_MS;
  return target - (wall(before, zone) - before);
}
