/** What a consent record says: of a subject, or (of an objection: upheld, rejected) of the organisation. */
export const DECISIONS = [
  'asked',
  'pending',
  'granted',
  'refused',
  'withdrawn',
  'objected',
  'objection_upheld',
  'objection_rejected',
  'restricted',
  'restriction_lifted',
] as const;
export type Decision = (typeof DECISIONS)[number];

/** Decisions of all purposes (Art. 18): they name none, and the ledger keeps them under `EVERY_PURPOSE`. */
export const RESTRICTIONS: readonly Decision[] = ['restricted', 'restriction_lifted'];
export const EVERY_PURPOSE = '*';
