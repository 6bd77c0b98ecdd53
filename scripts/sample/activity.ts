import type { CopyTable } from './copy.ts';
import type { Customer } from './customers.ts';
import { at } from './random.ts';
import type { Random } from './random.ts';
import { DAY, date, monthStart, timestamptz } from './time.ts';
import type { Instant } from './time.ts';
import { PATHS, REFERRERS, USER_AGENTS } from './words.ts';

const PAGE_VIEWS_AT_SCALE_1 = 520_000;
const EVENTS_AT_SCALE_1 = 480_000;

/** Sixteen whole months before this one: as of 22 November 2026 a rule of 13 months leaves three partitions wholly expired and one in part. */
const OLDEST_PARTITION_MONTH = -16;
/** Inserts of the coming weeks need somewhere to go. */
const NEWEST_PARTITION_MONTH = 1;

/** A rule of 90 days finds about 27 % of the events expired: 33 of 123 days. */
const EVENT_DAYS = 123;
/** Rows that earlier runs left in event_daily, for the days before the oldest event. */
const AGGREGATED_DAYS = 60;

const EVENT_KINDS: readonly (readonly [string, number])[] = [
  ['search', 45],
  ['add_to_cart', 25],
  ['wishlist', 14],
  ['contact_form', 6],
  ['newsletter_signup', 5],
  ['checkout', 5],
];

export interface MonthPartition {
  readonly name: string;
  readonly from: Instant;
  readonly to: Instant;
}

export function pageViewPartitions(now: Instant): readonly MonthPartition[] {
  const months = Array.from({ length: NEWEST_PARTITION_MONTH - OLDEST_PARTITION_MONTH + 1 }, (_, index) => OLDEST_PARTITION_MONTH + index);
  return months.map((month) => {
    const from = monthStart(now, month);
    return { name: `page_view_${date(from).slice(0, 7).replace('-', '_')}`, from, to: monthStart(now, month + 1) };
  });
}

/** Devices, page views, events and the daily sums that older events have become. */
export function activityTables(random: Random, customers: readonly Customer[], scale: number, now: Instant): readonly CopyTable[] {
  const visitor = visitors(customers);
  return [
    deviceRows(random, customers),
    pageViews(random, visitor, scale, now),
    events(random, visitor, scale, now),
    dailySums(random, now),
  ];
}

/** Device ids follow from the customer's id alone, so that other tables can refer to them. */
export function deviceOf(customer: Customer): number {
  return customer.id * 2;
}

/** Picks somebody who was still there at that time; null stands for a visitor who never signed in. */
function visitors(customers: readonly Customer[]): (random: Random, time: Instant) => Customer | null {
  const ANONYMOUS = 0.3;
  const latest = [...customers].sort((a, b) => b.lastSeen - a.lastSeen);
  return (random, time) => {
    if (random.chance(ANONYMOUS)) return null;
    let present = 0;
    for (let end = latest.length; present < end;) {
      const middle = (present + end) >> 1;
      if (at(latest, middle).lastSeen >= time) present = middle + 1;
      else end = middle;
    }
    const customer = present === 0 ? null : at(latest, random.below(present));
    return customer !== null && customer.signedUp <= time ? customer : null;
  };
}

function deviceRows(parent: Random, customers: readonly Customer[]): CopyTable {
  return {
    table: 'device',
    columns: ['device_id', 'customer_id', 'kind', 'user_agent', 'ip', 'first_seen_at', 'last_seen_at'],
    *rows() {
      const random = parent.fork('device');
      for (const customer of customers) {
        for (const id of random.chance(0.4) ? [deviceOf(customer), deviceOf(customer) + 1] : [deviceOf(customer)]) {
          const kind = random.pick(['phone', 'tablet', 'desktop']);
          const [first, last] = [timestamptz(customer.signedUp), timestamptz(customer.lastSeen)];
          yield [id, customer.id, kind, random.pick(USER_AGENTS), documentationAddress(random), first, last];
        }
      }
    },
  };
}

function pageViews(parent: Random, visitor: ReturnType<typeof visitors>, scale: number, now: Instant): CopyTable {
  const count = Math.round(PAGE_VIEWS_AT_SCALE_1 * scale);
  const start = monthStart(now, OLDEST_PARTITION_MONTH);
  return {
    table: 'page_view',
    columns: ['page_view_id', 'customer_id', 'session_id', 'path', 'referrer', 'channel', 'viewed_at'],
    *rows() {
      const random = parent.fork('page_view');
      for (let index = 0; index < count; index++) {
        const time = start + ((now - start) * (index + random.uniform())) / count;
        const customer = visitor(random, time);
        const channel = customer === null ? 'web' : customer.channel;
        const referrer = random.chance(0.2) ? random.pick(REFERRERS) : null;
        yield [index + 1, customer?.id ?? null, uuid(random), random.pick(PATHS), referrer, channel, timestamptz(time)];
      }
    },
  };
}

function events(parent: Random, visitor: ReturnType<typeof visitors>, scale: number, now: Instant): CopyTable {
  const count = Math.round(EVENTS_AT_SCALE_1 * scale);
  const start = now - EVENT_DAYS * DAY;
  return {
    table: 'event',
    columns: ['event_id', 'customer_id', 'kind', 'amount', 'payload', 'at'],
    *rows() {
      const random = parent.fork('event');
      for (let index = 0; index < count; index++) {
        const time = start + ((now - start) * (index + random.uniform())) / count;
        const customer = visitor(random, time);
        const kind = random.weighted(EVENT_KINDS);
        const amount = kind === 'add_to_cart' || kind === 'checkout' ? (9.9 + 5 * random.below(90)).toFixed(2) : null;
        yield [index + 1, customer?.id ?? null, kind, amount, JSON.stringify(payload(random, kind, customer)), timestamptz(time)];
      }
    },
  };
}

function payload(random: Random, kind: string, customer: Customer | null): object {
  if (kind === 'search') return { query: random.pick(['tent', 'boots 43', 'rain jacket', 'stove']), results: random.below(60) };
  if (kind !== 'contact_form' && kind !== 'newsletter_signup') return { sku: `AO-${1000 + random.below(168)}` };
  const email = customer?.email ?? `visitor.${random.below(1e6)}@example.com`;
  const phone = kind === 'contact_form' ? { phone: `+999${String(random.below(1e9)).padStart(9, '0')}` } : {};
  return { contact: { email, ...phone }, page: random.pick(PATHS) };
}

function dailySums(parent: Random, now: Instant): CopyTable {
  return {
    table: 'event_daily',
    columns: ['day', 'kind', 'n', 'amount'],
    *rows() {
      const random = parent.fork('event_daily');
      for (let day = EVENT_DAYS + AGGREGATED_DAYS; day > EVENT_DAYS; day--) {
        for (const [kind, weight] of EVENT_KINDS) {
          const n = weight + random.below(weight);
          // A day apart from the oldest event, so that no sum is ever of half a day.
          yield [date(now - day * DAY - DAY), kind, n, kind === 'add_to_cart' || kind === 'checkout' ? (n * 230).toFixed(2) : null];
        }
      }
    },
  };
}

/** Blocks that RFC 5737 and RFC 3849 reserve for documentation. */
function documentationAddress(random: Random): string {
  if (random.chance(0.3)) return `2001:db8:${random.below(0x10000).toString(16)}::${random.below(0x10000).toString(16)}`;
  return `${random.pick(['192.0.2', '198.51.100', '203.0.113'])}.${1 + random.below(254)}`;
}

function uuid(random: Random): string {
  // A leading 1, taken off again, keeps the zeros.
  const word = (): string => (2 ** 32 + random.below(2 ** 32)).toString(16).slice(1);
  const [a, b, c, d] = [word(), word(), word(), word()];
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-a${c.slice(0, 3)}-${d}${c.slice(4)}`;
}
