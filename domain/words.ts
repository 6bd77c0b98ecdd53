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

/** True when one of the words is the whole name. */
export function is(name: string, words: string): boolean {
  return new RegExp(`^(${words})$`).test(snake(name));
}

/** The English singular, well enough for names of tables. */
export function singular(name: string): string {
  const plain = snake(name).replace(/^(tbl|t)_/, '');
  if (plain === 'people' || plain === 'persons') return 'person';
  if (plain.endsWith('ies')) return `${plain.slice(0, -3)}y`;
  if (/(ss|us|is)$/.test(plain)) return plain;
  if (/(sses|shes|ches|xes|[tnrp]uses|iases)$/.test(plain)) return plain.slice(0, -2);
  return plain.endsWith('s') ? plain.slice(0, -1) : plain;
}
