import { MultiBar, type SingleBar } from 'cli-progress';
import type { RetentionPlan } from '../domain/retention/plan.ts';
import { titles } from '../client/tables.ts';
import type { Io } from './io.ts';
import { count } from './numbers.ts';
import { idOf } from './plan-text.ts';

export interface Progress {
  /** `changed` is by table of the plan. */
  readonly show: (plan: RetentionPlan, changed: readonly number[]) => void;
  readonly stop: () => void;
}

/** Between two plain lines about the same table: a log that somebody reads later. */
const LINE_EVERY_MS = 5_000;
const BAR_WIDTH = 28;

interface Seen {
  readonly since: number;
  readonly from: number;
  lineAt: number;
  done: boolean;
}

/** Bars with rows and rate on a terminal, plain lines elsewhere: one a table with something to do. */
export function createProgress(io: Io): Progress {
  const bars = io.terminal
    ? new MultiBar({
        format: `{title} {bar} {shown} of {planned} rows  {rate}`,
        barsize: BAR_WIDTH,
        hideCursor: true,
        stream: io.stream,
        barCompleteChar: '█',
        barIncompleteChar: '░',
      })
    : null;
  const byTable = new Map<string, SingleBar>();
  const seen = new Map<string, Seen>();
  const show = (plan: RetentionPlan, changed: readonly number[]): void => {
    const named = titles(plan.tables.map(idOf));
    const wide = Math.max(0, ...[...named.values()].map((title) => title.length));
    for (const [index, table] of plan.tables.entries()) {
      const done = changed[index] ?? 0;
      if (table.rows === 0 || (done === 0 && !seen.has(idOf(table)))) continue;
      const title = named.get(idOf(table)) ?? idOf(table);
      const now = performance.now();
      const known = seen.get(idOf(table)) ?? { since: now, from: 0, lineAt: now, done: false };
      seen.set(idOf(table), known);
      const rate = rateOf(known, done, now);
      if (bars !== null) {
        const payload = {
          title: title.padEnd(wide),
          shown: count(done).padStart(count(table.rows).length),
          planned: count(table.rows),
          rate: known.done ? '' : rate,
        };
        const bar = byTable.get(idOf(table)) ?? bars.create(table.rows, 0, payload);
        byTable.set(idOf(table), bar);
        bar.update(Math.min(done, table.rows), payload);
      } else if (!known.done && (done >= table.rows || now - known.lineAt >= LINE_EVERY_MS)) {
        known.lineAt = now;
        io.out(`${title.padEnd(wide)}  ${count(done)} of ${count(table.rows)} rows  ${rate}`.trimEnd());
      }
      if (done >= table.rows) known.done = true;
    }
  };
  return { show, stop: () => bars?.stop() };
}

/** Since the table was first seen; too short a time tells nothing. */
function rateOf({ since, from }: Seen, done: number, now: number): string {
  const elapsed = (now - since) / 1_000;
  return elapsed < 0.5 ? '' : `${count((done - from) / elapsed)} rows/s`;
}
