import type { RetentionRule } from '../../manifest/model.ts';
import { canonicalHash } from '../canonical.ts';
import { beyondShown } from '../drift.ts';
import type { Edge } from './graph.ts';

/** What a purge would do, counted per table: stored, hashed, and approved by its hash. */
export interface RetentionPlan {
  readonly job: 'retention';
  readonly organisation: string;
  readonly manifest: string;
  readonly mode: 'observe' | 'enforce';
  readonly asOf: string;
  readonly timezone: string;
  /** In the order of execution: rows that reference go before rows that are referenced. */
  readonly tables: readonly TablePlan[];
}

export interface TablePlan {
  readonly store: string;
  /** `schema.table` */
  readonly table: string;
  readonly rule: RetentionRule;
  readonly cutOff: string;
  readonly between: string | null;
  /** Of this table and of every table that changes with it. */
  readonly fingerprint: string;
  /** The store's references by foreign keys of partitions alone: they hold until the run ends, although it may drop the partitions. */
  readonly partly: readonly Edge[];
  /** Rows of the table that will be erased or masked. */
  readonly rows: number;
  /** Rows of other tables that go with them (`along:public.address`) or lose their reference (`detached:public.note`). */
  readonly along: Readonly<Record<string, number>>;
  /** Rows that the rule would take, or cannot judge, and that stay: by reason, see `describeReason`. */
  readonly kept: Readonly<Record<string, number>>;
  /** Rows that the rule takes within thirty days more. */
  readonly nextMonth: number;
  readonly units: readonly Unit[];
}

/** A physical table (a partition, or the table itself) and how its rows go. */
export interface Unit {
  /** `schema.table` */
  readonly table: string;
  readonly oid: number;
  readonly rows: number;
  readonly strategy: Strategy;
}

export type Strategy =
  | { readonly kind: 'drop'; readonly because: string }
  | { readonly kind: 'blocks'; readonly because: string }
  | { readonly kind: 'keyset'; readonly column: string; readonly because: string }
  | { readonly kind: 'none'; readonly because: string };

export function planHash(plan: RetentionPlan): string {
  return canonicalHash(plan);
}

/** Rows that a plan would change, those of other tables included. */
export function plannedRows(plan: RetentionPlan): number {
  return plan.tables.reduce((sum, table) => sum + table.rows + alongRows(table), 0);
}

/** Rows of other tables that change with a table's. */
export function alongRows({ along }: { readonly along: Readonly<Record<string, number>> }): number {
  return Object.values(along).reduce((sum, rows) => sum + rows, 0);
}

/** `P13M viewed_at`, as the plan's table shows it. */
export function ruleText(rule: RetentionRule): string {
  const after = 'column' in rule.after ? rule.after.column : `last ${rule.after.lastOf.split('.').slice(-2).join('.')}`;
  return `${rule.keep} ${after}`;
}

/** `hold:H-12` → `hold H-12`; `child:public.order` → `live order`; `missing:last_seen_at` → `no last_seen_at`. */
export function describeReason(reason: string): string {
  const colon = reason.indexOf(':');
  const kind = colon < 0 ? reason : reason.slice(0, colon);
  const name = colon < 0 ? '' : reason.slice(colon + 1);
  switch (kind) {
    case 'hold':
      return `hold ${name}`;
    case 'floor':
      return `floor ${name}`;
    case 'request':
      return 'open request';
    case 'child':
      return `live ${name.split('.').at(-1) ?? name}`;
    case 'missing':
      return `no ${name}`;
    case 'infinite':
      return `infinite ${name}`;
    case 'future':
      return `future ${name}`;
    case 'zoneless':
      return `${name} without time zone`;
    default:
      return reason;
  }
}

/** What the strategy choice needs to know about a physical table. */
export interface UnitFacts {
  readonly table: string;
  readonly oid: number;
  /** Rows that will change, and rows in all. */
  readonly rows: number;
  readonly total: number;
  /** The index column over the expiry time, when a valid, complete btree index leads with it. */
  readonly timeIndex: string | null;
  /** Null when it may be dropped whole; otherwise the reason why not, in a few words; empty where nobody would ask. */
  readonly notDroppable: string | null;
}

// Below this share an index walk reads fewer pages than the heap has: measured in docs/benchmarks.md.
const KEYSET_SHARE = 0.02;

/** How the rows of one physical table go, with the reason that the plan shows. */
export function chooseStrategy(facts: UnitFacts): Strategy {
  if (facts.rows === 0) return { kind: 'none', because: 'nothing has expired' };
  if (facts.notDroppable === null) return { kind: 'drop', because: 'every row of the partition has expired' };
  const share = facts.total === 0 ? 1 : facts.rows / facts.total;
  const percent = share < 0.01 ? `${(share * 100).toFixed(2)} %` : `${Math.round(share * 100)} %`;
  if (share <= KEYSET_SHARE && facts.timeIndex !== null) {
    return { kind: 'keyset', column: facts.timeIndex, because: `${percent} of the rows, reached through the index on ${facts.timeIndex}` };
  }
  const why = share > KEYSET_SHARE ? `${percent} of the rows` : `${percent} of the rows and no index leads with the time`;
  return { kind: 'blocks', because: facts.notDroppable === '' ? why : `${why}; ${facts.notDroppable}` };
}

/** Whether a newer plan of the same run would do noticeably more, or something else, than the plan that was shown. */
export function drifted(shown: RetentionPlan, now: RetentionPlan): boolean {
  if (shown.tables.length !== now.tables.length) return true;
  return now.tables.some((table, index) => {
    const before = shown.tables[index];
    if (before === undefined || before.table !== table.table || before.store !== table.store) return true;
    return before.fingerprint !== table.fingerprint || beyondShown(before.rows + alongRows(before), table.rows + alongRows(table));
  });
}

/** Orders tables so that each comes after the tables that must go before it; ties and cycles by name. */
export function orderTables(tables: readonly string[], before: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const ordered: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (table: string): void => {
    if (state.has(table)) return;
    state.set(table, 'open');
    for (const earlier of [...(before.get(table) ?? [])].sort()) if (tables.includes(earlier)) visit(earlier);
    state.set(table, 'done');
    ordered.push(table);
  };
  for (const table of [...tables].sort()) visit(table);
  return ordered;
}
