import { setTimeout as sleep } from 'node:timers/promises';
import { startChild, type Child } from './child.ts';
import { RUN_DATABASE } from './clones.ts';
import type { Outcome } from './competitors.ts';
import type { FromForeign, ToForeign } from './foreign-messages.ts';
import type { BenchServices } from './server.ts';
import { largest, percentile } from './statistics.ts';
import { clock } from './worker-messages.ts';
import { watchBlocking, type Blocking } from './watcher.ts';

/** Operations a second: half reads, half updates. */
export const FOREIGN_RATE = 200;
// The first operations make plans and connections; they belong to no window.
const SETTLE_MS = 3_000;

export interface Latency {
  readonly operations: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface ForeignResult {
  readonly quiet: Latency;
  readonly during: Latency;
  readonly errors: number;
  readonly blocking: Blocking;
}

/** Runs a competitor beside the foreign workload: first the workload alone for `quietMs`, then both. */
export async function besideForeign(
  services: BenchServices,
  rows: number,
  quietMs: number,
  compete: () => Promise<Outcome>,
): Promise<{ readonly outcome: Outcome; readonly foreign: ForeignResult }> {
  const foreign: Child<ToForeign, FromForeign> = startChild('foreign-process.ts');
  const started = foreign.next('started');
  foreign.send({ kind: 'start', url: services.url(RUN_DATABASE), rate: FOREIGN_RATE, rows });
  await started;
  await sleep(SETTLE_MS);
  const watcher = await watchBlocking(services);
  const quietFrom = clock();
  await sleep(quietMs);
  const outcome = await compete();
  const end = clock();
  const blocking = await watcher.stop();
  const answer = foreign.next('operations');
  foreign.send({ kind: 'stop' });
  const { operations, errors } = await answer;
  await foreign.ended();
  // An operation belongs to the window in which it was meant to start, however long it took.
  const within = (from: number, to: number): Latency => {
    const ms = operations.filter(({ intended }) => intended >= from && intended < to).map((operation) => operation.ms);
    return { operations: ms.length, p50: percentile(ms, 0.5), p99: percentile(ms, 0.99), max: largest(ms) };
  };
  const { from } = outcome.execution;
  return {
    outcome,
    foreign: { quiet: within(quietFrom, quietFrom + quietMs), during: within(from, Math.min(outcome.execution.to, end)), errors, blocking },
  };
}
