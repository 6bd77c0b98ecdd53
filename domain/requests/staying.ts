import { ARTICLES, spaced } from '../processing/words.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Law } from './clock.ts';
import type { ErasurePlan } from './plan.ts';
import { tableTitle } from './titles.ts';

/** Something that is not erased, as the letter to the person tells it. No counts: of a batch they would be of everybody in it. */
export type Staying = {
  /** `your invoices`: never the table's own name. */
  readonly what: string;
} & (
  | {
      readonly why: 'law';
      readonly rule: string;
      /** As a letter writes it; null: nobody can tell. */
      readonly until: string | null;
    }
  | {
      readonly why: 'purpose';
      readonly purpose: string;
      /** `contract` */
      readonly basis: string;
      /** That lets it stay, and by which the purpose is lawful. */
      readonly articles: readonly string[];
      readonly end: string;
    }
  | {
      readonly why: 'needed';
      /** What says who somebody was, and stays in it, each by its reason. */
      readonly but: readonly string[];
    }
);

/** What goes on for the people of a plan, and rows that stay masked since others need them, each once. What floors keep is another matter. */
export function stayingFor(plan: ErasurePlan, manifest: Pick<Manifest, 'purposes' | 'tables' | 'subjects'>): Staying[] {
  const found = plan.stores.flatMap(({ erasure, tables }) =>
    tables.flatMap((counted): Staying[] => {
      const planned = erasure.tables.find(({ table }) => table === counted.table);
      if (planned === undefined) return [];
      const what = tableTitle(`${erasure.store}.${counted.table}`, manifest);
      const stays = planned.rows !== 'delete' && counted.kept + counted.masked > 0;
      const kept = stays ? planned.keptBy : [];
      return [
        ...kept.map(({ purpose, basis, article }): Staying => {
          const declared = manifest.purposes[purpose];
          const condition = declared?.while ?? null;
          return {
            what,
            why: 'purpose',
            purpose: declared?.description ?? spaced(purpose),
            basis: spaced(basis),
            articles: [...new Set([`${article} GDPR`, ARTICLES[basis]])],
            end:
              condition === null
                ? declared?.endsOnRequest
                  ? 'until you ask us to erase it'
                  : 'until that has ended'
                : `for as long as ${condition}`,
          };
        }),
        ...(counted.pinned + counted.needed > 0
          ? [{ what, why: 'needed' as const, but: planned.spared.flatMap(({ because }) => (because === null ? [] : [because])) }]
          : []),
      ];
    }),
  );
  return [...new Map(found.map((it) => [JSON.stringify(it), it])).values()];
}

/** `- your invoices: the law obliges us to keep it …`, with the articles of the law that the person is under. */
export function stayingText(it: Staying, law: Law): string {
  const gdpr = law !== 'california';
  if (it.why === 'needed')
    return `- ${it.what}: ${it.but.length === 0 ? 'a reference without anything that says who you are' : `a reference, and what stays for this: ${it.but.join('; ')}`}, for as long as what we keep refers to it.`;
  if (it.why === 'purpose')
    return `- ${it.what}: needed for: ${it.purpose} (${[it.basis, ...(gdpr ? it.articles : [CALIFORNIA])].join(', ')}), ${it.end}.`;
  const end = it.until === null ? 'Nobody can tell yet until when' : `Until ${it.until} at the latest`;
  return `- ${it.what}: the law obliges us to keep this (${it.rule}; ${gdpr ? 'Art. 17(3)(b) GDPR' : CALIFORNIA}). ${end}; then we erase it without being asked.`;
}

/** What need not be deleted under the law of California. */
const CALIFORNIA = 'Cal. Civ. Code § 1798.105(d)';
