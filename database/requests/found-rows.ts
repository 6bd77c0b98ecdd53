import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { Kysely } from 'kysely';
import { canonicalHash, sha256 } from '../../domain/canonical.ts';
import type { ScanScope, ScanTable } from '../../domain/requests/scan-scope.ts';
import { indexTerms, type TermIndex } from '../../domain/requests/tokens.ts';
import { translating } from '../errors.ts';
import { ident } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { locationOf, rowsOf } from './scan-query.ts';
import { termsOfRun } from './scan-terms.ts';
import { keyOf } from './scan-words.ts';

/** A row in which the search found somebody whom nothing explains there, in one column. Personal data: stays in the process, or goes to who asked. */
export interface FoundRow {
  readonly relation: string;
  /** The primary key as a JSON array, or the row's place. */
  readonly location: string;
  readonly hits: readonly { readonly identity: string; readonly person: number }[];
  /** As text, as it is now; null: the row has gone, or is null by now. */
  readonly value: string | null;
}

export interface FoundPlace {
  /** `schema.table` */
  readonly table: string;
  readonly column: string;
}

/** All that a search found in a column, by place. `locking`: and nobody else changes these rows before the transaction ends. */
export async function foundRows(
  db: Kysely<unknown> | Transaction<unknown>,
  scope: ScanScope,
  runId: string,
  { table: name, column }: FoundPlace,
  locking = false,
): Promise<FoundRow[]> {
  const table = scope.tables.find((it) => it.table === name);
  if (table === undefined || !table.types[column]) return [];
  const { rows: hits } = await sql<{ relation: string; location: string; hits: FoundRow['hits'] }>`
    select h.relation, h.location, jsonb_agg(jsonb_build_object('identity', h.identity, 'person', h.person) order by h.person, h.identity) as hits
    from probity.run_hit h
    where h.run_id = ${runId} and h.table_name = ${name} and h.column_name = ${column} and not h.expected
    group by h.relation, h.location order by h.relation, h.location`.execute(db);
  const found: FoundRow[] = [];
  for (const [relation, its] of Map.groupBy(hits, (it) => it.relation)) {
    const { rows } = await sql<{ location: string; value: string | null }>`
      select ${locationIn(table, relation)} as location, ${ident('t', column)}::text as value
      from ${rowsIn(table, relation)} as t where ${locationIn(table, relation)} = any (${its.map((it) => it.location)}::text[])
      ${locking ? sql`for update` : sql``}`.execute(db);
    const values = new Map(rows.map((row) => [row.location, row.value]));
    found.push(...its.map((it) => ({ ...it, value: values.get(it.location) ?? null })));
  }
  return found;
}

export function rowsIn(table: ScanTable, relation: string): RawBuilder<unknown> {
  return rowsOf({ table, relation, range: null });
}

export function locationIn(table: ScanTable, relation: string): RawBuilder<string> {
  return locationOf({ table, relation, range: null });
}

/** What was shown: a decision names it, and is carried out only where it is still what stands there. */
export function foundHash(runId: string, place: FoundPlace, rows: readonly FoundRow[]): string {
  return canonicalHash({
    run: runId,
    ...place,
    rows: rows.map(({ relation, location, hits, value }) => ({ relation, location, hits, value: value === null ? null : sha256(value) })),
  });
}

/** By what the run's people are looked for, each row for those alone who were found there. */
export async function foundIndex(store: Store, scope: ScanScope, runId: string, names: boolean): Promise<(row: FoundRow) => TermIndex> {
  const all = await termsOfRun(store, runId, names, scope.called);
  const { rows } = await translating(store, () =>
    sql<{ person: number; identity: string }>`select w.person, w.identity from probity.run_word w where w.run_id = ${runId}`.execute(
      store.db,
    ),
  );
  const common = new Set(rows.map(keyOf));
  const terms = all.filter((term) => term.kind !== 'word' || !common.has(keyOf(term)));
  return ({ hits }) =>
    indexTerms(
      terms.filter((term) => hits.some((hit) => hit.person === term.person && hit.identity === term.identity)),
      scope.called,
    );
}

/** Reads what stands there now, in one snapshot. */
export async function readFound(store: Store, scope: ScanScope, runId: string, place: FoundPlace): Promise<FoundRow[]> {
  return inTransaction(store, { readOnly: true, isolation: 'repeatable read' }, (trx) => foundRows(trx, scope, runId, place));
}
