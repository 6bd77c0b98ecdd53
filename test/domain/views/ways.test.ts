import { expect, test } from 'vitest';
import { hops, waysToSubjects } from '../../../domain/views/ways.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import { catalog, key, table } from '../check/catalogs.ts';

const person = table('person', []);
const address = table('address', ['person_id int8'], { foreignKeys: [key('person_id', 'person')] });
const order = table('order', ['person_id int8', 'address_id int8'], {
  foreignKeys: [key('person_id', 'person'), key('address_id', 'address')],
});

function ways(references: string): string[] {
  const { manifest } = parseManifestText(`organisation: O
stores: { shop: { url: x } }
purposes: { ads: { basis: consent } }
subjects: { p: { table: shop.public.person, key: id } }
tables: { shop.public.order: { purposes: [ads] } }
references: [${references}]`);
  const live = catalog(person, address, order);
  return waysToSubjects('public.order', live, manifest!, hops(live, manifest!)).map(({ steps, end }) =>
    [...steps.map((it) => it.to), end.columns.join()].join(' > '),
  );
}

test('a row that only mentions somebody is not theirs to allow; where several own it, all of them are asked', () => {
  expect(ways('')).toEqual(['person_id']);
  expect(ways('{ from: shop.public.order.person_id, to: p, as: mention }')).toEqual(['public.address > person_id']);
  const both =
    '{ from: shop.public.order.person_id, to: p, as: owner }, { from: shop.public.order.address_id, to: shop.public.address.id, as: owner }';
  expect(ways(both)).toEqual(['person_id', 'public.address > person_id']);
});
