/**
 * What examples/complete-journey/manifest.yaml leaves of the data as of 1 January 2018, 00:00 in New York: counted by SQL that
 * knows nothing of Probity (test/scripts/journey.test.ts counts again). The rules may run in any order: the result is the same.
 */

export interface Outcome {
  readonly loaded: number;
  readonly purged: number;
  readonly survive: number;
}

export const expectedSurvivors = {
  /** 728,971 by their own rule, 3,158 younger ones with the 87 households that they belong to. */
  transactions: { loaded: 1_469_307, purged: 732_129, survive: 737_178 },
  /** 141 have not shopped for three months; two of them stay, since a redemption of theirs does. */
  households: { loaded: 2_469, purged: 139, survive: 2_330 },
  demographics: { loaded: 801, purged: 2, survive: 799 },
  campaigns: { loaded: 6_589, purged: 64, survive: 6_525 },
  /** Five redemptions of the cut-off day itself, 1 March 2017, stay. */
  coupon_redemptions: { loaded: 2_102, purged: 63, survive: 2_039 },
  products: { loaded: 92_331, purged: 0, survive: 92_331 },
  coupons: { loaded: 116_204, purged: 0, survive: 116_204 },
  campaign_descriptions: { loaded: 27, purged: 0, survive: 27 },
} as const satisfies Readonly<Record<string, Outcome>>;

/** Rows that the 63 purged redemptions become in redemptions_daily; their `n` add up to 63. */
export const expectedDailySums = 30;

/** Households that the rule on inactivity takes, and whom a live redemption keeps. */
export const expectedKeptHouseholds = 2;
