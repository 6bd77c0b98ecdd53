import type { TableOutcome } from '../evidence/certificate.ts';
import type { EvidenceRecord } from '../evidence/chain.ts';
import { ruleText, type RetentionPlan, type TablePlan } from './plan.ts';

/** By index of a plan's tables, what ended those that could not be worked on to their end. */
export type Endings = Readonly<Record<string, string>>;

/** What became of each table of a plan, told from the evidence alone; of what left none, `endings` say why. */
export function tableOutcomes(plan: RetentionPlan, records: readonly EvidenceRecord[], endings: Endings = {}): TableOutcome[] {
  return plan.tables.map((table, index) => {
    const own = recordsOf(table, records);
    const outcome = tableOutcome(table, own);
    const because = failedBecause(outcome.failed, own, endings[index] ?? 'not reached');
    return { ...outcome, ...(outcome.failed > 0 && { failedBecause: because }), withOthers: goneWithOthers(table, records) };
  });
}

/** Each pass tries every row that is left, so the last one tells of all. */
function failedBecause(failed: number, records: readonly EvidenceRecord[], otherwise: string): Record<string, number> {
  const last = Math.max(...records.map(({ body }) => body.pass));
  const inLast = records.filter(({ body }) => body.pass === last).map(({ body }) => withPrefix(body.counts, 'failed:'));
  const because: Record<string, number> = {};
  for (const counts of inLast) for (const [code, rows] of Object.entries(counts)) because[code] = (because[code] ?? 0) + rows;
  const rest = failed - Object.values(because).reduce((sum, rows) => sum + rows, 0);
  return rest > 0 ? { ...because, [otherwise]: rest } : because;
}

function recordsOf(table: TablePlan, records: readonly EvidenceRecord[]): EvidenceRecord[] {
  return records.filter(({ body }) => body.store === table.store && body.table === table.table);
}

/** Rows of the table that went along with rows of other tables: planned rows may be among them. */
function goneWithOthers(table: TablePlan, records: readonly EvidenceRecord[]): number {
  const inStore = records.filter(({ body }) => body.store === table.store);
  return sum(inStore, `along:${table.table}`);
}

function tableOutcome(table: TablePlan, records: readonly EvidenceRecord[]): Omit<TableOutcome, 'withOthers'> {
  const { closing, since } = closingOf(records);
  const changed = (some: readonly EvidenceRecord[]): number => sum(some, 'erased') + sum(some, 'masked');
  return {
    table: `${table.store}.${table.table}`,
    rule: ruleText(table.rule),
    cutOff: table.cutOff,
    planned: table.rows,
    erased: sum(records, 'erased'),
    masked: sum(records, 'masked'),
    // What was neither changed nor seen by a recheck is unexplained, and stands as failed.
    failed:
      closing === null ? Math.max(0, table.rows - changed(records)) : Math.max(0, (closing.counts['remaining'] ?? 0) - changed(since)),
    kept: closing === null ? table.kept : withPrefix(closing.counts, 'kept:'),
    along: { ...alongCounts(records) },
  };
}

/** The last look at the whole table, and what was changed after it: something only where a run was stopped in the middle of a later pass. */
function closingOf(records: readonly EvidenceRecord[]): { closing: EvidenceRecord['body'] | null; since: readonly EvidenceRecord[] } {
  const closing = records.filter(({ body }) => body.kind === 'recheck').at(-1)?.body ?? null;
  return { closing, since: closing === null ? records : records.filter(({ body }) => body.pass > closing.pass) };
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
export function runOutcome(
  plan: RetentionPlan,
  records: readonly EvidenceRecord[],
  outcomes: readonly TableOutcome[],
  cancelled: boolean,
): 'complete' | 'incomplete' | 'cancelled' {
  if (cancelled) return 'cancelled';
  const closed = plan.tables.every((table) => {
    const { closing, since } = closingOf(recordsOf(table, records));
    return closing !== null && since.length === 0;
  });
  return closed && outcomes.every((outcome) => outcome.failed === 0) ? 'complete' : 'incomplete';
}

/** The closing statements, one a table: what a reader may hold us to. */
export function closingStatements(plan: RetentionPlan, records: readonly EvidenceRecord[]): string[] {
  return plan.tables.map((table) => {
    const { closing, since } = closingOf(recordsOf(table, records));
    const name = `${table.store}.${table.table}`;
    if (closing === null || since.length > 0) return `${name}: no closing statement was made`;
    const kept = Object.values(withPrefix(closing.counts, 'kept:')).reduce((total, rows) => total + rows, 0);
    const remaining = closing.counts['remaining'] ?? 0;
    const but = remaining === 0 ? `but the ${kept} listed as kept` : `but ${remaining} that failed and the ${kept} listed as kept`;
    return `${name}: at ${closing.range ?? 'an unknown snapshot'} no row matches the rule with cut-off ${table.cutOff} ${but}`;
  });
}
