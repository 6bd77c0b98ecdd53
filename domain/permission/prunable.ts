import { addDuration } from '../time.ts';
import { answers, compare, knowing, timeOf } from './order.ts';
import { MICROS_PER_MS, type ConsentRecord, type Micros, type PermissionRule } from './types.ts';

/*
 * A record's content goes when the record has been out of force for long enough. What decides anything now, or has decided without a break
 * until now, stays: a refusal until the person has taken it back in the same words, a grant for as long as the permission that it began lasts.
 * So the answers of every instant since the cut-off are the same before and after, and a later manifest rescues nothing (but where it asks for
 * a double opt-in from then on, what was answered without one stays answered).
 */

const NEGATIVE: ReadonlySet<string> = new Set(['refused', 'withdrawn', 'objected', 'objection_upheld']);

export interface Prunable {
  /** Every record of one person about one purpose (or `*`), also of devices and addresses linked to it. */
  readonly history: readonly ConsentRecord[];
  /** Of that purpose; none for `*` and for a purpose that is declared no longer. */
  readonly rules: readonly PermissionRule[];
  /** Spans of time in which something has been allowed or denied without a break, and that reach beyond the cut-off. Both ends count. */
  readonly alive: readonly { readonly from: Micros; readonly to: Micros }[];
  /** What was out of force before this may go. */
  readonly cutOff: Micros;
}

/** Ids of the records whose content may go, in order. */
export function prunable({ history, rules, alive, cutOff }: Prunable): number[] {
  const records = history.toSorted(compare);
  const past = records.filter((it) => timeOf(it) < cutOff);
  const idle = past.filter((it) => alive.every(({ from, to }) => timeOf(it) < from || timeOf(it) > to));
  const negatives = records.filter((it) => NEGATIVE.has(it.decision));
  const effective = past.filter((it) => it.decision === 'granted' && (!rules.some((rule) => rule.doubleOptIn) || confirmed(it, records)));
  const going = new Set<number>();
  const go = (decision: (it: ConsentRecord) => boolean, over: (it: ConsentRecord) => boolean): void => {
    for (const it of idle) if (decision(it) && over(it)) going.add(it.id);
  };
  const gone = (it: ConsentRecord): boolean => going.has(it.id);

  go(
    (it) => NEGATIVE.has(it.decision),
    (it) => effective.some((grant) => grant.channel === it.channel && answers(grant, it)),
  );
  go(
    (it) => it.decision === 'restricted',
    (it) => past.some((lift) => lift.decision === 'restriction_lifted' && compare(lift, it) > 0 && knowing(lift, it)),
  );
  go(
    (it) => it.decision === 'granted',
    (it) =>
      (expired(it, rules, cutOff) || taken(it, negatives, cutOff) || said(it, effective)) &&
      // A refusal that stays must not lose its answer.
      negatives.every((negative) => gone(negative) || !(inWords(negative, it) && compare(it, negative) > 0)),
  );
  go(
    (it) => it.decision === 'asked' || it.decision === 'pending',
    (it) =>
      past.some((later) => later.source === it.source && inWords(later, it) && compare(later, it) > 0) &&
      // It may be the first half of a double opt-in.
      records.every((grant) => grant.decision !== 'granted' || gone(grant) || !sameWords(grant, it) || compare(grant, it) < 0),
  );
  go(
    (it) => it.decision === 'objection_rejected',
    (it) => answersNone(it, 'objected'),
  );
  go(
    (it) => it.decision === 'restriction_lifted',
    (it) => answersNone(it, 'restricted'),
  );
  return records.flatMap((it) => (gone(it) ? [it.id] : []));

  function answersNone(answer: ConsentRecord, decision: string): boolean {
    return records.every((it) => it.decision !== decision || gone(it) || compare(it, answer) > 0);
  }
}

/** A grant whose promised end has passed. */
function expired(grant: ConsentRecord, rules: readonly PermissionRule[], cutOff: Micros): boolean {
  if (grant.expiresAt !== null && grant.expiresAt < cutOff) return true;
  return rules.length > 0 && rules.every(({ expires, zone }) => expires !== null && endOf(timeOf(grant), expires, zone) < cutOff);
}

/** A grant that was taken back on all channels that it speaks of. */
function taken(grant: ConsentRecord, negatives: readonly ConsentRecord[], cutOff: Micros): boolean {
  return negatives.some((it) => inWords(it, grant) && timeOf(it) < cutOff && !answers(grant, it));
}

/** A grant that was said again, by no lesser voice. */
function said(grant: ConsentRecord, effective: readonly ConsentRecord[]): boolean {
  return effective.some((it) => sameWords(it, grant) && compare(it, grant) > 0 && (it.givenBy === 'parent' || grant.givenBy === 'self'));
}

/** Whether `wide` speaks of all that `narrow` speaks of. */
function inWords(wide: ConsentRecord, narrow: ConsentRecord): boolean {
  return wide.channel === null || wide.channel === narrow.channel;
}

function sameWords(one: ConsentRecord, other: ConsentRecord): boolean {
  return one.source === other.source && one.channel === other.channel;
}

/** As `permission` judges a double opt-in. */
function confirmed(grant: ConsentRecord, records: readonly ConsentRecord[]): boolean {
  const same = records.filter((it) => it.source === grant.source && compare(it, grant) <= 0);
  const negatives = same.filter((it) => NEGATIVE.has(it.decision) && (it.channel === null || it.channel === grant.channel));
  return same.some((it) => it.decision === 'pending' && it.channel === grant.channel && negatives.every((no) => compare(no, it) < 0));
}

function endOf(at: Micros, length: string, zone: string): Micros {
  return addDuration(new Date(Math.floor(at / MICROS_PER_MS)), length, zone).getTime() * MICROS_PER_MS + MICROS_PER_MS;
}
