/*
 * Why a row stays in which somebody is still found, as the search records it and the certificate tells it. Names of purposes and rules, nothing of
 * anybody.
 */

export const KEPT = {
  /** Rows that stay need it. */
  needed: 'needed',
  shared: 'shared',
  /** Points at a row that stays. */
  reference: 'reference',
  /** Serves what the request is not about. */
  notAsked: 'not_asked',
} as const;

const FLOOR = 'floor:';
const PURPOSES = 'purpose:';

export function keptUnderFloor(rule: string): string {
  return `${FLOOR}${rule}`;
}

export function keptForPurposes(purposes: readonly string[]): string {
  return `${PURPOSES}${purposes.toSorted().join(',')}`;
}

const WORDS: Readonly<Record<string, string>> = {
  [KEPT.needed]: 'that other rows need',
  [KEPT.shared]: 'shared with others',
  [KEPT.reference]: 'that point at what is kept',
  [KEPT.notAsked]: 'that the request is not about',
};

/** `kept for account, delivery`, `kept by de-hgb-257`: behind `3 rows`. */
export function keptText(why: string): string {
  if (why.startsWith(FLOOR)) return `kept by ${why.slice(FLOOR.length)}`;
  if (why.startsWith(PURPOSES)) return `kept for ${why.slice(PURPOSES.length).split(',').join(', ')}`;
  return WORDS[why] ?? 'kept';
}
