import type { CompetitorId } from './competitors.ts';
import { find, orders, rate, sizes, type Results, type Series } from './results.ts';
import { largest, median } from './statistics.ts';

/** A promise about speed, and what was measured. */
export interface Target {
  readonly what: string;
  readonly measured: number;
  readonly wanted: string;
  readonly reached: boolean;
}

// From the issue that asked for the purge; see docs/benchmarks.md.
const EXECUTION = { c: 0.65, d: 1.0 } as const;
const WHOLE = { c: 0.5, d: 0.75 } as const;
const OVER_LOOP = { time: 2, random: 6 } as const;
const PACED = 0.3;
const FOREIGN_P99 = 2;
const BLOCKED_MS = 300;
const TRANSACTION_MS = 300;
const GROWTH = 1.1;
const EVENTS = { base: 200, perMillion: 300 } as const;
const WORKER_MB = 400;
const DROP_MS = 1500;

const millions = (rows: number): string => (rows >= 1e6 ? `${rows / 1e6} M` : `${rows / 1e3} k`);

const atLeast = (what: string, measured: number, limit: number): Target => ({
  what,
  measured,
  wanted: `≥ ${limit}`,
  reached: measured >= limit,
});
const atMost = (what: string, measured: number, limit: number): Target => ({
  what,
  measured,
  wanted: `≤ ${limit}`,
  reached: measured <= limit,
});

/** Every target that the measured series can answer. */
export function judge(results: Results): Target[] {
  return [...speed(results), ...growth(results), ...manners(results), ...weight(results)];
}

function speed(results: Results): Target[] {
  const targets: Target[] = [];
  const largestSize = sizes(results).at(-1);
  for (const rows of sizes(results)) {
    for (const order of orders(results)) {
      const at = `${millions(rows)}, ${order} order`;
      const [a, b] = [find(results, rows, order, 'a'), find(results, rows, order, 'b')];
      for (const id of ['c', 'd'] as const) {
        const ours = find(results, rows, order, id);
        if (ours === undefined || a === undefined) continue;
        targets.push(atLeast(`execution (${id}) ÷ (a), ${at}`, rate(ours, 'execution') / rate(a, 'execution'), EXECUTION[id]));
        if (rows === largestSize)
          targets.push(atLeast(`whole job (${id}) ÷ (a), ${at}`, rate(ours, 'whole') / rate(a, 'whole'), WHOLE[id]));
        if (id === 'c' && b !== undefined)
          targets.push(atLeast(`execution (c) ÷ (b), ${at}`, rate(ours, 'execution') / rate(b, 'execution'), OVER_LOOP[order]));
      }
    }
  }
  return targets;
}

/** Twice the rows must not cost more than they cost the plain DELETE, but for a tenth. */
function growth(results: Results): Target[] {
  const [small, large] = [sizes(results).at(-2), sizes(results).at(-1)];
  if (small === undefined || large === undefined) return [];
  return orders(results).flatMap((order) => {
    const grown = (id: CompetitorId): number => {
      const [before, after] = [find(results, small, order, id), find(results, large, order, id)];
      const ms = (series: Series | undefined): number => median((series?.runs ?? []).map((run) => run.wholeMs));
      return ms(after) / ms(before);
    };
    return (['c', 'd'] as const)
      .filter((id) => find(results, large, order, id) !== undefined)
      .map((id) =>
        atMost(
          `growth of (${id}) ÷ growth of (a), ${millions(small)} → ${millions(large)}, ${order} order`,
          grown(id) / grown('a'),
          GROWTH,
        ),
      );
  });
}

/** What the owner's applications feel. */
function manners(results: Results): Target[] {
  const beside = results.series.filter((one) => one.besideForeign && one.competitor === 'e');
  return beside.flatMap((series) => {
    const { dataset, order, runs } = series;
    const at = `${millions(dataset.rows)}, ${order} order`;
    const a = find(results, dataset.rows, order, 'a');
    const foreign = runs.flatMap((run) => (run.foreign === null ? [] : [run.foreign]));
    return [
      ...(a === undefined
        ? []
        : [
            atLeast(
              `execution (e) beside the foreign workload ÷ (a) alone, ${at}`,
              rate(series, 'execution') / rate(a, 'execution'),
              PACED,
            ),
          ]),
      atMost(`foreign p99 during (e) ÷ quiet, ${at}`, median(foreign.map(({ during, quiet }) => during.p99 / quiet.p99)), FOREIGN_P99),
      atMost(`longest foreign wait for our locks (ms), ${at}`, largest(foreign.map(({ blocking }) => blocking.longestMs)), BLOCKED_MS),
      atMost(`p99.9 of our transactions (ms), ${at}`, median(runs.map((run) => run.transactions.p999)), TRANSACTION_MS),
    ];
  });
}

function weight(results: Results): Target[] {
  const ours = results.series.filter((one) => one.runs.some((run) => run.historyEvents !== null));
  const shares = ours.flatMap(({ runs }) =>
    runs.map((run) => (run.historyEvents ?? 0) / (EVENTS.base + (EVENTS.perMillion * run.rows) / 1e6)),
  );
  const memory = [...ours, ...(results.drop === null ? [] : [results.drop])].flatMap(({ runs }) => runs.map((run) => run.workerMb ?? 0));
  return [
    ...(ours.length === 0
      ? []
      : [atMost(`history events ÷ (${EVENTS.base} + ${EVENTS.perMillion} a million rows), worst run`, largest(shares), 1)]),
    ...(memory.length === 0 ? [] : [atMost('most memory of the worker (MB)', largest(memory), WORKER_MB)]),
    ...(results.drop === null
      ? []
      : [
          atMost(
            `whole job of dropping ${millions(results.drop.dataset.expired)} rows (ms)`,
            median(results.drop.runs.map((run) => run.wholeMs)),
            DROP_MS,
          ),
        ]),
  ];
}
