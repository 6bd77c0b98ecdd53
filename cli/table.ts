import Table from 'cli-table3';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const NO_BORDERS = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((part) => [part, '']),
);
const GAP = 2;
/** Narrower than this a column cannot be read; a line that is too long is better. */
const LEAST = 24;

/** Columns with two spaces between them and no borders. Where a line would be longer than `width`, the last column wraps. */
export function textTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number | null): string {
  const natural = columns.map((column, index) => Math.max(column.title.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const others = natural.slice(0, -1).reduce((sum, one) => sum + one + GAP, 0);
  const last = natural.at(-1) ?? 0;
  const wraps = width !== null && others + last > width && width - others >= LEAST;
  const table = new Table({
    head: columns.map((column) => column.title),
    chars: { ...NO_BORDERS, middle: ' '.repeat(GAP) },
    colAligns: columns.map((column) => column.align ?? 'left'),
    colWidths: natural.map((one, index) => (wraps && index === natural.length - 1 ? width - others : one)),
    wordWrap: wraps,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}
