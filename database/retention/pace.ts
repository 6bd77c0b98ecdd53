/** How much a lane takes at once and how long it rests: it learns from each batch. */
export interface Pacing {
  /** Target of one transaction, milliseconds. */
  readonly batchMs: number;
  /** Share of the time that the lane works; 1 never rests. */
  readonly duty: number;
}

// A first batch that is too small costs one round trip; one that is too large costs the owner's applications a wait.
export const FIRST_BLOCKS = 64;
const MAX_BLOCKS = 65_536;
// A batch may be this much larger than the one before it: rows that expire often begin suddenly.
const MAX_GROWTH = 3;
// Where nothing expired yet, the next pages may be full of it: assume at least this share of a page.
const MIN_DENSITY = 0.25;
// A batch of two thirds the size that takes more than this share of the time does not spend it on its rows.
const STUBBORN = 0.75;
// Believed a little less than seen, so that a hiccup does not let batches grow far.
const FIXED_SHARE = 0.8;

/** Chooses the next batch's size in blocks. Plain state, so that it can stand in a lane's cursor. */
export class Pace {
  #blocks: number;
  #msPerRow = 0;
  #rowsPerBlock = 0;
  /** Milliseconds of a batch that its size does not change: a whole table read for want of an index. */
  #fixed = 0;
  #last: { readonly blocks: number; readonly ms: number } | null = null;
  readonly #pacing: Pacing;

  constructor(pacing: Pacing, blocks = FIRST_BLOCKS) {
    this.#pacing = pacing;
    this.#blocks = blocks;
  }

  get blocks(): number {
    return this.#blocks;
  }

  /** After a batch that committed: rows it changed, blocks it covered, milliseconds it took. */
  learn(rows: number, blocks: number, ms: number): void {
    const covered = Math.max(blocks, 1);
    this.#learnFixed(covered, ms);
    // What an empty range costs says nothing about the next full one.
    if (rows === 0) return;
    if (rows > 100) {
      const seen = (ms - this.#fixed) / rows;
      this.#msPerRow = this.#msPerRow === 0 ? seen : 0.7 * this.#msPerRow + 0.3 * seen;
      this.#rowsPerBlock = Math.max(rows / covered, this.#rowsPerBlock * 0.9);
    }
    const byTime = (covered * this.#pacing.batchMs) / Math.max(ms - this.#fixed, 1);
    const byDensity =
      this.#msPerRow === 0 ? MAX_BLOCKS : this.#pacing.batchMs / (this.#msPerRow * Math.max(this.#rowsPerBlock, MIN_DENSITY));
    const wanted = Math.min(byTime, byDensity, this.#blocks * MAX_GROWTH, MAX_BLOCKS);
    this.#blocks = Math.max(1, Math.floor(wanted));
  }

  /** A much smaller batch that took almost as long shows what each costs at least; smaller ones still would only repeat that. */
  #learnFixed(blocks: number, ms: number): void {
    const last = this.#last;
    this.#last = { blocks, ms };
    if (ms < this.#fixed) this.#fixed = FIXED_SHARE * ms;
    else if (last !== null && ms > this.#pacing.batchMs && blocks <= last.blocks / 1.5 && ms > STUBBORN * last.ms)
      this.#fixed = FIXED_SHARE * ms;
  }

  /** After a batch that had to be given up: a lock, a time-out. */
  shrink(): void {
    this.#blocks = Math.max(1, Math.floor(this.#blocks / 2));
  }

  /** Milliseconds of rest after a batch that took `ms`. */
  rest(ms: number): number {
    return this.#pacing.duty >= 1 ? 0 : (ms * (1 - this.#pacing.duty)) / this.#pacing.duty;
  }
}
