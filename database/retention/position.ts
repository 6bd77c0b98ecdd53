import { sql } from 'kysely';
import type { Condition } from './times.ts';

// More line pointers than a page can have (291 on 8 kB pages, 1,163 on 32 kB): any tuple has a position of its own.
export const OFFSETS = 2048;

/** A place in a heap as one whole number: block · OFFSETS + line pointer. */
export type Position = number;

export function startOfBlock(block: number): Position {
  return block * OFFSETS;
}

/** `(12,0)`: how Postgres writes it. */
export function tid(position: Position): string {
  return `(${Math.floor(position / OFFSETS)},${position % OFFSETS})`;
}

/** Rows of alias `t` from one place up to, and without, another: a TID range scan. */
export function between(from: Position, to: Position): Condition {
  return sql<boolean>`t.ctid >= ${tid(from)}::tid and t.ctid < ${tid(to)}::tid`;
}

/** Half way, at a block's start while the range is longer than a block. */
export function halfWay(from: Position, to: Position): Position {
  const middle = Math.floor((from + to) / 2);
  if (to - from <= OFFSETS) return middle;
  const block = Math.floor(middle / OFFSETS) * OFFSETS;
  return block > from ? block : middle;
}

/** Stripes spread rows that lie together over all lanes; 32 MB of 8 kB pages each, less in small tables. */
const STRIPE_BLOCKS = 4096;
const STRIPES_PER_LANE = 32;
const MIN_STRIPE_BLOCKS = 32;

/** The part of a heap that one lane walks: every `lanes`-th stripe. */
export interface Stripes {
  readonly blocks: number;
  readonly lane: number;
  readonly lanes: number;
}

export function stripeBlocks({ blocks, lanes }: Stripes): number {
  if (lanes === 1) return Math.max(1, blocks);
  const fair = Math.ceil(blocks / (lanes * STRIPES_PER_LANE));
  return Math.min(STRIPE_BLOCKS, Math.max(MIN_STRIPE_BLOCKS, fair));
}

/** Where the lane stands when it is asked to be at `position`: there, or at its next stripe, or null behind the last one. */
export function placeInStripe(stripes: Stripes, position: Position): { readonly from: Position; readonly stripeEnd: Position } | null {
  const size = stripeBlocks(stripes);
  const block = Math.floor(position / OFFSETS);
  const stripe = Math.floor(block / size);
  const ahead = (((stripes.lane - stripe) % stripes.lanes) + stripes.lanes) % stripes.lanes;
  const from = ahead === 0 ? position : startOfBlock((stripe + ahead) * size);
  const end = startOfBlock(Math.min((stripe + ahead + 1) * size, stripes.blocks));
  return from >= startOfBlock(stripes.blocks) ? null : { from, stripeEnd: end };
}
