import type { CompetitorId, Outcome } from './competitors.ts';
import type { Dataset, HeapOrder } from './dataset.ts';
import type { ForeignResult } from './foreign.ts';
import type { Machine } from './machine.ts';
import { largest, median, percentile } from './statistics.ts';

/** One run of one competitor on one dataset. Durations in milliseconds. */
export interface Run {
  readonly rows: number;
  readonly executionMs: number;
  readonly wholeMs: number;
  readonly transactions: { readonly count: number; readonly p50: number; readonly p999: number; readonly max: number };
  /** Null for competitors that need no Temporal. */
  readonly historyEvents: number | null;
  readonly workerMb: number | null;
  /** What the worker did when, relative to the start call; null for competitors without one. */
  readonly activities: readonly { readonly name: string; readonly fromMs: number; readonly toMs: number }[] | null;
  readonly foreign: ForeignResult | null;
}

export interface Series {
  readonly dataset: Dataset;
  readonly order: HeapOrder;
  readonly competitor: CompetitorId;
  readonly besideForeign: boolean;
  readonly runs: readonly Run[];
}

export interface DropSeries {
  readonly dataset: Dataset;
  readonly runs: readonly Run[];
}

export interface Results {
  readonly machine: Machine;
  readonly series: readonly Series[];
  readonly drop: DropSeries | null;
}

export function toRun(outcome: Outcome, foreign: ForeignResult | null): Run {
  const { execution, whole, transactionsMs, ours } = outcome;
  return {
    rows: outcome.rows,
    executionMs: execution.to - execution.from,
    wholeMs: whole.to - whole.from,
    transactions: {
      count: transactionsMs.length,
      p50: percentile(transactionsMs, 0.5),
      p999: percentile(transactionsMs, 0.999),
      max: largest(transactionsMs),
    },
    historyEvents: ours?.historyEvents ?? null,
    workerMb: ours?.record.rssMb ?? null,
    activities: ours?.record.activities.map(({ name, from, to }) => ({ name, fromMs: from - whole.from, toMs: to - whole.from })) ?? null,
    foreign,
  };
}

/** Rows a second of the median run. */
export function rate({ runs }: Pick<Series, 'runs'>, of: 'execution' | 'whole'): number {
  return median(runs.map((run) => (run.rows * 1000) / (of === 'execution' ? run.executionMs : run.wholeMs)));
}

export function find(
  results: Results,
  rows: number,
  order: HeapOrder,
  competitor: CompetitorId,
  besideForeign = false,
): Series | undefined {
  return results.series.find(
    (one) => one.dataset.rows === rows && one.order === order && one.competitor === competitor && one.besideForeign === besideForeign,
  );
}

export function sizes(results: Results): number[] {
  return [...new Set(results.series.map((one) => one.dataset.rows))].sort((a, b) => a - b);
}

export function orders(results: Results): HeapOrder[] {
  return [...new Set(results.series.map((one) => one.order))];
}
