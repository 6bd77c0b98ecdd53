import type { Stays } from '../../manifest/model.ts';
import type { Activity, Keeping } from './record.ts';
import { ARTICLES, durationWords, spaced } from './words.ts';

/** `soft opt in (Art. …) on email under gdpr` */
export function basisWords({ basis, provision, channels, regimes }: Activity['bases'][number]): string {
  const on = channels.length > 0 ? ` on ${channels.join(', ')}` : '';
  return `${spaced(basis)} (${provision})${on}${regimes.length > 0 ? ` under ${regimes.join(', ')}` : ''}`;
}

/** When the rows of a table go; null when nothing says so. `called`: how a table (`store.schema.table`) is called. */
export function keepingWords(
  it: Pick<Keeping, 'keep' | 'after' | 'then' | 'goesWith'>,
  called: ((table: string) => string) | null = null,
): string | null {
  const after =
    called === null
      ? it.after
      : it.after?.replace(/^last (.+)\.([^.]+)$/s, (_, table: string, column: string) => `the last ${spaced(column)} of ${called(table)}`);
  const ways = [
    ...(it.keep === null ? [] : [`${durationWords(it.keep)} after ${after}${DONE[it.then ?? 'delete']}`]),
    ...(it.goesWith.length === 0 ? [] : [`goes with ${it.goesWith.map(called ?? ((id) => id.split('.').slice(1).join('.'))).join(', ')}`]),
  ];
  return ways.length === 0 ? null : ways.join('; ');
}

const DONE = { delete: '', mask: ', then masked', aggregate: ', then summed up and deleted' } as const;

/** `de-hgb-257: 8 years after the end of the year of issued_at` */
export function floorWords({ keep, rule, after, endOfYear }: NonNullable<Keeping['floor']>): string {
  return `${rule}: ${durationWords(keep)} after ${endOfYear ? 'the end of the year of ' : ''}${after}`;
}

/** `stays whoever asks for erasure, by legitimate interests (Art. …): who changed what` */
export function staysWords({ basis, because }: Stays): string {
  return `stays whoever asks for erasure, by ${spaced(basis)} (${ARTICLES[basis]}): ${because}`;
}
