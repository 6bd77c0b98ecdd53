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
const LEAST = 16;

/** Columns with two spaces between them and no borders. Where a line would be longer than `width`, the widest columns wrap. */
export function textTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number | null): string {
  const natural = columns.map((column, index) => Math.max(column.title.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const room = width === null ? Number.POSITIVE_INFINITY : width - GAP * (columns.length - 1);
  const widths = fitting(natural, room);
  const table = new Table({
    head: columns.map((column) => column.title),
    chars: { ...NO_BORDERS, middle: ' '.repeat(GAP) },
    colAligns: columns.map((column) => column.align ?? 'left'),
    colWidths: widths,
    wordWrap: true,
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

/** All columns cut at the same width, the largest by which they fit together; none below `LEAST`. */
function fitting(natural: readonly number[], room: number): number[] {
  const sum = (cap: number): number => natural.reduce((total, one) => total + Math.min(one, cap), 0);
  let cap = Math.max(LEAST, ...natural);
  while (cap > LEAST && sum(cap) > room) cap--;
  return natural.map((one) => Math.min(one, cap));
}
