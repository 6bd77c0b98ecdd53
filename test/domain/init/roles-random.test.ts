import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Catalog } from '../../../domain/catalog.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import { draftManifest } from '../../../domain/init/draft.ts';
import { mappedReferences } from '../../../domain/people/map.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import { catalog, key, table } from '../check/catalogs.ts';

const TAKE_PART = ['created_by', 'approver_id', 'moderator_id', 'handled_by'];
const NAMES = [
  ...TAKE_PART,
  'customer_id',
  'employee_id',
  'author_id',
  'sender_id',
  'recipient_id',
  'owner_id',
  'one',
  'other',
  'parent_id',
];
const TABLES = ['customer', 'employee', 'note', 'team', 'thing', 'step', 'report'];
const EXTRA = ['author_ip text', 'approver_name text', 'handled_by_email text', 'recipient_email text', 'about_type text', 'about_id int8'];

const drawn = fc.record({
  references: fc.uniqueArray(fc.record({ name: fc.constantFrom(...NAMES), to: fc.constantFrom(...TABLES), required: fc.boolean() }), {
    selector: ({ name }) => name,
    maxLength: 4,
  }),
  inKey: fc.nat(4),
  extra: fc.subarray(EXTRA),
  about: fc.subarray(TABLES),
});

/** Customers and employees, and up to five tables more that refer to each other and to them, circles included. */
const catalogs: fc.Arbitrary<Catalog> = fc.array(drawn, { minLength: TABLES.length, maxLength: TABLES.length }).map((tables) =>
  catalog(
    ...tables.map(({ references, inKey, extra, about }, at) => {
      const people = at < 2;
      const part = people || inKey < 3 ? [] : references.slice(0, inKey - 2).map(({ name }) => name);
      const columns = references.map(({ name, required }) => `${name} int8${required || part.includes(name) ? ' not null' : ''}`);
      const own = people ? ['email text not null', 'full_name text not null'] : extra;
      const list = about.map((it) => `'${it}'`).join(', ');
      return table(TABLES[at]!, [...own, ...columns], {
        oid: at + 1,
        primaryKey: part.length > 0 ? part : ['id'],
        uniques: part.length > 0 ? [part, ['id']] : [['id']],
        foreignKeys: references.map(({ name, to }) => key(name, to, { name: `${TABLES[at]!}_${name}` })),
        checks: about.length > 0 && !people ? [{ name: 'about', definition: `CHECK (about_type IN (${list}))` }] : [],
      });
    }),
  ),
);

test('a draft passes the check whoever stands in which row, and takes nobody’s row for what they only took part in', () => {
  fc.assert(
    fc.property(catalogs, (live) => {
      const draft = draftManifest({ catalogs: { shop: live }, samples: {}, storeUrls: { shop: '${DATABASE_URL}' } });
      const { manifest, problems, source } = parseManifestText(draft.yaml);
      expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
      const found = checkManifest(manifest!, (path) => source.place(path), { shop: live });
      expect(found.filter(({ severity }) => severity === 'error').map(({ code, message }) => `${code} ${message}`)).toEqual([]);
      for (const { table: id, columns, to, as } of mappedReferences(live, manifest!)) {
        const inKey = live.tables[id.slice('shop.'.length)]!.primaryKey!.includes(columns[0]!);
        if (['customer', 'employee'].includes(to) && TAKE_PART.includes(columns[0]!) && !inKey)
          expect(as, `${id}.${columns[0]!}`).toBe('mention');
      }
    }),
    { numRuns: 100 },
  );
});
