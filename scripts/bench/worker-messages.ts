import type { Manifest } from '../../manifest/model.ts';

/** What the worker's process is told first. */
export interface WorkerSetup {
  readonly manifest: Manifest;
  readonly env: Readonly<Record<string, string>>;
  readonly address: string;
  readonly namespace: string;
  readonly taskQueue: string;
}

export type ToWorker = { readonly kind: 'setup'; readonly setup: WorkerSetup } | { readonly kind: 'collect' } | { readonly kind: 'stop' };

/** From when to when, by the machine's clock, in milliseconds with fractions. */
export interface Span {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** What the worker has seen since it was last asked. */
export interface WorkerRecord {
  /** Calls of activities, named by type. */
  readonly activities: readonly Span[];
  /** Transactions that took a step, named by the activity's type; from before a connection was asked for until the commit's answer. */
  readonly steps: readonly Span[];
  /** Most memory that the process ever had, megabytes (10⁶ bytes). */
  readonly rssMb: number;
}

export type FromWorker = { readonly kind: 'ready' } | { readonly kind: 'record'; readonly record: WorkerRecord };

/** The machine's clock, finer than `Date.now()` and the same in every process of it. */
export const clock = (): number => performance.timeOrigin + performance.now();
