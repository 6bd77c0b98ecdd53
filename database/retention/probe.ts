import { sql } from 'kysely';
import { NO_HOLDS } from '../holds.ts';
import { tableRef } from '../identifiers.ts';
import { inTransaction } from '../store.ts';
import { takes } from './change.ts';
import { between, OFFSETS, startOfBlock, type Position } from './position.ts';
import { targetChange, type Target } from './target.ts';

// 128 MB of 8 kB pages: some tens of milliseconds to read. What lies behind the first row found is read again by its batch, so no more than that at once.
const PROBE_BLOCKS = 16_384;

export interface Probe {
  /** The block where the rule next takes a row, or the end of the stretch that was looked at. */
  readonly at: Position;
  readonly found: boolean;
}

/**
 * Looks for the next row that the rule takes, from a place on. Reads only, and
 * waits for nobody: so a lane crosses what has not expired without a transaction of its own for each part of it.
 */
export async function nextPlace(
  target: Target,
  unit: { readonly table: string; readonly oid: number },
  from: Position,
  limit: Position,
): Promise<Probe> {
  const to = Math.min(limit, from + PROBE_BLOCKS * OFFSETS);
  const change = targetChange(target, NO_HOLDS, unit);
  const { rows } = await inTransaction(target.store, { readOnly: true }, (trx) =>
    sql<{ block: number | null }>`
      select split_part(trim(leading '(' from min(t.ctid)::text), ',', 1)::bigint as block
      from ${tableRef(unit.table)} as t where ${between(from, to)} and ${takes(change)}`.execute(trx),
  );
  const block = rows[0]?.block ?? null;
  return block === null ? { at: to, found: false } : { at: Math.max(from, startOfBlock(block)), found: true };
}
