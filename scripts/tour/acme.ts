import { count } from '../../cli/numbers.ts';
import { createSampleCompany, readMarker } from '../sample/company.ts';
import { DAY } from '../sample/time.ts';
import type { TourSubject } from './subject.ts';

export interface AcmeOptions {
  /** Null keeps what is there, and fills with scale 1. */
  readonly scale: number | null;
  readonly refill: boolean;
}

/** The sample company: an outdoor shop and its support desk. */
export function acmeTour({ scale, refill }: AcmeOptions): TourSubject {
  return {
    name: 'acme-outdoor',
    databases: { DATABASE_URL: 'shop', SUPPORT_DATABASE_URL: 'support' },
    manifest: 'examples/acme-outdoor/manifest.yaml',
    asOf: null,
    fill: async ({ DATABASE_URL: shopUrl = '', SUPPORT_DATABASE_URL: supportUrl = '' }, story) => {
      const [shop, support] = [await readMarker(shopUrl), await readMarker(supportUrl)];
      const filled = shop?.complete === true && support?.complete === true && (scale === null || shop.scale === scale);
      if (filled && !refill) return false;
      const now = new Date(Math.floor(Date.now() / DAY) * DAY);
      const load = story.loading();
      const { rows } = await createSampleCompany({ shopUrl, supportUrl, scale: scale ?? 1, now, progress: load });
      story.say(`  ${count(rows)} rows in two databases, shop and support, made up as of today (docs/sample-company.md)`);
      return true;
    },
    examine: async () => undefined,
    permission: {
      purpose: 'personalization',
      reader: 'acme_analyst',
      view: 'order',
      columns: ['customer_id', 'order_id', 'channel', 'total', 'placed_at'],
      subject: 'customer',
      table: 'order',
      keyColumn: 'customer_id',
      capturedAt: 'placed_at',
      months: [],
      takeIn: async (story, env) => void (await story.probity(env, ['consent', 'sync', '--wait'])),
    },
    requests: {
      subject: 'customer',
      by: 'email',
      who: `select c.email as who from customer c where c.closed_at is not null and exists (select from invoice i where i.customer_id = c.customer_id)
        order by (select count(*) from page_view v where v.customer_id = c.customer_id)
          + (select count(*) from "order" o where o.customer_id = c.customer_id) desc, c.customer_id limit 1`,
    },
    next: [
      'retention plan',
      'retention explain customer --kept',
      `hold add --table customer --where "country = 'DE'" --reason "Litigation 4711"`,
      'retention plan --as-of 2027-12-31',
      'retention list',
      'consent report',
      'consent show < key.txt',
      'views show personalization',
      'schedules list',
      'check',
    ],
  };
}
