import { expect, test } from 'vitest';
import { parseManifestText } from '../../manifest/load.ts';

const told = (table: string, more = ''): string[] =>
  parseManifestText(`organisation: O
stores: { shop: { url: x } }
subjects: { person: { table: shop.public.person, key: id } }
tables: { shop.public.person: {}, ${table} }
${more}`).problems.map((it) => `${it.code} ${it.message}`);
const STAYS = 'stays: { basis: legitimate_interests, because: disputes }';
const log = (columns = ''): string => `shop.public.log: { ${STAYS}${columns} }`;

test('rows may stay whoever goes, with a basis and a reason; a consent is none', () => {
  expect(told(log())).toEqual([]);
  expect(told('shop.public.log: { stays: { basis: consent, because: x } }')).toEqual(['P006 `basis` cannot be "consent"']);
  expect(told('shop.public.log: { stays: { basis: contract } }')).toHaveLength(1);
});

test('what says that the rows are somebody’s all the same is refused', () => {
  const refers = (as: string): string => `references: [{ from: shop.public.log.person_id, to: person, as: ${as} }]`;
  expect(told(log(), refers('mention'))).toEqual([]);
  for (const as of ['owner', 'both'])
    expect(told(log(), refers(as))).toEqual([
      `P032 \`shop.public.log.person_id\` is said to be \`as: ${as}\`, so the row goes with whom it names`,
    ]);
  expect(told(log(), 'shared: [{ table: shop.public.log, owners: shop.public.log_of }]')).toEqual([
    'P032 `shop.public.log` belongs to who shares it',
  ]);
  const own = `organisation: O
stores: { shop: { url: x } }
subjects: { person: { table: shop.public.person, key: id } }
tables: { shop.public.person: { ${STAYS} } }`;
  expect(parseManifestText(own).problems.map((it) => it.message)).toEqual([
    'a row of `shop.public.person` is a person, and goes with them',
  ]);
});

test('a column that says who somebody is goes with a reference, or is said to stay', () => {
  const name = (more = ''): string => `, columns: { person_id: key, who: { category: name, identifying: true${more} } }`;
  const refers = 'references: [{ from: shop.public.log.person_id, to: person, with: [who] }]';
  expect(told(log(name()))).toEqual(['P033 `who` says who somebody is, and nothing takes it from the rows that stay']);
  expect(told(log(name()), refers)).toEqual([]);
  expect(told(log(name(', on_erase: keep, because: published')))).toEqual([]);
});
