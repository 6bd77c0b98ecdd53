import { expect, test } from 'vitest';
import { readOptions, WrongUsage } from '../../scripts/bench/options.ts';
import { largest, median, percentile } from '../../scripts/bench/statistics.ts';
import { judge } from '../../scripts/bench/targets.ts';
import type { Results, Run, Series } from '../../scripts/bench/results.ts';

test('medians and nearest-rank percentiles', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect([0.5, 0.99, 0.999, 1].map((p) => percentile(hundred, p))).toEqual([50, 99, 100, 100]);
  expect(percentile([], 0.5)).toBeNaN();
  expect(largest([])).toBe(0);
});

test('sizes are read with their units, and what is none is refused', () => {
  expect(readOptions(['--rows', '200k,10M', '--order', 'random'])).toMatchObject({
    rows: [200_000, 10_000_000],
    orders: ['random'],
    runs: 3,
  });
  for (const args of [['--rows', 'many'], ['--order', 'sorted'], ['--competitors', 'z'], ['--nothing'], ['--runs', '0']]) {
    expect(() => readOptions(args), args.join(' ')).toThrow(WrongUsage);
  }
});

test('targets compare rates of medians, and a slower run misses', () => {
  const run = (executionMs: number, wholeMs: number): Run => ({
    rows: 1000,
    executionMs,
    wholeMs,
    transactions: { count: 1, p50: 1, p999: 1, max: 1 },
    historyEvents: null,
    workerMb: null,
    activities: null,
    foreign: null,
  });
  const series = (competitor: Series['competitor'], runs: readonly Run[]): Series => ({
    dataset: { rows: 4000, expired: 1000, bytes: { heap: 1, indexes: 1 } },
    order: 'time',
    competitor,
    besideForeign: false,
    runs,
  });
  const results = (ours: readonly Run[]): Results => ({
    machine: {} as Results['machine'],
    series: [series('a', [run(100, 100)]), series('c', ours)],
    drop: null,
  });
  const reached = (ours: readonly Run[]): Record<string, boolean> =>
    Object.fromEntries(judge(results(ours)).map((target) => [target.what.split(',')[0] ?? '', target.reached]));
  expect(reached([run(150, 190), run(900, 900), run(140, 180)])).toEqual({ 'execution (c) ÷ (a)': true, 'whole job (c) ÷ (a)': true });
  expect(reached([run(160, 190)])).toEqual({ 'execution (c) ÷ (a)': false, 'whole job (c) ÷ (a)': true });
});
