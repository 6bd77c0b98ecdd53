/** People write one address in several ways: no outer white space, no case. How everybody spells one who is given it. */
export function addressForm(text: string): string {
  return text.trim().toLowerCase();
}

const OUTER: readonly (readonly [string, string])[] = [
  ['', ''],
  ...[' ', '\t', '\n', '\r\n', '\r'].map((after) => ['', after] as const),
  ...[' ', '\t', '\n'].map((before) => [before, ''] as const),
];

/**
 * The spellings in which an address may stand in a column, by which an index on `lower(btrim(column))` or `lower(column)` finds it: exports and
 * forms leave a tab or the end of a line behind. Stranger ones are not found, and are somebody whom nobody knows.
 */
export function storedForms(form: string): string[] {
  return OUTER.map(([before, after]) => `${before}${form}${after}`);
}
