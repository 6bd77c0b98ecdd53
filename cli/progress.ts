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

/** A table that is being purged, or has been. */
interface Line {
  readonly title: string;
  readonly planned: number;
  /** When nothing of it was done yet, as far as we saw. */
  readonly since: number;
  done: number;
  rate: string;
}

type Display = { readonly update: (line: Line, over: boolean) => void; readonly stop: () => void };

/** Bars with rows and rate on a terminal, plain lines elsewhere: one a table with something to do. */
export function createProgress(io: Io): Progress {
  const display = io.terminal ? bars(io) : plainLines(io);
  const lines = new Map<string, Line>();
  let lastLook = performance.now();
  return {
    show: (plan, changed) => {
      const named = titles(plan.tables.map(idOf));
      const wide = Math.max(0, ...[...named.values()].map((title) => title.length));
      const now = performance.now();
      const latest = plan.tables.findLastIndex((table, index) => table.rows > 0 && (changed[index] ?? 0) > 0);
      for (const [index, table] of plan.tables.entries()) {
        const done = changed[index] ?? 0;
        if (table.rows === 0 || done === 0) continue;
        const id = idOf(table);
        const line = lines.get(id) ?? {
          title: (named.get(id) ?? id).padEnd(wide),
          planned: table.rows,
          since: lastLook,
          done: 0,
          rate: '',
        };
        lines.set(id, line);
        // What has stopped growing keeps the rate that it ended with.
        if (done > line.done) line.rate = `${count(done / Math.max(SHORTEST, (now - line.since) / 1_000))} rows/s`;
        line.done = done;
        display.update(line, done >= table.rows || index < latest);
      }
      lastLook = now;
    },
    stop: () => {
      for (const line of lines.values()) display.update(line, true);
      display.stop();
    },
  };
}

/** A rate over less than this says more about when we looked. Seconds. */
const SHORTEST = 0.2;
const BAR_WIDTH = 28;

function bars(io: Io): Display {
  const all = new MultiBar({
    format: `{title} {bar} {shown} of {planned} rows  {rate}`,
    barsize: BAR_WIDTH,
    hideCursor: true,
    stream: io.stream,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  });
  const byTitle = new Map<string, SingleBar>();
  return {
    update: ({ title, planned, done, rate }) => {
      const payload = { title, shown: count(done).padStart(count(planned).length), planned: count(planned), rate };
      const bar = byTitle.get(title) ?? all.create(planned, 0, payload);
      byTitle.set(title, bar);
      bar.update(Math.min(done, planned), payload);
    },
    stop: () => all.stop(),
  };
}

/** Between two lines about the same table: a log that somebody reads later. */
const LINE_EVERY_MS = 5_000;

function plainLines(io: Io): Display {
  const told = new Map<string, { at: number; over: boolean }>();
  return {
    update: ({ title, planned, done, rate }, over) => {
      const last = told.get(title) ?? { at: performance.now(), over: false };
      told.set(title, last);
      if (last.over || (!over && performance.now() - last.at < LINE_EVERY_MS)) return;
      Object.assign(last, { at: performance.now(), over });
      io.out(`${title}  ${count(done)} of ${count(planned)} rows  ${rate}`);
    },
    stop: () => undefined,
  };
}
