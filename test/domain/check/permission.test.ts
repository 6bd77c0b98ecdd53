import { describe, expect, test } from 'vitest';
import type { CatalogTable } from '../../../domain/catalog.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import { catalog, key, table } from './catalogs.ts';

const PEOPLE = table('person', ['born int4', 'ended timestamptz', 'mail text']);
const BEGIN = `organisation: O
stores: { shop: { url: x, home: true }, desk: { url: x } }
purposes:
  ads: { basis: consent }
  books: { basis: legal_obligation }
`;

/** Problems of the codes that permission is about, as `code severity message`. */
function check(text: string, ...tables: CatalogTable[]): string[] {
  const loaded = parseManifestText(BEGIN + text);
  expect(loaded.problems.filter((it) => it.severity === 'error')).toEqual([]);
  return checkManifest(loaded.manifest!, loaded.source.place, { shop: catalog(...tables) })
    .filter(({ code }) => code >= 'P135' || ['P102', 'P103'].includes(code))
    .map((it) => `${it.code} ${it.severity} ${it.message}`);
}
const subject = (more = ''): string => `subjects: { person: { table: shop.public.person, key: id${more} } }\n`;

test('birth is a date, a time or a year', () => {
  expect(check(subject(', birth: born'), PEOPLE)).toEqual([]);
  expect(check(subject(', birth: ended'), PEOPLE)).toEqual([]);
  expect(check(subject(', birth: mail'), PEOPLE)).toEqual(['P135 error `mail` is of type text']);
  expect(check(subject(', birth: borm'), PEOPLE)).toEqual(['P103 error `public.person` has no column `borm`']);
});

describe('what a view of a purpose would show', () => {
  const visit = (more: string): string => `${subject()}tables:\n  shop.public.visit: { ${more} }\n`;
  const line = table('line', ['visit_id int8'], { foreignKeys: [key('visit_id', 'visit')] });
  const VISIT = table('visit', ['at timestamptz', 'person_id int8'], { foreignKeys: [key('person_id', 'person')] });

  test('rows of which nobody knows when they were captured', () => {
    expect(check(visit('purposes: [ads]'), PEOPLE, VISIT)).toContain(
      'P137 warning `public.visit` serves ads, and nothing says when its rows were captured: none is ever shown',
    );
    expect(check(visit('purposes: [ads], captured_at: at'), PEOPLE, VISIT)).toEqual([]);
    expect(check(visit('purposes: [books]'), PEOPLE, VISIT)).toEqual([]);
    expect(check(visit('columns: { id: key, at: time, person_id: { purposes: [ads] } }'), PEOPLE, VISIT)[0]).toContain('P137');
  });

  test('a table on the way says it for those that reference it; the subject’s own does not', () => {
    const both = (captured: string): string => `${visit(`purposes: [ads]${captured}`)}  shop.public.line: { purposes: [ads] }\n`;
    expect(check(both(', captured_at: at'), PEOPLE, VISIT, line)).toEqual([]);
    expect(check(both(''), PEOPLE, VISIT, line).map((it) => it.slice(0, 28))).toEqual([
      'P137 warning `public.visit` ',
      'P137 warning `public.line` s',
    ]);
    const person = `${visit('purposes: [ads]')}  shop.public.person: { purposes: [ads], captured_at: ended }\n`;
    expect(check(person, PEOPLE, VISIT).map((it) => it.slice(0, 27))).toEqual(['P137 warning `public.visit`']);
  });

  test('rows of nobody', () => {
    const alone = table('visit', ['at timestamptz']);
    expect(check(visit('purposes: [ads]'), PEOPLE, alone)[0]).toBe(
      'P138 warning `public.visit` serves ads, and no way leads from it to person',
    );
    expect(check(visit('purposes: [books]'), PEOPLE, alone)[0]).toContain('P138 info');
    expect(check(visit('purposes: [ads], columns: { id: aggregate, at: aggregate }'), PEOPLE, alone)).toEqual([]);
    const reference = 'references: [{ from: shop.public.visit.id, to: person }]\n';
    expect(check(visit('purposes: [ads], captured_at: at') + reference, PEOPLE, alone)).toEqual([]);
  });
});

test('facts are asked of the subject’s own row, in the home store', () => {
  const ends = (column: string): string => subject().replace('subjects', `  sales: { basis: contract, ends: ${column} }\nsubjects`);
  expect(check(ends('shop.public.person.ended'), PEOPLE)).toEqual([]);
  expect(check(ends('shop.public.visit.at'), PEOPLE, table('visit', ['at date']))).toEqual([
    'P140 error `shop.public.visit` is not the table of a subject',
  ]);
  expect(check('subjects: { person: { table: desk.public.person, key: id } }')).toEqual([
    'P139 warning `person` lives in store `desk`, and permission is judged in `shop`: every answer about a person is no',
  ]);
});

test('a withdrawal that would erase nothing', () => {
  const used = (more: string): string => `${subject()}tables: { shop.public.person: { captured_at: ended, ${more} } }`;
  expect(check(used('purposes: [ads, books]'), PEOPLE)).toEqual([
    'P141 info nothing is used for `ads` alone: after a withdrawal books would keep all of it',
  ]);
  expect(check(used('purposes: [ads, books], columns: { id: key, born: x, ended: x, mail: { purposes: [ads] } }'), PEOPLE)).toEqual([]);
  expect(check(used('purposes: [books]'), PEOPLE)).toEqual([]);
  // Keys alone are no use to anybody, and go with the row only.
  const keysOnly = 'columns: { id: key, born: { purposes: [books] }, ended: { purposes: [books] }, mail: { purposes: [books] } }';
  expect(check(used(`purposes: [ads], ${keysOnly}`), PEOPLE)).toEqual([
    'P141 info nothing is used for `ads` alone: after a withdrawal books would keep all of it',
  ]);
  expect(check(used('purposes: [ads], columns: { id: key, born: x, ended: x, mail: { purposes: [] } }'), PEOPLE)).toEqual([]);
  expect(check(used('purposes: [ads]'), PEOPLE)).toEqual([]);
});

describe('consent tables', () => {
  const CHOICE = table('choice', ['person int8', 'about text', 'said boolean', 'at timestamptz', 'mail text']);
  const source = (more: Record<string, unknown>): string =>
    `${subject()}consents: [${JSON.stringify({ table: 'shop.public.choice', subject: 'person', key: 'person', purpose: 'about', decision: { constant: 'granted' }, at: 'at', ...more })}]`;

  test('that fit', () => {
    expect(check(source({}), PEOPLE, CHOICE)).toEqual([]);
    expect(check(source({ decision: 'said', decisions: { true: 'granted' } }), PEOPLE, CHOICE)).toEqual([]);
    expect(check(source({ subject: 'email', key: 'mail', changed_at: 'at' }), PEOPLE, CHOICE)).toEqual([]);
  });

  test.each([
    [{ table: 'shop.public.choise' }, 'P102 error the store `shop` has no table `public.choise`'],
    [{ purpose: 'abut' }, 'P103 error `public.choice` has no column `abut`'],
    [{ purpose: 'at' }, 'P136 error `at` is of type timestamptz, and not a text'],
    [{ decision: 'said' }, 'P136 error `said` is of type boolean, and not a decision'],
    [{ at: 'about' }, 'P136 error `about` is of type text, and not a time'],
    [{ changed_at: 'person' }, 'P136 error `person` is of type int8, and not a time'],
    [{ key: 'mail' }, 'P136 error `mail` is of type text, and not as the key of `person`, int8'],
    [{ key: ['person', 'mail'] }, 'P136 error a person is named by 1 column, and here stand 2'],
    [{ subject: 'device' }, 'P136 error `person` is of type int8, and not a text'],
  ])('that do not: %j', (more, message) => expect(check(source(more), PEOPLE, CHOICE)).toEqual([message]));
});
