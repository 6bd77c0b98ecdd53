import type { ConsentRecord, Micros } from './types.ts';

/** What orders records: a capture that a wrong clock dates after its arrival counts from its arrival. */
export function timeOf(record: ConsentRecord): Micros {
  return Math.min(record.capturedAt, record.receivedAt);
}

/** Negative when `one` comes first; 0 for a tie, which the refusal wins. */
export function compare(one: ConsentRecord, other: ConsentRecord): number {
  return timeOf(one) - timeOf(other) || one.receivedAt - other.receivedAt;
}

/** A record about the purpose as a whole is about each channel. */
export function inScope(record: ConsentRecord, channel: string): boolean {
  return record.channel === null || record.channel === channel;
}

/** Whether `later` was said when its source and that of `earlier` were known to be one person: on linking the stricter answer wins. */
export function knowing(later: ConsentRecord, earlier: ConsentRecord): boolean {
  return later.source === earlier.source || timeOf(later) >= Math.max(later.linkedAt, earlier.linkedAt);
}

/** Whether `later` takes back `earlier`: it comes after it, from the same person, and speaks of no less than a channel when that does. */
export function answers(later: ConsentRecord, earlier: ConsentRecord): boolean {
  return compare(later, earlier) > 0 && knowing(later, earlier) && (earlier.channel === null || later.channel !== null);
}
