import type { RequestKind } from './model.ts';
import type { Law } from './clock.ts';

/** Why a request may be refused. */
export interface RefusalArticle {
  /** How the command names it. */
  readonly code: string;
  readonly article: string;
  /** Ends the sentence "We refuse your request, because …". */
  readonly because: string;
  readonly law: Law;
  /** Null: any. */
  readonly kinds: readonly RequestKind[] | null;
}

const ERASURE: readonly RequestKind[] = ['erasure'];

/** What the law lets us refuse by; nothing else. A withdrawal can never be refused (Art. 7(3)). */
export const REFUSAL_ARTICLES: readonly RefusalArticle[] = [
  {
    code: '12(5)-unfounded',
    article: 'Art. 12(5)(b) GDPR',
    because: 'it is manifestly unfounded',
    law: 'gdpr',
    kinds: null,
  },
  {
    code: '12(5)-excessive',
    article: 'Art. 12(5)(b) GDPR',
    because: 'it is excessive, in particular because of its repetitive character',
    law: 'gdpr',
    kinds: null,
  },
  {
    code: '12(6)',
    article: 'Art. 12(2) and (6) GDPR',
    because: 'we could not establish that it comes from the person whom the data is about',
    law: 'gdpr',
    kinds: ['erasure', 'access', 'portability', 'rectification'],
  },
  {
    code: '15(4)',
    article: 'Art. 15(4) GDPR',
    because: 'a copy would adversely affect the rights and freedoms of others',
    law: 'gdpr',
    kinds: ['access'],
  },
  { code: '16', article: 'Art. 16 GDPR', because: 'the data is accurate and complete', law: 'gdpr', kinds: ['rectification'] },
  { code: '17(1)', article: 'Art. 17(1) GDPR', because: 'none of its grounds for erasure applies', law: 'gdpr', kinds: ERASURE },
  {
    code: '17(3)(a)',
    article: 'Art. 17(3)(a) GDPR',
    because: 'the processing is necessary for exercising the right of freedom of expression and information',
    law: 'gdpr',
    kinds: ERASURE,
  },
  {
    code: '17(3)(b)',
    article: 'Art. 17(3)(b) GDPR',
    because: 'the law obliges us to keep the data',
    law: 'gdpr',
    kinds: ERASURE,
  },
  {
    code: '17(3)(c)',
    article: 'Art. 17(3)(c) GDPR',
    because: 'the processing is necessary for reasons of public interest in the area of public health',
    law: 'gdpr',
    kinds: ERASURE,
  },
  {
    code: '17(3)(d)',
    article: 'Art. 17(3)(d) GDPR',
    because: 'erasure would make archiving in the public interest, research or statistics impossible or seriously impair them',
    law: 'gdpr',
    kinds: ERASURE,
  },
  {
    code: '17(3)(e)',
    article: 'Art. 17(3)(e) GDPR',
    because: 'the data is necessary for the establishment, exercise or defence of legal claims',
    law: 'gdpr',
    kinds: ERASURE,
  },
  {
    code: '18(1)',
    article: 'Art. 18(1) GDPR',
    because: 'none of its conditions for a restriction applies',
    law: 'gdpr',
    kinds: ['restriction'],
  },
  {
    code: '20(1)',
    article: 'Art. 20(1) GDPR',
    because: 'we do not hold data that you provided and that we process by automated means under your consent or a contract',
    law: 'gdpr',
    kinds: ['portability'],
  },
  {
    code: '20(4)',
    article: 'Art. 20(4) GDPR',
    because: 'it would adversely affect the rights and freedoms of others',
    law: 'gdpr',
    kinds: ['portability'],
  },
  {
    code: '21(1)',
    article: 'Art. 21(1) GDPR',
    because: 'compelling legitimate grounds override your interests, or we need the data for legal claims',
    law: 'gdpr',
    kinds: ['objection'],
  },
  {
    code: '1798.145(h)(3)',
    article: 'Cal. Civ. Code § 1798.145(h)(3)',
    because: 'it is manifestly unfounded or excessive',
    law: 'california',
    kinds: null,
  },
  {
    code: '7060',
    article: 'Cal. Code Regs. tit. 11, § 7060',
    because: 'we could not verify that it comes from the consumer whom the data is about',
    law: 'california',
    kinds: ['erasure', 'access', 'portability', 'rectification'],
  },
  {
    code: '1798.105(d)',
    article: 'Cal. Civ. Code § 1798.105(d)',
    because: 'the data is needed for a purpose that the law exempts from deletion',
    law: 'california',
    kinds: ERASURE,
  },
];

/** `Art. 17(3)(b) GDPR`, `17(3)(b)` and `Art.17 (3) (b)` are the same. Null: there is none, or not for this kind. */
export function refusalArticle(given: string, kind: RequestKind): RefusalArticle | null {
  const code = given.replaceAll(/\s|^art\.?|gdpr$|§/gi, '').replace(/^Art\.?/i, '');
  return articlesFor(kind).find((it) => it.code.toLowerCase() === code.toLowerCase()) ?? null;
}

/** What a request of this kind may be refused by; of a withdrawal nothing. */
export function articlesFor(kind: RequestKind): readonly RefusalArticle[] {
  return kind === 'withdrawal' ? [] : REFUSAL_ARTICLES.filter(({ kinds }) => kinds === null || kinds.includes(kind));
}
