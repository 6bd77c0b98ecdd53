import type { TableRow } from './queries.ts';

/** Why we never write this table, in a sentence; null when we may. Each reason is a way to touch rows that a plan did not count. */
export function refusal(row: TableRow, inPeriodKey: boolean): string | null {
  if (row.schema.includes('.') || row.name.includes('.')) return 'its name holds a dot, which a manifest cannot spell';
  if (row.relkind === 'v') return 'it is a view: declare the tables beneath it';
  if (row.relkind === 'm') return 'it is a materialized view: its rows go when it is refreshed from its tables';
  if (row.relkind === 'f') return 'it is a foreign table: declare its own database as a store';
  if (row.unlogged) return 'it is unlogged: a crash empties it and brings nothing back, so no evidence about it would hold';
  if (row.inherits) return 'it inherits from another table, whose statements also reach its rows';
  if (row.inherited) return 'other tables inherit from it, and a statement on it also reaches their rows';
  if (inPeriodKey) return 'it is part of a foreign key over a PERIOD, which one row may satisfy for many';
  return null;
}
