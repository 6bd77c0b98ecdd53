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
  /** Names them where the manifest says so, and is somebody else's. */
  mention: 'mention',
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

/** Where somebody is still found, in rows that stay. Says nothing of whom, or which. */
export interface KeptHits {
  /** `schema.table` */
  readonly table: string;
  readonly why: string;
  readonly rows: number;
}

const WORDS: Readonly<Record<string, string>> = {
  [KEPT.needed]: 'that other rows need',
  [KEPT.shared]: 'shared with others',
  [KEPT.reference]: 'that point at what is kept',
  [KEPT.mention]: 'that only mention them and stay as they are',
  [KEPT.notAsked]: 'that the request is not about',
};

/** `found in 3 rows kept for account, delivery`, `found in 1 row kept by de-hgb-257`. `purpose`: what a purpose is called. */
export function foundText({ rows, why }: Pick<KeptHits, 'rows' | 'why'>, purpose: (name: string) => string = (name) => name): string {
  return `found in ${rows} ${rows === 1 ? 'row' : 'rows'} ${reason()}`;

  function reason(): string {
    if (why.startsWith(FLOOR)) return `kept by ${why.slice(FLOOR.length)}`;
    if (why.startsWith(PURPOSES)) return `kept for ${why.slice(PURPOSES.length).split(',').map(purpose).join(', ')}`;
    return WORDS[why] ?? 'kept';
  }
}
