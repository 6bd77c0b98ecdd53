import type { ErasureGround } from './model.ts';

/** Grounds for an erasure, by the letter of Art. 17(1) GDPR. */
export const GROUNDS = {
  no_longer_necessary: 'a',
  consent_withdrawn: 'b',
  objected: 'c',
  unlawful: 'd',
  legal_duty: 'e',
  child: 'f',
} as const satisfies Readonly<Record<ErasureGround, string>>;

export const ERASURE_GROUNDS = Object.keys(GROUNDS) as readonly ErasureGround[];

/** `Art. 17(1)(a)(b)` */
export function groundsText(grounds: readonly string[]): string {
  const letters = grounds.map((it) => (it in GROUNDS ? GROUNDS[it as ErasureGround] : '?')).sort();
  return `Art. 17(1)${letters.map((letter) => `(${letter})`).join('')}`;
}

/**
 * How somebody showed who they are: the mildest that settles the doubt. A copy of an identity card is the last resort, since it tells more
 * than is asked (EDPB Guidelines 01/2022, no. 74).
 */
export const VERIFICATION_METHODS = ['login', 'email', 'phone', 'letter', 'known_details', 'in_person', 'eid', 'identity_card'] as const;
export type VerificationMethod = (typeof VERIFICATION_METHODS)[number];

/** Why an answer takes longer (Art. 12(3) GDPR), why somebody's identity is in doubt, and why a request ends without being carried out. */
export const EXTENSION_REASONS = ['complexity', 'number_of_requests'] as const;
export const CANCEL_REASONS = ['withdrawn_by_requester', 'duplicate', 'opened_in_error'] as const;
