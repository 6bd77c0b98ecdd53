import { COMPETITORS } from './competitors.ts';
import { FOREIGN_RATE } from './foreign.ts';
import { find, orders, rate, sizes, type Results, type Run, type Series } from './results.ts';
import { median, largest } from './statistics.ts';
import { judge } from './targets.ts';

/** The results as Markdown, which is also what the terminal shows. */
export function report(results: Results): string {
  return [speedTables(results), dropTable(results), foreignTable(results), targetTable(results)].filter((part) => part !== '').join('\n\n');
}

/** The same with what it was measured on: docs/benchmarks.md. */
export function benchmarkPage(results: Results, command: string): string {
  const { machine } = results;
  const settings = Object.entries(machine.settings).map(([name, value]) => `\`${name} = ${value}\``);
  const first = results.series[0]?.dataset;
  return `# Benchmarks

Written by \`${command}\` on ${machine.date}; do not edit. Measure it on your machine: the ratios matter, not the rates.

**Machine.** ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}. Node ${machine.node}, PostgreSQL ${machine.postgres},
Temporal ${machine.temporal}. Postgres, Temporal, the worker, the foreign workload and the benchmark share this machine.
**Postgres.** ${settings.join(', ')}; everything else at its default, \`fsync\` and \`synchronous_commit\` on.

**Table.** \`visit\`: a bigint key, a timestamptz, a customer, 64 characters; ${first === undefined ? '' : `${Math.round(first.bytes.heap / first.rows)} bytes a row and ${Math.round(first.bytes.indexes / first.rows)} in its three indexes;`}
27 % of the rows have expired. In *time order* they lie together at the heap's beginning, in *random order* every page has some.
**Method.** Each run works on a fresh copy of the same files, read into the cache, just after a checkpoint. Autovacuum is off for everyone.
Competitors take turns, and the order rotates; the table shows medians, and every run is checked to have left nothing expired and nothing else
gone. *Execution* is from the first batch to the last commit, seen by the worker; the *whole job* is from the client's call to its result, with
plan, recheck and signed certificate; for (a) and (b) both are the statements alone. The worker has run one purge before.

${report(results)}
`;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2);
const thousands = (value: number): string => Math.round(value).toLocaleString('en');
const ratio = (value: number): string => (Number.isNaN(value) ? '–' : value.toFixed(2));

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

function middle(runs: readonly Run[], of: (run: Run) => number | null): number {
  return median(runs.flatMap((run) => of(run) ?? []));
}

function nameOf(series: Series): string {
  return `(${series.competitor}) ${COMPETITORS.find((one) => one.id === series.competitor)?.name ?? ''}`;
}

function speedTables(results: Results): string {
  const head = ['', 'execution s', 'rows/s', '÷ a', '÷ b', 'whole job s', 'rows/s', '÷ a', 'transactions', 'p99.9 ms', 'events'];
  const parts = sizes(results).flatMap((rows) =>
    orders(results).flatMap((order) => {
      const alone = results.series.filter((one) => one.dataset.rows === rows && one.order === order && !one.besideForeign);
      if (alone.length === 0) return [];
      const [a, b] = [find(results, rows, order, 'a'), find(results, rows, order, 'b')];
      const over = (series: Series, other: Series | undefined, of: 'execution' | 'whole'): string =>
        other === undefined ? '–' : ratio(rate(series, of) / rate(other, of));
      const lines = alone.map((series) => [
        nameOf(series),
        seconds(middle(series.runs, (run) => run.executionMs)),
        thousands(rate(series, 'execution')),
        over(series, a, 'execution'),
        over(series, b, 'execution'),
        seconds(middle(series.runs, (run) => run.wholeMs)),
        thousands(rate(series, 'whole')),
        over(series, a, 'whole'),
        thousands(middle(series.runs, (run) => run.transactions.count)),
        thousands(middle(series.runs, (run) => run.transactions.p999)),
        thousands(middle(series.runs, (run) => run.historyEvents)).replace('NaN', '–'),
      ]);
      const expired = thousands(alone[0]?.dataset.expired ?? 0);
      return [
        `## ${thousands(rows)} rows in ${order} order, ${expired} expired, median of ${alone[0]?.runs.length ?? 0}\n\n${table(head, lines)}`,
      ];
    }),
  );
  return parts.join('\n\n');
}

function dropTable({ drop }: Results): string {
  if (drop === null) return '';
  const lines = [['ours', seconds(middle(drop.runs, (run) => run.executionMs)), seconds(middle(drop.runs, (run) => run.wholeMs))]];
  return `## ${thousands(drop.dataset.expired)} rows in expired monthly partitions, of ${thousands(drop.dataset.rows)}\n\n${table(['', 'execution s', 'whole job s'], lines)}`;
}

function foreignTable(results: Results): string {
  const beside = results.series.filter((one) => one.besideForeign);
  if (beside.length === 0) return '';
  const head = [
    '',
    'rows',
    'order',
    'rows/s',
    'quiet p50',
    'p99',
    'during p50',
    'p99',
    'p99 ÷ quiet',
    'longest',
    'blocked',
    'longest block',
    'our p99.9',
  ];
  const ms = (value: number): string => (value < 100 ? value.toFixed(1) : thousands(value));
  const lines = beside.map((series) => {
    const foreign = series.runs.flatMap((run) => (run.foreign === null ? [] : [run.foreign]));
    const of = (pick: (one: (typeof foreign)[number]) => number): number => median(foreign.map(pick));
    return [
      nameOf(series),
      thousands(series.dataset.rows),
      series.order,
      thousands(rate(series, 'execution')),
      ms(of((one) => one.quiet.p50)),
      ms(of((one) => one.quiet.p99)),
      ms(of((one) => one.during.p50)),
      ms(of((one) => one.during.p99)),
      ratio(of((one) => one.during.p99 / one.quiet.p99)),
      ms(largest(foreign.map((one) => one.during.max))),
      thousands(foreign.reduce((sum, one) => sum + one.blocking.statements, 0)),
      ms(largest(foreign.map((one) => one.blocking.longestMs))),
      ms(middle(series.runs, (run) => run.transactions.p999)),
    ];
  });
  const about = `${FOREIGN_RATE} operations a second at fixed times, half reads and half updates by key, 5 % of the updates on any row, expired or not; latency in
milliseconds from the time at which an operation was meant to start. *Blocked* are foreign statements that \`pg_blocking_pids\`, asked every
20 ms, saw waiting for the purge.`;
  return `## Beside an application\n\n${about}\n\n${table(head, lines)}`;
}

function targetTable(results: Results): string {
  const targets = judge(results);
  const lines = targets.map(({ what, measured, wanted, reached }) => [
    what,
    measured >= 100 ? thousands(measured) : ratio(measured),
    wanted,
    reached ? 'reached' : 'MISSED',
  ]);
  const count = targets.filter((target) => target.reached).length;
  return `## Targets: ${count} of ${targets.length} reached\n\n${table(['', 'measured', 'wanted', ''], lines)}`;
}
