import { expect, test } from 'vitest';
import { tableTitle } from '../../domain/requests/titles.ts';
import { parseManifestText } from '../../manifest/load.ts';

const { manifest } = parseManifestText(`
organisation: A
stores: { shop: { url: "\${X}" } }
subjects: { member: { table: shop.public.app_members, key: id } }
tables:
  shop.public.app_members: {}
  shop.public.ord_hdr: { label: your orders }
`);

test.each([
  ['shop.public.ord_hdr', 'your orders'],
  ['shop.public.app_members', 'your details'],
  ['shop.public.order_line', 'data about order lines'],
  ['shop.Sales.OrderHistory', 'data about order history'],
  ['shop.public.tbl_delivery_addresses', 'data about delivery addresses'],
  ['shop.public.categories', 'data about categories'],
  ['shop.public.ord_ln', 'other data about you'],
  ['shop.public.t_0017', 'other data about you'],
  ['shop.public.invoice_2024', 'other data about you'],
])('%s is called %s to the person', (table, title) => expect(tableTitle(table, manifest!)).toBe(title));
