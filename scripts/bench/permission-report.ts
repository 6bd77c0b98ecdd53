import type { Machine } from './machine.ts';
import { BATCH_TARGET_MS, LAG_TARGET_MS, SINGLE_TARGET_MS, WITHDRAWAL_TARGET_MS } from './permission-targets.ts';
import { CALLERS, LAG_RATE, type Latency } from './permission-measures.ts';
import { table } from './report.ts';

export interface PermissionResults {
  readonly machine: Machine;
  /** Of the machine over the minute before: what else it did. */
  readonly load: number;
  readonly withdrawals: { readonly outbox: number; readonly ways: readonly Named[] };
  readonly answers: readonly Named[];
  readonly lag: Latency;
  /** What other benches printed. */
  readonly beside: readonly { readonly name: string; readonly text: string }[];
}

interface Named {
  readonly name: string;
  readonly latency: Latency;
}

/** The section as Markdown. */
export function permissionReport(results: PermissionResults, command: string): string {
  const { machine, withdrawals, answers, lag, beside, load } = results;
  const of = (list: readonly Named[], name: string): number => list.find((it) => it.name.startsWith(name))?.latency.p99 ?? Number.NaN;
  const targets: readonly (readonly [string, number, number])[] = [
    ['withdrawal p99, ms', of(withdrawals.ways, 'ours, consentRecorder'), WITHDRAWAL_TARGET_MS],
    ['withdrawal p99 with the sink, ms', of(withdrawals.ways, 'ours, consentRecorder, durable'), WITHDRAWAL_TARGET_MS],
    ['permission in SQL p99, ms', of(answers, 'permission'), SINGLE_TARGET_MS],
    ['permissions of 1,000 p99, ms', of(answers, 'permissions of'), BATCH_TARGET_MS],
    ['replica lag p99, ms', lag.p99, LAG_TARGET_MS],
  ];
  return [
    `Written by \`${command}\` on ${machine.date}; do not edit. ${machine.cpu}, ${machine.cores} cores, PostgreSQL ${machine.postgres}, Node ${machine.node}; load before
it began ${load.toFixed(1)}. Medians of the runs. Callers, Postgres and what is measured share the machine. No Temporal server runs: ${number(withdrawals.outbox)} requests
waited in the outbox at the end.${load > machine.cores ? ` **The machine had other work (load ${load.toFixed(1)} on ${machine.cores} cores):** compare the ways with each other, and measure again when it is quiet.` : ''}`,
    `### Withdrawals, ${CALLERS} callers at once\n\nEach call returns when it is committed and in force: record, commitment, state, end of two memberships, request with its clock, outbox row (with the sink: also
written there and synced). By hand it is one statement through a pool of the same size, and none of these.`,
    latencies(withdrawals.ways, true),
    `### Answers in SQL\n\nPrepared statements of one session, with the way to the server and back.`,
    latencies(answers, false),
    `### The replica of another store, at ${LAG_RATE} withdrawals a second\n\nFrom the acknowledgement until the other store no longer allows it.`,
    latencies([{ name: 'lag', latency: lag }], false),
    ...beside.map(
      ({ name, text }) => `### ${name === 'views' ? 'Views' : 'Imports'} (\`npm run bench -- ${name}\`)\n\n\`\`\`\n${text}\n\`\`\``,
    ),
    `### Targets: ${targets.filter(([, is, most]) => is <= most).length} of ${targets.length} reached`,
    table(
      ['', 'measured', 'wanted', ''],
      targets.map(([what, is, most]) => [what, is.toFixed(is < 10 ? 2 : 0), `≤ ${number(most)}`, is <= most ? 'reached' : 'MISSED']),
    ),
  ].join('\n\n');
}

function latencies(list: readonly Named[], rate: boolean): string {
  return table(
    ['', 'calls', 'p50 ms', 'p99 ms', 'longest ms', ...(rate ? ['a second'] : [])],
    list.map(({ name, latency }) => [
      name,
      number(latency.count),
      ...[latency.p50, latency.p99, latency.max].map((ms) => ms.toFixed(ms < 10 ? 2 : 0)),
      ...(rate ? [number(latency.rate)] : []),
    ]),
  );
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en');
}
