import type { RetentionPlan, TablePlan, Unit } from '../domain/retention/plan.ts';
import { titles } from '../client/tables.ts';
import { showDay, showTime } from '../client/times.ts';
import { describeReason, plannedRows, planHash, ruleText } from '../client/wording.ts';
import type { Context } from './context.ts';
import { count, rows as rowsText, seconds, signed } from './numbers.ts';
import { textTable } from './table.ts';

export interface PlanTextOptions {
  /** The plan of the newest run before, for what has been added since. */
  readonly previous: RetentionPlan | null;
  /** Share of the time that a lane works. */
  readonly duty: number;
  readonly colours: Context['colours'];
  readonly width: number | null;
}

/** Rows that two lanes change in a second without pacing, on a small machine and with a few indexes: see docs/benchmarks.md. */
const ROWS_PER_SECOND = 100_000;
/** The same where rows of other tables are locked, judged and changed with them. */
const ROWS_PER_SECOND_WITH_OTHERS = 2_000;
/** Detaching and dropping one partition. */
const SECONDS_PER_DROP = 0.2;
/** Lease, recheck and Temporal's steps, for each table with something to do. */
const SECONDS_PER_TABLE = 0.3;

/** The plan as a table, with what frames it. */
export function planText(plan: RetentionPlan, options: PlanTextOptions): string {
  const { colours } = options;
  const mode = plan.mode === 'observe' ? colours.cyan('OBSERVE, nothing changes') : colours.yellow('ENFORCE');
  const head = `Plan ${colours.bold(shortHash(plan))} · as of ${showTime(new Date(plan.asOf), plan.timezone)} · ${mode}`;
  if (plan.tables.length === 0) return `${head}\nNo table has a retention rule.`;
  const named = titles(plan.tables.map(idOf));
  const columns = [
    { title: 'table' },
    { title: 'rule' },
    { title: 'cut-off' },
    { title: 'action' },
    { title: 'rows', align: 'right' },
    { title: 'along with them' },
    { title: 'kept, and why' },
    { title: 'how' },
  ] as const;
  const rows = plan.tables.map((table) => [
    named.get(idOf(table)) ?? idOf(table),
    ruleText(table.rule),
    showDay(new Date(table.cutOff), plan.timezone),
    table.rule.then.kind,
    count(table.rows),
    alongText(table.along),
    keptText(table.kept),
    howText(table.units),
  ]);
  return [head, textTable(columns, rows, options.width), footer(plan, named, options)].join('\n');
}

/** The first digits of the plan's hash: enough to tell two plans apart in talk. */
export function shortHash(plan: RetentionPlan): string {
  return planHash(plan).slice(0, SHORT_HASH);
}
export const SHORT_HASH = 4;

/** `37 hold H-12, 15 no last_seen_at`; a dash when nothing is kept. */
export function keptText(kept: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(kept).sort(([, a], [, b]) => b - a);
  return reasons.length === 0 ? '–' : reasons.map(([reason, rows]) => `${count(rows)} ${describeReason(reason)}`).join(', ');
}

/** `along:public.address` → `9 address`; `detached:public.note` → `2 note let go`. */
export function alongText(along: Readonly<Record<string, number>>): string {
  const most = Object.entries(along).sort(([, a], [, b]) => b - a);
  const parts = most.flatMap(([name, changed]) => {
    const table =
      name
        .slice(name.indexOf(':') + 1)
        .split('.')
        .at(-1) ?? name;
    return changed === 0 ? [] : [`${count(changed)} ${table}${name.startsWith('detached:') ? ' let go' : ''}`];
  });
  return parts.length === 0 ? '–' : parts.join(', ');
}

function howText(units: readonly Unit[]): string {
  const drops = units.filter((unit) => unit.strategy.kind === 'drop').length;
  const walks = units.filter((unit) => unit.strategy.kind === 'blocks' || unit.strategy.kind === 'keyset');
  const ways = walks.map(({ strategy }) =>
    strategy.kind === 'keyset' ? `keyset (${strategy.because})` : `block ranges (${strategy.because})`,
  );
  const parts = [...(drops === 0 ? [] : [`drop ${drops} partition${drops === 1 ? '' : 's'}`]), ...new Set(ways)];
  return parts.length === 0 ? 'nothing has expired' : parts.join(' + ');
}

function footer(plan: RetentionPlan, named: ReadonlyMap<string, string>, { previous, duty }: PlanTextOptions): string {
  const soon = plan.tables.reduce((sum, table) => sum + table.nextMonth, 0);
  const parts = [
    `${rowsText(plannedRows(plan))} ${plan.mode === 'observe' ? 'would change' : 'change'}`,
    ...(previous === null || !sameTables(plan, previous)
      ? []
      : [`Since the last plan ${signed(plannedRows(plan) - plannedRows(previous))}`]),
    `next 30 days ${count(soon)}`,
    `about ${seconds(estimate(plan, duty))}`,
  ];
  const kept = plan.tables.find((table) => Object.keys(table.kept).length > 0);
  const why = kept === undefined ? '' : `        why: probity retention explain ${named.get(idOf(kept)) ?? idOf(kept)} --kept`;
  return `${parts.join(' · ')}${why}`;
}

/** Plans over other tables cannot be compared by their sums. */
function sameTables(plan: RetentionPlan, other: RetentionPlan): boolean {
  const ids = ({ tables }: RetentionPlan): string => tables.map(idOf).sort().join();
  return ids(plan) === ids(other);
}

/** Seconds that a run of the plan takes, roughly. */
function estimate(plan: RetentionPlan, duty: number): number {
  return plan.tables.filter((table) => table.rows > 0).reduce((sum, table) => sum + tableSeconds(table, duty), 1);
}

function tableSeconds({ rule, units, rows }: TablePlan, duty: number): number {
  const drops = units.filter((unit) => unit.strategy.kind === 'drop');
  const walked = rows - drops.reduce((sum, unit) => sum + unit.rows, 0);
  const others = rule.then.kind !== 'mask' && Object.values(rule.children).some((action) => action !== 'keep');
  return SECONDS_PER_TABLE + drops.length * SECONDS_PER_DROP + walked / ((others ? ROWS_PER_SECOND_WITH_OTHERS : ROWS_PER_SECOND) * duty);
}

export function idOf(table: Pick<TablePlan, 'store' | 'table'>): string {
  return `${table.store}.${table.table}`;
}
