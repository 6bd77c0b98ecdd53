import { describe, expect, test } from 'vitest';
import type { CatalogTable } from '../../../domain/catalog.ts';
import { checkManifest } from '../../../domain/check/check.ts';
import { parseManifestText } from '../../../manifest/load.ts';
import { catalog, index, key, table } from './catalogs.ts';

/** Problems of a manifest that begins with an organisation and one store, against tables; `line:column code message → fix`. */
function check(text: string, ...tables: CatalogTable[]): string[] {
  const loaded = parseManifestText(`organisation: O\nstores: { shop: { url: x } }\n${text}`);
  expect(loaded.problems.filter((it) => it.severity === 'error')).toEqual([]);
  return checkManifest(loaded.manifest!, loaded.source.place, { shop: catalog(...tables) }).map(
    (it) => `${it.place?.line}:${it.place?.column} ${it.code} ${it.message} → ${it.fix ?? ''}`,
  );
}

const codes = (problems: readonly string[]): string[] => problems.map((it) => it.split(' ')[1]!);
const RULE = 'tables: { shop.public.visit: { retention: { keep: P1Y, after: at } } }';
const VISIT = table('visit', ['at timestamptz not null']);

test('a manifest that fits has no problems', () => {
  expect(check(RULE, VISIT)).toEqual([]);
});

test('a store whose database was not read is said', () => {
  const { manifest, source } = parseManifestText(`organisation: O\nstores: { shop: { url: x } }\n${RULE}`);
  expect(checkManifest(manifest!, source.place, {}).map((it) => it.code)).toEqual(['P101']);
});

describe('names', () => {
  test('unknown tables and columns, with the nearest', () => {
    const text = `tables:
  shop.public.vist: {}
  shop.public.visit:
    captured_at: att
    columns: { id: key, att: time, at: time }
    retention: { keep: P1Y, after: viewed }
ignore: { shop.public.gone: It went }`;
    expect(check(text, VISIT)).toEqual([
      '4:3 P102 the store `shop` has no table `public.vist` → write `shop.public.visit`',
      '9:11 P102 the store `shop` has no table `public.gone` → ',
      '7:25 P103 `public.visit` has no column `att` → write `at`',
      '6:18 P103 `public.visit` has no column `att` → write `at`',
      '8:36 P103 `public.visit` has no column `viewed` → its columns: id, at',
    ]);
  });

  test('unclassified tables and columns; a partition follows its parent, a view holds nothing', () => {
    const text = 'tables: { shop.public.visit: { columns: { id: key } } }';
    const part = table('visit_2026', ['at timestamptz'], { partitionOf: 'public.visit' });
    const other = table('elsewhere', [], { schema: 'other' });
    expect(check(text, VISIT, table('secret', []), part, table('v', [], { kind: 'view' }), other)).toEqual([
      '3:32 P105 the column `public.visit.at` is not classified → add `at: category`',
      '2:11 P104 the table `shop.public.secret` is neither declared nor ignored → declare it under `tables`, or `ignore: { shop.public.secret: reason }`',
    ]);
  });

  test('a partition with a rule of its own', () => {
    const text = 'tables: { shop.public.visit: {}, shop.public.p: { retention: { keep: P1Y, after: at } } }';
    expect(codes(check(text, VISIT, table('p', ['at date'], { partitionOf: 'public.visit' })))).toEqual(['P112']);
  });

  test('a path into what is no JSON', () => {
    expect(codes(check('tables: { shop.public.visit: { json: [{ column: at, path: $.a }] } }', VISIT))).toEqual(['P133']);
  });
});

describe('times', () => {
  test('a wrong type, no zone, no index', () => {
    const live = table('visit', ['at text', 'seen timestamp', 'day date'], { indexes: [index('id')] });
    const rule = (after: string): string => RULE.replace('after: at', `after: ${after}`);
    expect(check(rule('at'), live)).toEqual(['3:63 P106 `at` is of type text, which is no time → time columns of the table: seen, day']);
    expect(codes(check(rule('seen'), live))).toEqual(['P107', 'P129']);
    expect(codes(check(rule('seen, zoneless: utc'), live))).toEqual(['P129']);
    expect(codes(check(rule('day'), live))).toEqual(['P129']);
    const byDay = { ...live, kind: 'partitioned', partitioning: { strategy: 'range', columns: ['day'], partitions: [] } } as const;
    expect(check(rule('day'), byDay)).toEqual([]);
  });

  test('a floor counts from a time too', () => {
    expect(codes(check('tables: { shop.public.visit: { floor: { keep: P8Y, after: id, rule: r } } }', VISIT))).toEqual(['P106']);
  });

  test('last activity in a table that references this one', () => {
    const rule =
      'tables: { shop.public.visit: {}, shop.public.person: { retention: { keep: P1Y, after: { last: shop.public.visit.at } } } }';
    const visit = table('visit', ['at timestamptz', 'person int8'], { foreignKeys: [key('person', 'person')] });
    expect(codes(check(rule, visit, table('person', [])))).toEqual(['P131']);
    expect(codes(check(rule, VISIT, table('person', [])))).toEqual(['P119']);
  });
});

describe('children', () => {
  const rule = (children: string): string =>
    `tables: { shop.public.person: { retention: { keep: P1Y, after: at, children: ${children} } }, shop.public.visit: {}, shop.public.hit: {} }`;
  const person = table('person', ['at timestamptz']);
  const visit = table('visit', ['person int8 not null'], { foreignKeys: [key('person', 'person')] });
  const hit = table('hit', ['visit int8'], { foreignKeys: [key('visit', 'visit')] });

  test('not named: kept, and said', () => {
    expect(check(rule('{}'), person, visit, hit)).toEqual([
      '3:33 P131 rows of `shop.public.person` that are referenced by public.visit are kept → say so, or otherwise, under `children`',
    ]);
    expect(check(rule('{ shop.public.visit: keep }'), person, visit, hit)).toEqual([]);
  });

  test('a grandchild is reached through a child that is deleted, and only so', () => {
    expect(check(rule('{ shop.public.visit: delete, shop.public.hit: delete }'), person, visit, hit)).toEqual([]);
    expect(codes(check(rule('{ shop.public.visit: keep, shop.public.hit: delete }'), person, visit, hit))).toEqual(['P120']);
    expect(codes(check(rule('{ shop.public.visit: delete }'), person, visit, hit))).toEqual(['P131']);
  });

  test('a NOT NULL reference cannot be detached', () => {
    expect(check(rule('{ shop.public.visit: detach }'), person, visit, hit)).toEqual([
      '3:99 P121 `public.visit` (person) cannot become NULL → write `delete` or `keep`',
    ]);
    const composite = (match: 'simple' | 'full') =>
      table('visit', ['person int8', 'site int8 not null'], {
        foreignKeys: [key('person,site', 'person', { match })],
        indexes: [index('person', 'site')],
      });
    expect(check(rule('{ shop.public.visit: detach }'), person, composite('simple'), hit)).toEqual([]);
    expect(codes(check(rule('{ shop.public.visit: detach }'), person, composite('full'), hit))).toEqual(['P121']);
  });

  test('unknown and unrelated children', () => {
    expect(codes(check(rule('{ shop.public.vist: delete }'), person, visit, hit))).toContain('P102');
    expect(codes(check(rule('{ shop.public.person: detach }'), person, visit, hit))).toContain('P120');
  });

  test('a self-reference is a child like any other', () => {
    const self = table('person', ['at timestamptz', 'by int8'], { foreignKeys: [key('by', 'person')] });
    expect(check(rule('{ shop.public.visit: keep }'), self, visit, hit)[0]).toContain('referenced by public.person itself (by) are kept');
    expect(check(rule('{ shop.public.visit: keep, shop.public.person: detach }'), self, visit, hit)).toEqual([]);
  });

  test.each(['cascade', 'set null', 'set default'] as const)('ON DELETE %s from a table that nobody declared is an error', (onDelete) => {
    const log = table('log', ['person int8'], { foreignKeys: [key('person', 'person', { onDelete })] });
    const declared = rule('{ shop.public.visit: keep }');
    expect(codes(check(`${declared}\nignore: { shop.public.log: why }`, person, visit, hit, log))).toContain('P122');
    expect(codes(check(declared, person, visit, hit, { ...log, schema: 'other' }))).toContain('P122');
    expect(codes(check(declared.replace(' keep }', ' keep, shop.public.log: keep }'), person, visit, hit, log))).not.toContain('P122');
    const unenforced = table('log', ['person int8'], { foreignKeys: [key('person', 'person', { onDelete, enforced: false })] });
    expect(codes(check(`${declared}\nignore: { shop.public.log: why }`, person, visit, hit, unenforced))).not.toContain('P122');
    const plain = table('log', ['person int8'], { foreignKeys: [key('person', 'person')] });
    expect(codes(check(`${declared}\nignore: { shop.public.log: why }`, person, visit, hit, plain))).not.toContain('P122');
  });
});

describe('cycles', () => {
  const text = `subjects: { a: { table: shop.public.a, key: id } }
tables:
  shop.public.a: { retention: { keep: P1Y, after: at, children: { shop.public.b: delete, shop.public.a: keep } } }
  shop.public.b: {}`;
  const cycle = (more: { nullable?: boolean; deferrable?: boolean; b?: 'delete' }) => [
    table('a', ['at timestamptz', `b int8${more.nullable ? '' : ' not null'}`], {
      foreignKeys: [key('b', 'b', { deferrable: more.deferrable ?? false })],
    }),
    table('b', ['a int8 not null'], { foreignKeys: [key('a', 'a')] }),
  ];

  test('neither nullable nor deferrable: refused, once', () => {
    expect(check(text, ...cycle({}))).toEqual([
      '5:20 P109 foreign keys go round: public.a → public.b → public.a → let public.a (b) be NULL, or make `b_fkey` deferrable',
    ]);
  });
  test('opened by a nullable column or a deferrable constraint', () => {
    expect(check(text, ...cycle({ nullable: true }))).toEqual([]);
    expect(check(text, ...cycle({ deferrable: true }))).toEqual([]);
  });
  test('kept children are not walked, but an erasure would have to', () => {
    const kept = text.replace('shop.public.b: delete, shop.public.a: keep', 'shop.public.b: keep');
    expect(codes(check(kept, ...cycle({})))).toEqual(['P110']);
  });
});

describe('references', () => {
  const text = 'tables: { shop.public.person: {}, shop.public.visit: {} }';
  const visit = (more: Partial<CatalogTable>) =>
    table('visit', ['person int8', 'kind text'], { foreignKeys: [key('person', 'person')], ...more });

  test('without an index: the statement that mends it', () => {
    expect(check(text, table('person', []), visit({ indexes: [index('kind', 'person')] }))).toEqual([
      '3:35 P108 `public.visit` (person) references `public.person` without an index → create index concurrently on "public"."visit" ("person")',
    ]);
    const invalid = [{ ...index('person'), valid: false }];
    expect(codes(check(text, table('person', []), visit({ indexes: invalid })))).toEqual(['P108']);
    expect(check(text, table('person', []), visit({ indexes: [{ ...index('person'), partial: true }] }))[0]).toContain(
      'only a partial index',
    );
  });

  test('the condition of a polymorphic reference may lead the index', () => {
    const declared = `${text}\nreferences: [{ from: shop.public.visit.person, when: { kind: p }, to: shop.public.person.id }]`;
    expect(check(declared, table('person', []), visit({ foreignKeys: [], indexes: [index('kind', 'person')] }))).toEqual([]);
  });

  test('NOT VALID and NOT ENFORCED are said', () => {
    const bad = (more: object) => codes(check(text, table('person', []), visit({ foreignKeys: [key('person', 'person', more)] })));
    expect(bad({ validated: false })).toEqual(['P130']);
    expect(bad({ enforced: false, validated: false })).toEqual(['P130']);
  });

  test('one column cannot refer to a key of two', () => {
    const declared = `subjects: { p: { table: shop.public.person, key: [id, site] } }\n${text}\nreferences: [{ from: shop.public.visit.kind, to: p }]`;
    const person = table('person', ['site text'], { uniques: [['id', 'site']] });
    expect(check(declared, person, visit({}))[0]).toContain('P134 the key of `p` has 2 columns');
  });

  test('what is referred to is unique, or an identity', () => {
    const declared = `${text}\nreferences: [{ from: shop.public.visit.kind, to: shop.public.person.site }]`;
    const person = (more: object) => table('person', ['site text'], more);
    expect(codes(check(declared, person({}), visit({}))).filter((it) => it === 'P143')).toEqual(['P143']);
    expect(codes(check(declared, person({ uniques: [['id'], ['site']] }), visit({})))).not.toContain('P143');
    const identity = `subjects: { p: { table: shop.public.person, key: id, identities: { site: site } } }\n${declared}`;
    expect(codes(check(identity, person({}), visit({})))).not.toContain('P143');
  });

  test('like compares with like', () => {
    expect(
      codes(check(`${text}\nreferences: [{ from: shop.public.visit.kind, to: shop.public.person.id }]`, table('person', []), visit({}))),
    ).toEqual(['P134']);
    expect(
      codes(check(`${text}\nreferences: [{ from: shop.public.visit.kindd, to: shop.public.person.idd }]`, table('person', []), visit({}))),
    ).toEqual(['P103', 'P103', 'P108']);
  });
});

describe('masks', () => {
  const live = table(
    'visit',
    ['at timestamptz not null', 'note text', 'name text not null', 'code character varying(5)', 'n int8', 'g text generated', 'mail text'],
    {
      checks: [{ name: 'n_positive', definition: 'CHECK ((n > 0))' }],
      uniques: [['id'], ['mail']],
    },
  );
  const mask = (columns: string): string[] =>
    codes(check(`tables: { shop.public.visit: { retention: { keep: P1Y, after: at, then: { mask: ${columns} } } } }`, live));

  test.each([
    ['{ note: null, name: { constant: x }, at: { truncate: month }, code: { constant: abcde } }', []],
    ['{ name: null }', ['P115']],
    ['{ id: { constant: 1 } }', ['P115']],
    ['{ g: null }', ['P115']],
    ['{ note: { truncate: day } }', ['P115']],
    ['{ n: { constant: x } }', ['P115']],
    ['{ code: { constant: abcdef } }', ['P115']],
    ['{ n: { constant: 0 } }', ['P116']],
    ['{ mail: { constant: x } }', ['P116']],
    ['{ mail: null }', []],
    ['{ noet: null }', ['P103']],
  ])('%s', (columns, expected) => expect(mask(columns)).toEqual(expected));
});

describe('aggregates', () => {
  const source = table('visit', ['at timestamptz not null', 'kind text not null', 'amount numeric']);
  const target = table('daily', ['day date not null', 'kind text not null', 'n int8 not null', 'amount numeric'], {
    columns: table('daily', ['day date not null', 'kind text not null', 'n int8 not null', 'amount numeric']).columns.slice(1),
    uniques: [['kind', 'day']],
  });
  const into = (then: string, live = target): string[] =>
    codes(
      check(
        `tables: { shop.public.visit: { retention: { keep: P1Y, after: at, then: { ${then} } } }, shop.public.daily: {} }`,
        source,
        live,
      ),
    );
  const FITS = 'aggregate_into: shop.public.daily, by: { day: { date: at }, kind: kind }, measures: { n: count, amount: { sum: amount } }';

  test.each([
    [FITS, []],
    [FITS.replace('daily', 'dayly'), ['P102']],
    [FITS.replace('kind: kind', 'knid: kind'), ['P103', 'P117', 'P118']],
    [FITS.replace('{ date: at }', '{ date: kind }'), ['P106']],
    [FITS.replace('n: count', 'n: { sum: kind }'), ['P117']],
    [FITS.replace('n: count, ', ''), ['P117']],
    [FITS.replace('by: { day: { date: at }, kind: kind }', 'by: { day: { date: at } }'), ['P117', 'P118']],
    [FITS.replace('kind: kind', 'kind: amount'), ['P117', 'P117']],
  ])('%s', (then, expected) => expect(into(then).toSorted()).toEqual(expected));

  test('without a unique key there is nothing to add to', () => expect(into(FITS, { ...target, uniques: [] })).toEqual(['P118']));
});

describe('access', () => {
  const lacking = (more: Partial<CatalogTable>, mode = 'observe') => {
    const loaded = parseManifestText(`organisation: O\nmode: ${mode}\nstores: { shop: { url: x } }\n${RULE}`);
    return checkManifest(loaded.manifest!, loaded.source.place, { shop: catalog({ ...VISIT, ...more }) }).map(
      (it) => `${it.severity} ${it.code} ${it.fix ?? ''}`,
    );
  };
  const none = { select: true, update: false, delete: false, owner: false };

  test('a missing privilege is an error to enforce, a warning to observe, and reading is always needed', () => {
    expect(lacking({ privileges: none })).toEqual(['warning P125 grant delete on "public"."visit" to "probity"']);
    expect(lacking({ privileges: none }, 'enforce')).toEqual(['error P125 grant delete on "public"."visit" to "probity"']);
    expect(lacking({ privileges: { ...none, select: false } })).toEqual([
      'error P125 grant select, delete on "public"."visit" to "probity"',
    ]);
  });

  test('row security, rewrite rules, views, refused kinds and triggers', () => {
    expect(lacking({ rowSecurity: { enabled: true, forced: false, filtersUs: true } })[0]).toContain('error P111');
    expect(lacking({ rowSecurity: { enabled: true, forced: true, filtersUs: false } })).toEqual([]);
    expect(lacking({ rules: ['no_delete'] })).toEqual(['error P123 drop rule "no_delete" on "public"."visit"']);
    expect(lacking({ kind: 'view' })[0]).toContain('error P124');
    expect(lacking({ refused: 'it is inherited' })[0]).toContain('error P124');
    const trigger = {
      name: 't',
      timing: 'before',
      level: 'row',
      events: ['delete'],
      enabled: true,
      function: 'f',
      writes: { tables: [], more: false },
    } as const;
    expect(lacking({ triggers: [trigger] })).toEqual(['warning P132 ']);
    expect(lacking({ triggers: [{ ...trigger, level: 'statement' }] })).toEqual(['warning P132 ']);
    expect(lacking({ triggers: [{ ...trigger, timing: 'after' }] })).toEqual([]);
    expect(lacking({ triggers: [{ ...trigger, enabled: false }] })).toEqual([]);
  });
});

describe('subjects', () => {
  const text = `subjects: { person: { table: shop.public.person, key: id, identities: { email: email } } }
tables:
  shop.public.person: {}
  shop.public.visit: { purposes: [], columns: { id: key, mail: { category: contact, identifying: true }, person: key }, retention: { keep: P1Y, after: at } }`;
  const person = table('person', ['email text']);
  const visit = (more: Partial<CatalogTable>) => table('visit', ['mail text', 'person int8', 'at date'], more);

  test('a key that is not unique', () => {
    const wrong = check(text.replace('key: id', 'key: email'), person, visit({ foreignKeys: [key('person', 'person')] }));
    expect(wrong.find((it) => it.includes('P114'))).toContain('`email` is not unique in `public.person` → write `key: id`');
    expect(codes(check(text.replace('email: email', 'email: mail'), person, visit({})))).toContain('P103');
  });

  test('a subject whose row says who it is, and that has no identity to look for', () => {
    const telling = text.replace(
      'shop.public.person: {}',
      'shop.public.person: { columns: { id: key, email: { category: contact, identifying: true } } }',
    );
    const there = visit({ foreignKeys: [key('person', 'person')] });
    expect(codes(check(telling.replace(', identities: { email: email }', ''), person, there))).toContain('P145');
    expect(codes(check(telling, person, there))).not.toContain('P145');
  });

  test('personal data without a way to a subject', () => {
    expect(codes(check(text, person, visit({})))).toContain('P113');
    expect(codes(check(text, person, visit({ foreignKeys: [key('person', 'person')] })))).not.toContain('P113');
    expect(codes(check(`${text}\nreferences: [{ from: shop.public.visit.mail, to: person.email }]`, person, visit({})))).not.toContain(
      'P113',
    );
  });
});

describe('data to minimise', () => {
  const text = (more: string, keep = 'P1Y'): string =>
    `purposes: { ads: { basis: consent, expires: P1Y }, books: { basis: legal_obligation } }\ntables: { shop.public.visit: { ${more}, retention: { keep: ${keep}, after: at } } }`;

  test('columns and tables that nothing uses', () => {
    const live = table('visit', ['at date', 'colour text']);
    expect(check(text('columns: { id: key, at: time, colour: taste }'), live)[0]).toContain(
      'P126 no purpose uses colour of `public.visit`',
    );
    expect(check(text('columns: { id: key, at: time, colour: { category: taste, purposes: [ads] } }'), live)).toEqual([]);
    expect(codes(check(text('purposes: []'), live))).toEqual(['P126']);
  });

  test('kept longer than any use needs', () => {
    expect(check(text('purposes: [ads]', 'P3Y'), VISIT)[0]).toContain('P127 `public.visit` is kept P3Y');
    expect(codes(check(text('purposes: [ads, books]', 'P3Y'), VISIT))).toEqual(['P141']);
    expect(codes(check(text('purposes: [books], floor: { keep: P2Y, after: at, rule: r }', 'P3Y'), VISIT))).toEqual(['P127']);
  });

  test('personal data that nothing ever deletes', () => {
    const endless = 'tables: { shop.public.visit: { columns: { id: key, at: { category: x, identifying: true } } } }';
    expect(codes(check(endless, VISIT))).toEqual(['P128']);
  });
});

test('what on_erase says must fit the column, and never a key or a time that rules count from', () => {
  const columns = [
    'name text not null',
    'code character varying(5)',
    'flag boolean not null',
    'email text not null',
    'at timestamptz not null',
  ];
  const text = `tables:
  shop.public.visit:
    retention: { keep: P1Y, after: at }
    columns:
      id: { category: key, on_erase: generated }
      name: { category: contact, on_erase: null }
      code: { category: other, on_erase: { constant: deleted } }
      flag: { category: other, on_erase: generated }
      email: { category: contact, on_erase: { constant: gone } }
      at: { category: time, on_erase: { constant: 2000-01-01 } }`;
  expect(check(text, table('visit', columns, { uniques: [['id'], ['email']] })).filter((it) => it.includes('P142'))).toEqual([
    '7:38 P142 `id` cannot hold what `on_erase` says: it is part of the primary key → ',
    '8:34 P142 `name` cannot hold what `on_erase` says: it is NOT NULL → ',
    '9:32 P142 `code` cannot hold what `on_erase` says: the constant is longer than character varying(5) → ',
    '10:42 P142 `flag` cannot hold what `on_erase` says: nothing can be made up for type boolean → ',
    '11:35 P142 `email` cannot hold what `on_erase` says: email is unique, and many rows would get the same value → ',
    '12:29 P142 `at` cannot hold what `on_erase` says: rules count from it → ',
  ]);
});

describe('whose rows are', () => {
  const text = `purposes: { ads: { basis: consent } }
subjects: { p: { table: shop.public.person, key: id, identities: { email: mail } } }
tables: { shop.public.person: { purposes: [ads] }, shop.public.grant: { purposes: [ads] }, shop.public.line: { purposes: [ads] } }
`;
  const to = (column: string, table = 'person') => key(column, table, { name: `g_${column}` });
  const person = table('person', ['mail text']);
  const grant = table('grant', ['person int8', 'granter int8'], {
    foreignKeys: [to('person'), to('granter')],
    indexes: [index('person'), index('granter')],
  });
  const line = table('line', ['grant_id int8', 'print text'], { foreignKeys: [to('grant_id', 'grant')], indexes: [index('grant_id')] });
  const found = (references: string): string[] =>
    check(`${text}references: [${references}]`, person, grant, line).filter((it) => / P1(5[01]|03) /.test(it));

  test('two people in a row: an error that says what to write, until one is the owner', () => {
    expect(found('')).toEqual([
      expect.stringMatching(
        / P150 `public.grant` refers by `granter`, `person` to people, and nothing says whose its rows are: it has several references to people/,
      ),
    ]);
    expect(found('{ from: shop.public.grant.person, to: p, as: owner }')).toEqual([]);
    expect(found('{ from: shop.public.grant.granter, to: p, as: mention }')).toEqual([]);
    expect(found('{ from: shop.public.grant.granter, to: p, as: both }, { from: shop.public.grant.person, to: p, as: both }')).toEqual([]);
  });

  test('a check that counts on a reference which is cut', () => {
    const counted = { ...grant, checks: [{ name: 'filled', definition: 'CHECK ((num_nonnulls(person, granter) >= 2))' }] };
    const said = (some: typeof grant) =>
      check(`${text}references: [{ from: shop.public.grant.granter, to: p, as: mention }]`, person, some, line).filter((it) =>
        / P146 /.test(it),
      );
    expect(said(counted)).toEqual([expect.stringContaining('the check `filled` of `public.grant` asks for `granter`')]);
    expect(said(grant)).toEqual([]);
  });

  test('a key of several columns is named by one that no other has', () => {
    const keyed = {
      foreignKeys: [
        key('tenant,buyer', 'person', { name: 'b', referencedColumns: ['tenant', 'id'] }),
        key('tenant,friend', 'person', { name: 'f', referencedColumns: ['tenant', 'id'] }),
      ],
    };
    const sold = table('grant', ['tenant int8', 'buyer int8', 'friend int8'], {
      ...keyed,
      indexes: [index('tenant', 'buyer'), index('tenant', 'friend')],
    });
    const people = table('person', ['tenant int8', 'mail text'], { primaryKey: ['tenant', 'id'], uniques: [['tenant', 'id']] });
    const composite = text.replace('key: id', 'key: [tenant, id]');
    const said = (references: string) =>
      check(`${composite}references: [${references}]`, people, sold).filter((it) => / P1(5[01]|34) /.test(it));
    expect(said('')[0]).toContain('{ from: shop.public.grant.buyer, to: p, as: … } - { from: shop.public.grant.friend, to: p, as: … }');
    expect(said('{ from: shop.public.grant.buyer, to: p, as: owner }')).toEqual([]);
    expect(said('{ from: shop.public.grant.tenant, to: p, as: owner }').join()).toContain(
      'P151 `shop.public.grant.tenant` stands in several references to people',
    );
  });

  test('a role that cannot be: of a subject’s own row, of what names nobody itself, of what leads to nobody, and of columns that are not there', () => {
    const plain = '{ from: shop.public.grant.person, to: p, as: owner }';
    expect(found(`${plain}, { from: shop.public.person.mail, to: p.email, as: owner }`)[0]).toContain(
      'P151 `public.person` is a subject’s own table',
    );
    expect(found(`${plain}, { from: shop.public.line.grant_id, to: shop.public.grant.id, as: both }`)[0]).toContain(
      'P151 `shop.public.line.grant_id` names no person itself',
    );
    expect(found(`${plain}, { from: shop.public.grant.id, to: shop.public.line.print, as: mention }`)[0]).toBeUndefined();
    expect(
      found(
        '{ from: shop.public.grant.person, to: p, as: mention, with: [prnt] }, { from: shop.public.grant.granter, to: p, as: owner, with: [id] }',
      ),
    ).toEqual([
      expect.stringContaining('P103 `public.grant` has no column `prnt`'),
      expect.stringContaining('P151 `with` names what goes from rows that stay'),
    ]);
  });
});
