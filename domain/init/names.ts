/** Reading meaning out of names. Everything is compared in snake case: `billingEMail`, `Billing E-Mail` and `billing_email` are one. */
export function snake(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .replace(/(^|_)e_mail/g, '$1email');
}

/** True when one of the words (`a|b_c`) stands in the name as whole words. */
export function has(name: string, words: string): boolean {
  return new RegExp(`(^|_)(${words})(_|$)`).test(snake(name));
}

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

/** The English singular, well enough for names of tables. */
export function singular(name: string): string {
  const plain = snake(name).replace(/^(tbl|t)_/, '');
  if (plain === 'people' || plain === 'persons') return 'person';
  if (plain.endsWith('ies')) return `${plain.slice(0, -3)}y`;
  if (/(ss|us|is)$/.test(plain)) return plain;
  if (/(sses|shes|ches|xes)$/.test(plain)) return plain.slice(0, -2);
  return plain.endsWith('s') ? plain.slice(0, -1) : plain;
}
