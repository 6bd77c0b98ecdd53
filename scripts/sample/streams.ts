import { activityTables } from './activity.ts';
import type { CopyTable } from './copy.ts';
import { createCustomers } from './customers.ts';
import { orderTables } from './orders.ts';
import { createRandom } from './random.ts';
import { supportTables } from './support.ts';
import type { Instant } from './time.ts';
import { voiceTables } from './voices.ts';

export interface SampleStreams {
  readonly shop: readonly CopyTable[];
  readonly support: readonly CopyTable[];
}

/** Every row of the sample company, as a pure function of scale, seed and reference date. */
export function sampleStreams(scale: number, seed: number, now: Instant): SampleStreams {
  const random = createRandom(seed, 'acme-outdoor');
  const customers = createCustomers(random.fork('customer'), scale, now);
  const orders = customers.reduce((sum, customer) => sum + customer.purchases.length, 0);
  return {
    shop: [
      ...orderTables(random, customers, now),
      ...voiceTables(random, customers, orders, now),
      ...activityTables(random, customers, scale, now),
    ],
    support: supportTables(random.fork('support'), customers, scale, now),
  };
}
