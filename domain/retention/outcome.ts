import type { TableOutcome } from '../evidence/certificate.ts';
import type { EvidenceRecord } from '../evidence/chain.ts';
import { ruleText, type RetentionPlan, type TablePlan } from './plan.ts';

/** What became of each table of a plan, told from the evidence alone. */
export function tableOutcomes(plan: RetentionPlan, records: readonly EvidenceRecord[]): TableOutcome[] {
  return plan.tables.map((table) =>
    tableOutcome(
      table,
      records.filter(({ body }) => body.store === table.store && body.table === table.table),
    ),
  );
}

function tableOutcome(table: TablePlan, records: readonly EvidenceRecord[]): TableOutcome {
  const closing = records.filter(({ body }) => body.kind === 'recheck').at(-1)?.body ?? null;
  return {
    table: `${table.store}.${table.table}`,
    rule: ruleText(table.rule),
    cutOff: table.cutOff,
    planned: table.rows,
    erased: sum(records, 'erased'),
    masked: sum(records, 'masked'),
    // What no recheck has seen go is not erased: without a closing statement the planned rows stand as failed.
    failed: closing === null ? table.rows : (closing.counts['remaining'] ?? 0),
    kept: closing === null ? table.kept : withPrefix(closing.counts, 'kept:'),
    along: { ...alongCounts(records) },
  };
}

function sum(records: readonly EvidenceRecord[], outcome: string): number {
  return records.reduce((total, { body }) => total + (body.counts[outcome] ?? 0), 0);
}

function withPrefix(counts: Readonly<Record<string, number>>, prefix: string): Record<string, number> {
  const matching = Object.entries(counts).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(matching.map(([name, rows]) => [name.slice(prefix.length), rows]));
}

function alongCounts(records: readonly EvidenceRecord[]): Record<string, number> {
  const names = new Set(records.flatMap(({ body }) => Object.keys(body.counts).filter((name) => /^(along|detached):/.test(name))));
  return Object.fromEntries([...names].sort().map((name) => [name, sum(records, name)]));
}

/** `complete` only when every table has its closing statement and nothing failed. */
export function runOutcome(outcomes: readonly TableOutcome[], cancelled: boolean): 'complete' | 'incomplete' | 'cancelled' {
  if (cancelled) return 'cancelled';
  return outcomes.every((outcome) => outcome.failed === 0) ? 'complete' : 'incomplete';
}

/** The closing statements, one a table: what a reader may hold us to. */
export function closingStatements(plan: RetentionPlan, records: readonly EvidenceRecord[]): string[] {
  return plan.tables.map((table) => {
    const closing = records
      .filter(({ body }) => body.store === table.store && body.table === table.table && body.kind === 'recheck')
      .at(-1)?.body;
    const name = `${table.store}.${table.table}`;
    if (closing === undefined) return `${name}: no closing statement was made`;
    const kept = Object.values(withPrefix(closing.counts, 'kept:')).reduce((total, rows) => total + rows, 0);
    const remaining = closing.counts['remaining'] ?? 0;
    const but = remaining === 0 ? `but the ${kept} listed as kept` : `but ${remaining} that failed and the ${kept} listed as kept`;
    return `${name}: at ${closing.range ?? 'an unknown snapshot'} no row matches the rule with cut-off ${table.cutOff} ${but}`;
  });
}
