import { NOBODYS, saysWho } from '../../manifest/categories.ts';
import type { ColumnDeclaration } from '../../manifest/model.ts';
import type { CatalogColumn, CatalogTable } from '../catalog.ts';

/**
 * What an erasure makes of a column in a row that it does not take. `goes`: whatever keeps the row, the column is masked. `ends`: it is masked
 * with the purposes that it served, and stays in a row that only other rows need. `stays`: nobody's, never masked.
 */
export type Fate = 'goes' | 'ends' | 'stays';

/** Types that hold words; a number, a time or one of a few labels says little without a name. */
export const WORDS: readonly CatalogColumn['typeCategory'][] = ['string', 'json', 'array', 'binary', 'other'];

/** `names`: somebody is found by what it holds (an identity, a birth, a reference to an identity), whatever its category. */
export function fateOf(column: CatalogColumn, live: CatalogTable, said: ColumnDeclaration | undefined, names: boolean): Fate {
  const choice = said?.onErase ?? null;
  if (choice !== null) return choice.with === 'keep' ? 'stays' : 'goes';
  return unchosenFate(column, live, said, names);
}

/** The same if nobody had said `on_erase`. */
export function unchosenFate(column: CatalogColumn, live: CatalogTable, said: ColumnDeclaration | undefined, names: boolean): Fate {
  if (names || (said !== undefined && saysWho(said))) return 'goes';
  const category = said?.category ?? null;
  if (category !== null && NOBODYS.includes(category)) return 'stays';
  if (holdsWords(column, live)) return 'goes';
  // An empty field makes up nothing. A number, a time or a label that must be there would be replaced by one that was never true.
  if (category !== null) return column.nullable ? 'goes' : 'ends';
  return (said?.purposes ?? null) === null ? 'stays' : 'ends';
}

function holdsWords(column: CatalogColumn, live: CatalogTable): boolean {
  return WORDS.includes(column.typeCategory) && !isClosed(column, live);
}

/** A check lists what the column may hold: an enum by another name. */
function isClosed({ name }: CatalogColumn, { checks }: CatalogTable): boolean {
  const own = [name, `"${name}"`, `(${name})::text`, `("${name}")::text`];
  return checks.some(({ definition }) => own.some((it) => definition.startsWith(`CHECK ((${it} = ANY (`)));
}
