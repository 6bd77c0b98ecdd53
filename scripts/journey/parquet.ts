import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { CopyValue } from '../sample/copy.ts';
import { date, timestamptz } from '../sample/time.ts';

export type ColumnKind = 'integer' | 'money' | 'text' | 'instant' | 'date';

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

/** One column as a function of the row number, kept in as little memory as its kind allows. */
type Column = (row: number) => CopyValue;

export interface ParquetTable {
  readonly rows: number;
  readonly column: readonly Column[];
}

/**
 * Reads the named columns of a file, one after the other: the transactions are a single row group of 1.5 million rows, which
 * as objects would need gigabytes and as typed arrays need about 100 MB. Throws if the file or a column is missing.
 */
export async function readColumns(file: string, columns: Readonly<Record<string, ColumnKind>>): Promise<ParquetTable> {
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer);
  const rows = Number(metadata.num_rows);
  const read: Column[] = [];
  for (const [name, kind] of Object.entries(columns)) {
    const keep = kind === 'text' ? texts(rows) : numbers(rows, kind);
    await parquetRead({
      file: buffer,
      metadata,
      compressors,
      columns: [name],
      // A number, where a Date for each of 1.5 million rows would cost 150 MB.
      parsers: { timestampFromNanoseconds: (nanoseconds) => Number(nanoseconds / NANOSECONDS_PER_MILLISECOND) },
      onChunk: ({ columnData, rowStart }) => {
        for (let index = 0; index < columnData.length; index++) keep.set(rowStart + index, columnData[index]);
      },
    });
    read.push(keep.column);
  }
  return { rows, column: read };
}

interface Keeper {
  readonly set: (row: number, value: unknown) => void;
  readonly column: Column;
}

/** Every number of these files, ids of eleven digits and milliseconds included, is exact in a double. NaN stands for null. */
function numbers(rows: number, kind: Exclude<ColumnKind, 'text'>): Keeper {
  const values = new Float64Array(rows).fill(Number.NaN);
  const write = WRITERS[kind];
  return {
    set: (row, value) => {
      if (value !== null && value !== undefined) values[row] = Number(value);
    },
    column: (row) => {
      const value = values[row] ?? Number.NaN;
      return Number.isNaN(value) ? null : write(value);
    },
  };
}

const WRITERS: Readonly<Record<Exclude<ColumnKind, 'text'>, (value: number) => CopyValue>> = {
  integer: (value) => value,
  money: (value) => value.toFixed(2),
  instant: (value) => timestamptz(value),
  date: (value) => date(value),
};

function texts(rows: number): Keeper {
  const values: (string | null)[] = Array.from({ length: rows }, () => null);
  return {
    set: (row, value) => {
      if (typeof value === 'string') values[row] = value;
    },
    column: (row) => values[row] ?? null,
  };
}
