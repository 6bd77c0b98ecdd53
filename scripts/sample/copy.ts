import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** One table's rows on their way to COPY. A row is made when the stream asks for it, so memory does not grow with the table. */
export interface CopyTable {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: () => Iterable<readonly CopyValue[]>;
}

export type CopyValue = string | number | bigint | null;

export interface LoadProgress {
  readonly table: string;
  /** Rows of this table so far. */
  readonly rows: number;
  readonly rowsPerSecond: number;
  readonly done: boolean;
}
export type OnProgress = (progress: LoadProgress) => void;

/** Large enough that the stream's own cost vanishes, small enough that a slow server is felt at once. */
const CHUNK_CHARACTERS = 64 * 1024;
/** Often enough for a smooth bar. */
const PROGRESS_MS = 100;

/** The exact text that COPY receives, in chunks: the same seed gives the same bytes. */
export function* copyText(table: CopyTable, onRows: (rows: number) => void = () => undefined): Generator<string> {
  let chunk = '';
  let rows = 0;
  for (const row of table.rows()) {
    let separator = '';
    for (const value of row) {
      chunk += separator + encode(value);
      separator = '\t';
    }
    chunk += '\n';
    rows++;
    if (chunk.length < CHUNK_CHARACTERS) continue;
    yield chunk;
    onRows(rows);
    chunk = '';
  }
  if (chunk !== '') yield chunk;
  onRows(rows);
}

/** Loads a table and returns its number of rows. Table and column names are our own constants, never input. */
export async function loadTable(client: ClientBase, table: CopyTable, progress: OnProgress): Promise<number> {
  const started = performance.now();
  let rows = 0;
  let told = started;
  const tell = (done: boolean): void => {
    told = performance.now();
    progress({ table: table.table, rows, rowsPerSecond: Math.round((rows * 1000) / Math.max(told - started, 1)), done });
  };
  const text = copyText(table, (soFar) => {
    rows = soFar;
    if (performance.now() - told >= PROGRESS_MS) tell(false);
  });
  const columns = table.columns.map((column) => `"${column}"`).join(', ');
  await pipeline(Readable.from(text, { objectMode: true }), client.query(copyFrom(`copy "${table.table}" (${columns}) from stdin`)));
  tell(true);
  return rows;
}

const SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function encode(value: CopyValue): string {
  if (value === null) return '\\N';
  if (typeof value !== 'string') return String(value);
  return value.replace(SPECIAL, (special) => ESCAPES[special] ?? special);
}
