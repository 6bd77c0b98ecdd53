import type { CopyTable } from './copy.ts';
import type { Customer } from './customers.ts';
import { at } from './random.ts';
import type { Random } from './random.ts';
import { DAY, HOUR, timestamptz } from './time.ts';
import type { Instant } from './time.ts';
import { CATEGORIES, CITIES, STREETS } from './words.ts';

interface Address {
  readonly id: number;
  readonly customer: Customer;
}

interface OrderLine {
  readonly product: number;
  readonly quantity: number;
  readonly cents: number;
}

interface Order {
  readonly id: number;
  readonly customer: Customer;
  readonly placed: Instant;
  readonly shipTo: number | null;
  readonly status: 'placed' | 'paid' | 'shipped' | 'delivered' | 'returned' | 'cancelled';
  readonly lines: readonly OrderLine[];
}

/** Orders sent to somebody else of the household: an address that its owner's erasure may not simply take away. */
const GIFT = 0.04;
/** They never bought, yet a gift may have been sent to them. */
const LEADS_WITH_ADDRESS = 0.3;
const PRODUCT_VARIANTS = 6;

/** Products, addresses, orders, their lines and returns, and the invoices that accounting wrote for them. */
export function orderTables(random: Random, customers: readonly Customer[], now: Instant): readonly CopyTable[] {
  const prices = productPrices(random.fork('price'));
  const addresses = createAddresses(random.fork('owner'), customers);
  const orders = createOrders(random.fork('order'), customers, addresses, prices, now);
  return [categories(), products(prices), customerRows(customers, addresses), addressRows(random, addresses), ...orderRows(random, orders)];
}

function productPrices(random: Random): readonly number[] {
  return CATEGORIES.flatMap(([, names]) =>
    names.flatMap(() => Array.from({ length: PRODUCT_VARIANTS }, () => 990 + 500 * random.below(90))),
  );
}

function createAddresses(random: Random, customers: readonly Customer[]): ReadonlyMap<number, readonly Address[]> {
  const byCustomer = new Map<number, readonly Address[]>();
  let id = 0;
  for (const customer of customers) {
    const count = customer.purchases.length === 0 ? Number(random.chance(LEADS_WITH_ADDRESS)) : 1 + Number(random.chance(0.2));
    byCustomer.set(
      customer.id,
      Array.from({ length: count }, () => ({ id: ++id, customer })),
    );
  }
  return byCustomer;
}

function createOrders(
  random: Random,
  customers: readonly Customer[],
  addresses: ReadonlyMap<number, readonly Address[]>,
  prices: readonly number[],
  now: Instant,
): readonly Order[] {
  const households = new Map<number, Customer[]>();
  for (const customer of customers) {
    if (customer.household === null) continue;
    households.set(customer.household, [...(households.get(customer.household) ?? []), customer]);
  }
  const shipTo = (customer: Customer): number | null => {
    const family = customer.household === null ? [] : (households.get(customer.household) ?? []);
    const receiver = family.length > 0 && random.chance(GIFT) ? random.pick(family) : customer;
    const own = addresses.get(receiver.id) ?? [];
    const address = own.length > 0 ? random.pick(own) : addresses.get(customer.id)?.[0];
    return address?.id ?? null;
  };
  const purchases = customers.flatMap((customer) => customer.purchases.map((placed) => ({ customer, placed })));
  purchases.sort((a, b) => a.placed - b.placed);
  return purchases.map(({ customer, placed }, index) => ({
    id: index + 1,
    customer,
    placed,
    shipTo: shipTo(customer),
    status: orderStatus(random, now - placed),
    lines: Array.from({ length: 1 + Math.min(7, Math.floor(random.exponential(1.2))) }, () => {
      const product = random.below(prices.length);
      return {
        product: product + 1,
        quantity: random.weighted([
          [1, 80],
          [2, 15],
          [4, 5],
        ]),
        cents: at(prices, product),
      };
    }),
  }));
}

function orderStatus(random: Random, age: number): Order['status'] {
  if (random.chance(0.03)) return 'cancelled';
  if (age < 12 * HOUR) return 'placed';
  if (age < 2 * DAY) return 'paid';
  if (age < 6 * DAY) return 'shipped';
  return random.chance(0.06) ? 'returned' : 'delivered';
}

function categories(): CopyTable {
  return { table: 'product_category', columns: ['category_id', 'name'], rows: () => CATEGORIES.map(([name], index) => [index + 1, name]) };
}

function products(prices: readonly number[]): CopyTable {
  const names = CATEGORIES.flatMap(([, list], category) => list.map((name) => ({ name, category: category + 1 })));
  return {
    table: 'product',
    columns: ['product_id', 'category_id', 'sku', 'name', 'price'],
    rows: () =>
      prices.map((cents, index) => {
        const { name, category } = at(names, Math.floor(index / PRODUCT_VARIANTS));
        return [index + 1, category, `AO-${1000 + index}`, `${name} / ${1 + (index % PRODUCT_VARIANTS)}`, money(cents)];
      }),
  };
}

function customerRows(customers: readonly Customer[], addresses: ReadonlyMap<number, readonly Address[]>): CopyTable {
  return {
    table: 'customer',
    columns: [
      'customer_id',
      'email',
      'phone',
      'first_name',
      'last_name',
      'birth_year',
      'gender',
      'country',
      'lifecycle',
      'preferred_channel',
      'referred_by',
      'default_address_id',
      'signed_up_at',
      'closed_at',
      'last_seen_at',
      'updated_at',
    ],
    *rows() {
      for (const c of customers) {
        yield [
          c.id,
          c.email,
          phone(c.id),
          c.first,
          c.last,
          c.birthYear,
          c.gender,
          c.country,
          c.lifecycle,
          c.channel,
          c.referredBy,
          addresses.get(c.id)?.[0]?.id ?? null,
          timestamptz(c.signedUp),
          c.closed && timestamptz(c.closed),
          c.lastSeenColumn,
          timestamptz(c.lastSeen),
        ];
      }
    },
  };
}

function addressRows(parent: Random, addresses: ReadonlyMap<number, readonly Address[]>): CopyTable {
  return {
    table: 'address',
    columns: ['address_id', 'customer_id', 'recipient', 'street', 'postcode', 'city', 'country', 'created_at'],
    *rows() {
      const random = parent.fork('address');
      for (const { id, customer } of [...addresses.values()].flat()) {
        const postcode = String(10000 + random.below(89999));
        const street = `${random.pick(STREETS)} ${1 + random.below(120)}`;
        const name = `${customer.first} ${customer.last}`;
        yield [id, customer.id, name, street, postcode, random.pick(CITIES), customer.country, timestamptz(customer.signedUp)];
      }
    },
  };
}

function orderRows(parent: Random, orders: readonly Order[]): readonly CopyTable[] {
  return [
    {
      table: 'order',
      columns: ['order_id', 'customer_id', 'ship_to_address_id', 'channel', 'status', 'total', 'currency', 'placed_at', 'updated_at'],
      *rows() {
        for (const o of orders) {
          const placed = timestamptz(o.placed);
          yield [o.id, o.customer.id, o.shipTo, o.customer.channel, o.status, money(total(o)), currency(o.customer), placed, placed];
        }
      },
    },
    {
      table: 'order_line',
      columns: ['order_id', 'line_no', 'product_id', 'quantity', 'unit_price'],
      *rows() {
        for (const order of orders) {
          for (const [index, line] of order.lines.entries()) yield [order.id, index + 1, line.product, line.quantity, money(line.cents)];
        }
      },
    },
    {
      table: 'return_line',
      columns: ['order_id', 'line_no', 'return_no', 'quantity', 'reason', 'returned_at'],
      *rows() {
        const random = parent.fork('return');
        for (const order of orders) {
          if (order.status !== 'returned') continue;
          const reason = random.pick(['too small', 'too large', 'changed my mind', 'damaged', null]);
          yield [order.id, 1, 1, 1, reason, timestamptz(order.placed + 6 * DAY)];
        }
      },
    },
    {
      table: 'invoice',
      columns: ['invoice_id', 'customer_id', 'order_number', 'billing_name', 'billing_email', 'total', 'currency', 'issued_at'],
      *rows() {
        let id = 0;
        for (const order of orders) {
          if (order.status === 'cancelled' || order.status === 'placed') continue;
          const { customer, placed } = order;
          const number = `AO-${new Date(placed).getUTCFullYear()}-${String(order.id).padStart(7, '0')}`;
          const name = `${customer.first} ${customer.last}`;
          yield [++id, customer.id, number, name, customer.email, money(total(order)), currency(customer), timestamptz(placed + 12 * HOUR)];
        }
      },
    },
  ];
}

function total(order: Order): number {
  return order.lines.reduce((sum, line) => sum + line.quantity * line.cents, 0);
}

function money(cents: number): string {
  return (cents / 100).toFixed(2);
}

function currency(customer: Customer): string {
  if (customer.country === 'CH') return 'CHF';
  if (customer.country === 'GB') return 'GBP';
  return customer.country?.startsWith('US') ? 'USD' : 'EUR';
}

/** +999 is a country code that nobody has. */
function phone(id: number): string {
  return `+999${String(id).padStart(9, '0')}`;
}
