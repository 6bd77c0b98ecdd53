import { CDNOW, simulatePurchases } from './purchases.ts';
import { at } from './random.ts';
import type { Random } from './random.ts';
import { DAY, HOUR, WEEK, YEAR, timestamptz } from './time.ts';
import type { Instant } from './time.ts';
import { COUNTRIES, FIRST_NAMES, LAST_NAMES, MAIL_DOMAINS } from './words.ts';

/** Who a customer is, before it becomes rows; ids are 1, 2, 3 … in order of signing up. */
export interface Customer {
  readonly id: number;
  readonly first: string;
  readonly last: string;
  readonly email: string;
  readonly country: string | null;
  readonly birthYear: number | null;
  readonly gender: string | null;
  readonly channel: 'email' | 'web' | 'mobile' | 'social' | 'store';
  readonly lifecycle: 'lead' | 'new' | 'active' | 'at_risk' | 'lapsed' | 'closed';
  readonly referredBy: number | null;
  readonly signedUp: Instant;
  readonly closed: Instant | null;
  /** When the customer really was there last. */
  readonly lastSeen: Instant;
  /** What the column says: the same, but for the few rows that a real system gets wrong. */
  readonly lastSeenColumn: string | null;
  /** Times of all purchases, ascending. */
  readonly purchases: readonly Instant[];
  /** Household number, or null. */
  readonly household: number | null;
}

export const CUSTOMERS_AT_SCALE_1 = 20_000;
/** The shop opened ten years ago: the eight-year floor of invoices has something on both sides. */
const SHOP_AGE = 10 * YEAR;
/** Below 1 the shop grows: more people sign up in its later years. */
const GROWTH = 0.75;
/** People who sign up and never buy. */
const LEADS = 0.25;
const REFERRED = 0.2;
const IN_HOUSEHOLD = 0.15;
const LARGEST_HOUSEHOLD = 4;

/** At scale 1; each at least once at any scale, so that every rule for odd times has a row to act on. */
const ODD_LAST_SEEN = { missing: 15, infinite: 4, future: 6 } as const;

export function createCustomers(random: Random, scale: number, now: Instant): readonly Customer[] {
  const count = Math.max(1, Math.round(CUSTOMERS_AT_SCALE_1 * scale));
  const odd = oddTimes(random.fork('odd'), count, scale, now);
  const signUps = Array.from({ length: count }, () => now - SHOP_AGE * (1 - random.uniform() ** GROWTH)).sort((a, b) => a - b);
  const households = assignHouseholds(random.fork('household'), count);
  return signUps.map((signedUp, index) => createCustomer(random, index + 1, signedUp, now, odd.get(index), at(households, index)));
}

function createCustomer(
  random: Random,
  id: number,
  signedUp: Instant,
  now: Instant,
  odd: { readonly value: string | null } | undefined,
  household: number | null,
): Customer {
  const first = random.pick(FIRST_NAMES);
  const last = random.pick(LAST_NAMES);
  const lead = random.chance(LEADS);
  const firstPurchase = signedUp + Math.min(random.exponential(5 * DAY), (now - signedUp) * 0.9);
  const history = simulatePurchases(random, CDNOW, lead ? 0 : (now - firstPurchase) / WEEK);
  const purchases = lead ? [] : [firstPurchase, ...history.repeats.map((weeks) => firstPurchase + weeks * WEEK)];
  const lastSeen = lastVisit(random, signedUp, purchases, !lead && history.alive, now);
  const closed = now - lastSeen > YEAR && random.chance(0.1) ? lastSeen : null;
  return {
    id,
    first,
    last,
    email: `${ascii(first)}.${ascii(last)}.${id}@${random.pick(MAIL_DOMAINS)}`,
    country: random.weighted(COUNTRIES),
    birthYear: random.chance(0.7) ? 1940 + Math.floor(68 * random.beta(3, 2)) : null,
    gender: random.weighted([
      ['f', 40],
      ['m', 40],
      ['x', 2],
      [null, 18],
    ]),
    channel: random.weighted([
      ['email', 40],
      ['web', 25],
      ['mobile', 20],
      ['social', 10],
      ['store', 5],
    ]),
    lifecycle: lifecycle(lead, closed !== null, signedUp, lastSeen, now),
    referredBy: id > 1 && random.chance(REFERRED) ? 1 + random.below(id - 1) : null,
    signedUp,
    closed,
    lastSeen,
    lastSeenColumn: odd === undefined ? timestamptz(lastSeen) : odd.value,
    purchases,
    household,
  };
}

/** Whoever still buys was here lately; whoever stopped lingered for some weeks after the last purchase. */
function lastVisit(random: Random, signedUp: Instant, purchases: readonly Instant[], alive: boolean, now: Instant): Instant {
  const lastAct = purchases.at(-1) ?? signedUp;
  // Of those whom the model calls alive, many with a very low rate have left in all but name.
  const stays = alive && (purchases.length > 1 || random.chance(0.45));
  const seen = stays ? now - random.exponential(45 * DAY) : lastAct + random.exponential(90 * DAY);
  return Math.min(Math.max(seen, lastAct), now - HOUR);
}

function lifecycle(lead: boolean, closed: boolean, signedUp: Instant, lastSeen: Instant, now: Instant): Customer['lifecycle'] {
  if (closed) return 'closed';
  if (now - lastSeen > 2 * YEAR) return 'lapsed';
  if (lead) return 'lead';
  if (now - lastSeen > YEAR / 2) return 'at_risk';
  return now - signedUp < YEAR / 4 ? 'new' : 'active';
}

/** Indexes of the customers whose last_seen_at is odd, and what it says instead. */
function oddTimes(random: Random, count: number, scale: number, now: Instant): ReadonlyMap<number, { readonly value: string | null }> {
  const values: (string | null)[] = [];
  const add = (atScale1: number, value: () => string | null): void => {
    for (let made = 0; made < Math.max(1, Math.round(atScale1 * scale)); made++) values.push(value());
  };
  add(ODD_LAST_SEEN.missing, () => null);
  add(ODD_LAST_SEEN.infinite, () => 'infinity');
  add(ODD_LAST_SEEN.future, () => timestamptz(now + DAY + random.below(400) * DAY));
  const odd = new Map<number, { readonly value: string | null }>();
  for (const value of values.slice(0, count)) {
    let index = random.below(count);
    while (odd.has(index)) index = random.below(count);
    odd.set(index, { value });
  }
  return odd;
}

/** Household numbers, shared by two to four customers who need not have signed up together. */
function assignHouseholds(random: Random, count: number): readonly (number | null)[] {
  const numbers: (number | null)[] = Array.from({ length: count }, () => null);
  const members = numbers.map((_, index) => index).filter(() => random.chance(IN_HOUSEHOLD));
  for (let index = members.length - 1; index > 0; index--) {
    const other = random.below(index + 1);
    [members[index], members[other]] = [at(members, other), at(members, index)];
  }
  let household = 1;
  for (let start = 0; start + 1 < members.length; household++) {
    const size = 2 + random.below(LARGEST_HOUSEHOLD - 1);
    for (const member of members.slice(start, start + size)) numbers[member] = household;
    start += size;
  }
  return numbers;
}

function ascii(name: string): string {
  return name
    .normalize('NFD')
    .replaceAll('ı', 'i')
    .replace(/[^a-zA-Z]/g, '')
    .toLowerCase();
}
