import type { KeptHits } from './kept.ts';
import type { NotScanned, Standing } from './scan-scope.ts';

/** Rows of a table in which somebody's identity stands in a column. Says nothing of whose or where. */
export interface ScanHits {
  /** `schema.table` */
  readonly table: string;
  readonly standing: Standing;
  readonly column: string;
  /** `key`, or the identity's name, such as `email`. */
  readonly identity: string;
  readonly rows: number;
}

/** An identity that no free text could be searched for, such as a small number. */
export interface NotSearched {
  readonly identity: string;
  readonly people: number;
  readonly reason: string;
}

/** What the search of a store found where nothing of the people should be left. Counts and names only. */
export interface ScanResult {
  readonly store: string;
  readonly columnsScanned: number;
  readonly columnsTotal: number;
  readonly rangesDone: number;
  readonly rangesTotal: number;
  /** To be explained: neither kept by the plan nor dismissed. */
  readonly hits: readonly ScanHits[];
  /** In rows and columns that the plan keeps. */
  readonly expected: readonly ScanHits[];
  /** The same by row and reason, without what only says whose a row is: its key, and references. */
  readonly kept: readonly KeptHits[];
  readonly dismissed: readonly ScanHits[];
  readonly notScanned: readonly NotScanned[];
  readonly notSearched: readonly NotSearched[];
  /** Searched where it is named only: does not limit what a certificate says, but stands in it. */
  readonly searchedByName: readonly NotSearched[];
  /** `schema.table` of schemas that the manifest does not name. */
  readonly outside: readonly string[];
  /** By `schema.table`: the snapshots in which it was read, as `pg_current_snapshot()` says them; several for a large table. */
  readonly snapshots: Readonly<Record<string, readonly string[]>>;
}

/** A certificate stays a page; the record has them all. */
const MOST_NAMED = 6;

/** `41 of 43 columns, 0 hits · not scanned: note.body, audit.raw` */
export function scanSentence(result: ScanResult): string {
  const hits = rowsOf(result.hits);
  const parts = [`${result.columnsScanned} of ${result.columnsTotal} columns, ${hits} ${hits === 1 ? 'hit' : 'hits'}`];
  if (result.hits.length > 0) parts[0] += `: ${named(result.hits)}`;
  if (result.rangesDone < result.rangesTotal) parts.push(`UNFINISHED: ${result.rangesDone} of ${result.rangesTotal} ranges`);
  if (result.expected.length > 0) parts.push(`${rowsOf(result.expected)} in what is kept`);
  if (result.dismissed.length > 0) parts.push(`${rowsOf(result.dismissed)} dismissed`);
  if (result.notScanned.length > 0) parts.push(`not scanned: ${named(result.notScanned)}`);
  for (const { identity, reason } of [...result.notSearched, ...result.searchedByName]) parts.push(`${identity}: ${reason}`);
  return parts.join(' · ');
}

/** Without the hits that somebody has signed to be none, by `store.schema.table` or `store.schema.table.column`. */
export function withoutDismissed(result: ScanResult, dismissed: readonly string[]): ScanResult {
  const isNone = ({ table, column }: ScanHits): boolean =>
    dismissed.includes(`${result.store}.${table}`) || dismissed.includes(`${result.store}.${table}.${column}`);
  return {
    ...result,
    hits: result.hits.filter((it) => !isNone(it)),
    dismissed: [...result.dismissed, ...result.hits.filter(isNone)],
  };
}

function rowsOf(hits: readonly ScanHits[]): number {
  return hits.reduce((sum, { rows }) => sum + rows, 0);
}

function named(columns: readonly { readonly table: string; readonly column: string }[]): string {
  const names = [...new Set(columns.map(({ table, column }) => `${table.replace(/^public\./, '')}.${column}`))];
  const more = names.length - MOST_NAMED;
  return more > 0 ? `${names.slice(0, MOST_NAMED).join(', ')} and ${more} more` : names.join(', ');
}
