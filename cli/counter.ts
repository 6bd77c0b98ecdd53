import { count } from './numbers.ts';
import type { Io } from './io.ts';

/** Between two words on a terminal, and elsewhere, where somebody reads them later. Milliseconds. */
const TERMINAL_EVERY_MS = 200;
const LOG_EVERY_MS = 5_000;

/** Says how far a long look through the ledger has come, beside the output. Nothing for what is over at once. */
export function counter(io: Io, what: string): (done: number, of: number) => void {
  let last = performance.now();
  return (done, of) => {
    if (done >= of || performance.now() - last < (io.terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS)) return;
    last = performance.now();
    io.err(`${count(done)} of ${count(of)} ${what}`);
  };
}
