import { singular } from '../words.ts';

/** Tables of people by name; the ones of the second list need more to be believed. */
const PEOPLE =
  'customer|client|user|person|member|patient|subscriber|guest|student|employee|applicant|candidate|visitor|shopper|buyer|donor|passenger|resident|citizen|agent|staff';
const PERHAPS_PEOPLE = 'contact|profile|account';
/** Shared data of people: a household or a company is a subject only if nothing else is there. */
export const GROUPS = 'household|family|company|organisation|organization|team|tenant|account';

/** 1 for a table named like people, 0.5 for one that may be, 0 otherwise; by its last word, so that `user_session` is none. */
export function likePeople(table: string): number {
  if (endsWith(table, PEOPLE)) return 1;
  return endsWith(table, PERHAPS_PEOPLE) ? 0.5 : 0;
}

export function namedLikePeople(table: string): boolean {
  return likePeople(table) > 0;
}

/** True when one of the words is the name's last, in the singular. */
export function endsWith(name: string, words: string): boolean {
  return new RegExp(`(^|_)(${words})$`).test(singular(name));
}
