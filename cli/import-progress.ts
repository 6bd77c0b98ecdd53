import { SingleBar } from 'cli-progress';
import type { Io } from './io.ts';
import { count } from './numbers.ts';

export interface ImportBar {
  readonly show: (lines: number, rejected: number) => void;
  readonly stop: () => void;
}

/** Bytes of the file that were read, and of how many; null where nobody knows, as of a pipe. */
export type Share = () => { readonly read: number; readonly of: number | null };

const BAR_WIDTH = 28;
/** Between two lines where nobody looks: a log that somebody reads later. Milliseconds. */
const LINE_EVERY_MS = 5_000;
/** More often a person cannot read. Milliseconds. */
const DRAW_EVERY_MS = 100;

/** Lines, rate and rejected ones as a file is read: a bar on a terminal, plain lines elsewhere. On the other stream, since the output may be data. */
export function importBar(io: Io, share: Share): ImportBar {
  const started = performance.now();
  const rate = (lines: number): string => `${count((lines * 1_000) / Math.max(performance.now() - started, 1))} lines/s`;
  let told = started;
  if (!io.terminal || share().of === null) {
    return {
      show: (lines, rejected) => {
        if (performance.now() - told < LINE_EVERY_MS) return;
        told = performance.now();
        io.err(`${count(lines)} lines  ${rate(lines)}  ${count(rejected)} rejected`);
      },
      stop: () => undefined,
    };
  }
  const bar = new SingleBar({
    format: '{bar} {percentage} %  {lines} lines  {rate}  {rejected} rejected',
    barsize: BAR_WIDTH,
    hideCursor: true,
    stream: io.stream,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    clearOnComplete: true,
  });
  bar.start(share().of ?? 1, 0, { lines: '0', rate: '', rejected: '0' });
  return {
    show: (lines, rejected) => {
      if (performance.now() - told < DRAW_EVERY_MS) return;
      told = performance.now();
      bar.update(share().read, { lines: count(lines), rate: rate(lines), rejected: count(rejected) });
    },
    stop: () => bar.stop(),
  };
}
