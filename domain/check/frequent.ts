import { problem } from '../../manifest/codes.ts';
import type { Problem } from '../../manifest/problem.ts';
import { isName, isPlaceholder, placeholderText } from '../requests/identities.ts';
import { MOST_OF_ONE } from '../requests/resolve.ts';
import { listed, type PlaceOf } from './context.ts';

/** Of one identity of a subject: how many rows share a value. Values stay in the process, but for placeholders. */
export interface SharedValues {
  readonly subject: string;
  readonly identity: string;
  /** Rows that were looked at; null where all were. */
  readonly sample: number | null;
  /** Values that more than `MOST_OF_ONE` rows have. */
  readonly many: number;
  /** What several rows have, the most frequent first; not all of it. `value` is null where it is long. */
  readonly frequent: readonly { readonly value: string | null; readonly rows: number }[];
}

/** An identity whose values could not be counted, and why: a clause. */
export interface Uncounted {
  readonly subject: string;
  readonly identity: string;
  readonly why: string;
}

const FIX = 'set it null where it stands for no value, or leave it: it is nobody’s identity, and rows that refer by it go with nobody';
const MOST_SHOWN = 3;

/** What so many have that it tells nobody from anybody else. */
export function sharedValues(counted: readonly (SharedValues | Uncounted)[], place: PlaceOf): Problem[] {
  return counted.flatMap((it): Problem[] => {
    const at = place(['subjects', it.subject, 'identities', it.identity]);
    if ('why' in it)
      return [problem('P144', at, `how many share a value of \`${nameOf(it)}\` could not be counted: ${it.why}`, null, 'info')];
    const placeholders = it.frequent.filter(({ value }) => value !== null && isPlaceholder(it.identity, value));
    // Strangers may well have one name.
    const found = isName(it.identity) ? placeholders : it.frequent.filter((one) => one.rows > MOST_OF_ONE || placeholders.includes(one));
    if (found.length === 0) return [];
    const rare = placeholders.filter(({ rows }) => rows <= MOST_OF_ONE).length;
    const total = isName(it.identity) ? found.length : it.many + rare;
    const shown = found.slice(0, MOST_SHOWN).map((one) => {
      const text = placeholders.includes(one) ? `\`${placeholderText(it.identity, one.value!)}\`` : 'a value';
      return `${text} (${one.rows} rows)`;
    });
    const rest = total > shown.length ? [`${total - shown.length} more`] : [];
    const where = it.sample === null ? '' : `, in a sample of ${it.sample} rows`;
    const what = total === 1 ? 'a value that is nobody’s is' : `${total} values that are nobody’s are`;
    return [problem('P144', at, `${what} shared as \`${nameOf(it)}\`: ${listed([...shown, ...rest])}${where}`, FIX)];
  });
}

function nameOf({ subject, identity }: Pick<SharedValues, 'subject' | 'identity'>): string {
  return `${subject}.${identity}`;
}
