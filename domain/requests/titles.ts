import type { Manifest } from '../../manifest/model.ts';
import { singular } from '../words.ts';

/** What cannot be read as words. */
const OTHER = 'other data about you';
/** No plural of their own. */
const MASS = /(data|info|information|history|feedback|mail|news|metadata|stock|equipment|software|series|status)$/;

/**
 * How a table (`store.schema.table`) is called to the person whom a letter or a copy is for: as the manifest labels it (`your orders`), or by
 * words that its name holds. The name itself is nothing to them.
 */
export function tableTitle(id: string, { tables, subjects }: Pick<Manifest, 'tables' | 'subjects'>): string {
  const label = tables[id]?.label ?? null;
  if (label !== null) return label;
  if (Object.values(subjects).some(({ table }) => table === id)) return 'your details';
  const words = singular(id.slice(id.lastIndexOf('.') + 1)).split('_');
  // `ordr2`, `t_17`: an abbreviation or a number.
  const readable = words.every((word) => /^[a-z]{3,}$/.test(word) && /[aeiouy]/.test(word));
  return readable ? `data about ${plural(words.join(' '))}` : OTHER;
}

function plural(words: string): string {
  if (MASS.test(words)) return words;
  if (/[^aeiou]y$/.test(words)) return `${words.slice(0, -1)}ies`;
  if (/person$/.test(words)) return words.replace(/person$/, 'people');
  return /(s|x|z|ch|sh)$/.test(words) ? `${words}es` : `${words}s`;
}
