import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { redactDocument, redactText } from '../../domain/requests/passages.ts';
import { redacting, type Redacting } from '../../domain/requests/redactable.ts';
import { REDACTED, REDACTION, WITHHELD } from '../../domain/requests/redaction.ts';
import type { ScanScope, ScanTable } from '../../domain/requests/scan-scope.ts';
import { findTerms, type TermIndex } from '../../domain/requests/tokens.ts';
import { namedElsewhere } from '../../domain/retention/elsewhere.ts';
import { storeEdges, subjectPaths } from '../../domain/retention/graph.ts';
import type { Manifest } from '../../manifest/model.ts';
import { noFaults, type Faults } from '../faults.ts';
import type { ActiveHolds } from '../holds.ts';
import { ident } from '../identifiers.ts';
import { lastStep, takeStep } from '../ledger.ts';
import { releaseLease, takeLease } from '../lease.ts';
import { heldReasons } from '../retention/held-names.ts';
import { any } from '../retention/protection.ts';
import type { Store } from '../store.ts';
import type { HeldElsewhere } from './erasure/keys.ts';
import { foundHash, foundIndex, foundRows, locationIn, rowsIn, type FoundPlace, type FoundRow } from './found-rows.ts';

/** A chain of its own: that of the erasure ends in its closing statement. */
const LANE = 1;
const LIMITS = { lockTimeoutMs: 10_000, statementTimeoutMs: 600_000 };

export interface RedactingRun {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly manifest: Manifest;
  readonly scope: ScanScope;
  readonly runId: string;
  readonly incarnation: string;
  /** Also look for names, as the search did. */
  readonly names: boolean;
  readonly heldElsewhere: () => Promise<readonly HeldElsewhere[]>;
  readonly faults?: Faults;
}

/**
 * Redacts what the search found in a column, where that is what was decided about (`found`): one step of the ledger, which also has the table
 * searched again. Rows under a hold, of people under one, and what cannot be replaced stay as they are, and are found again. Null: another run
 * has the table. False: something else stands there by now, or nothing. Repeating it changes nothing.
 */
export async function redactFound(run: RedactingRun, place: FoundPlace, found: string): Promise<boolean | null> {
  const { store, catalog, manifest, scope, runId, incarnation, faults = noFaults } = run;
  const way = redacting(catalog, manifest, place.table, place.column);
  const table = scope.tables.find((it) => it.table === place.table);
  if ('refused' in way || table === undefined) return false;
  if (foundHash(runId, place, await foundRows(store.db, scope, runId, place)) !== found) return false;
  const index = await foundIndex(store, scope, runId, run.names);
  const lease = await takeLease(store, place.table, runId);
  if (lease === null) return null;
  try {
    const held = new Set((await run.heldElsewhere()).map(({ person }) => person));
    const seq = ((await lastStep(store.db, runId, LANE))?.body.seq ?? 0) + 1;
    const step = { runId, lane: LANE, seq, kind: REDACTION, pass: 0, cutOff: null, lease, incarnation, ...LIMITS };
    await takeStep(
      store,
      step,
      async (trx, holds) => {
        const rows = await foundRows(trx, scope, runId, place, true);
        // Whoever changed a row after it was shown has it looked at again.
        const same = foundHash(runId, place, rows) === found;
        let [redacted, withheld] = [0, 0];
        for (const row of same ? rows : []) {
          const free = !row.hits.some(({ person }) => held.has(person)) && !(await isHeld(trx, run, table, row, holds));
          const value = row.value === null || !free ? undefined : redactedValue(way.how, row.value, index(row));
          if (value !== undefined && (await write(trx, table, row, place.column, way.column.type, value))) redacted += 1;
          else withheld += 1;
        }
        await searchedAgain(trx, runId, place.table);
        const name = `${place.table}.${place.column}`;
        const counts = { [`${REDACTED}${name}`]: redacted, ...(withheld > 0 && { [`${WITHHELD}${name}`]: withheld }) };
        return { range: `${name} as found`, counts, cursor: null };
      },
      faults,
    );
    return true;
  } finally {
    await releaseLease(store, lease);
  }
}

/** Undefined: it cannot be done. */
function redactedValue(how: Redacting, value: string, index: TermIndex): string | null | undefined {
  if (how === 'null') return null;
  // What the column as a whole is, such as a short key, no text is searched for.
  if (findTerms(value, index).size === 0) return undefined;
  return (how === 'text' ? redactText(value, index) : redactDocument(value, index)) ?? undefined;
}

async function isHeld(
  trx: Transaction<unknown>,
  { manifest, catalog, store }: RedactingRun,
  table: ScanTable,
  { relation, location }: FoundRow,
  holds: ActiveHolds,
): Promise<boolean> {
  const edges = storeEdges(catalog, manifest);
  const paths = subjectPaths(table.table, edges, manifest, store.name);
  const elsewhere = namedElsewhere(table.table, edges, manifest, catalog);
  const reasons = heldReasons(table.table, 't', holds, { paths, elsewhere, catalog });
  if (reasons.length === 0) return false;
  const { rows } = await sql`
    select from ${rowsIn(table, relation)} as t
    where ${locationIn(table, relation)} = ${location} and ${any(reasons.map(({ condition }) => condition))}`.execute(trx);
  return rows.length > 0;
}

/** What the column refuses (a check, a type) is left as it is. */
async function write(
  trx: Transaction<unknown>,
  table: ScanTable,
  { relation, location }: FoundRow,
  column: string,
  type: string,
  value: string | null,
): Promise<boolean> {
  const given: RawBuilder<unknown> = sql`cast(${value}::text as ${sql.raw(type)})`;
  await sql`savepoint redaction`.execute(trx);
  try {
    const { numAffectedRows } = await sql`
      update ${rowsIn(table, relation)} as t set ${ident(column)} = ${given}
      where ${locationIn(table, relation)} = ${location}`.execute(trx);
    return Number(numAffectedRows ?? 0n) > 0;
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code;
    if (typeof code !== 'string' || !/^2[23]/.test(code)) throw error;
    await sql`rollback to savepoint redaction`.execute(trx);
    return false;
  }
}

/** Of this table alone, with the step that changed it. */
async function searchedAgain(trx: Transaction<unknown>, runId: string, table: string): Promise<void> {
  for (const from of ['run_scan', 'run_hit'])
    await sql`delete from ${sql.id('probity', from)} where run_id = ${runId} and table_name = ${table}`.execute(trx);
}
