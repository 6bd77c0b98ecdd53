import type { ColumnDeclaration } from './model.ts';

/** Categories of what is nobody's: how a system runs, not who somebody is or what they did. */
export const NOBODYS: readonly string[] = ['other', 'key', 'time', 'technical', 'aggregate'];
/** Categories of what somebody did, has or wants. */
export const DEEDS: readonly string[] = ['behaviour', 'financial', 'preference'];

/** By what is declared: it identifies, is protected or special, or has a category that is neither nobody's nor a deed, such as one of the company's own. */
export function saysWho({ category, identifying, protected: attribute, special }: ColumnDeclaration): boolean {
  if (identifying || attribute !== null || special !== null) return true;
  return category !== null && !NOBODYS.includes(category) && !DEEDS.includes(category);
}
