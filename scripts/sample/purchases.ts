import type { Random } from './random.ts';

/**
 * Repeat buying by the BG/NBD model: Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005).
 * While alive a customer buys at a Poisson rate that is gamma-distributed over customers (r, alpha); after each purchase the
 * customer drops out with a probability that is beta-distributed over customers (a, b). The dropout is geometric in purchases.
 */
export interface PurchaseModel {
  readonly r: number;
  /** Weeks. */
  readonly alpha: number;
  readonly a: number;
  readonly b: number;
}

/** The paper's estimates for the CDNOW data, in weeks: few people buy often, most buy once or twice. */
export const CDNOW: PurchaseModel = { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 };

export interface PurchaseHistory {
  /** Weeks after the first purchase, ascending; the first purchase itself (0) is left out. */
  readonly repeats: readonly number[];
  readonly alive: boolean;
}

/** What one customer does in the `weeks` after a first purchase. */
export function simulatePurchases(random: Random, model: PurchaseModel, weeks: number): PurchaseHistory {
  const rate = random.gamma(model.r, model.alpha);
  const dropout = random.beta(model.a, model.b);
  const repeats: number[] = [];
  let time = 0;
  for (;;) {
    time += random.exponential(1 / Math.max(rate, Number.MIN_VALUE));
    // So written that a rate which underflowed to nothing also ends here.
    if (!(time <= weeks)) return { repeats, alive: true };
    repeats.push(time);
    if (random.chance(dropout)) return { repeats, alive: false };
  }
}
