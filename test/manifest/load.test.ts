import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { manifestHash } from '../../manifest/hash.ts';
import { loadManifest, parseManifestText, type LoadedManifest } from '../../manifest/load.ts';
import { resolveSecrets } from '../../manifest/secrets.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manifest-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const write = async (name: string, text: string): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
};

/** `line:column code → fix` of every problem. */
const told = (loaded: LoadedManifest): string[] =>
  loaded.problems.map((it) => `${it.place?.line}:${it.place?.column} ${it.code} ${it.message} → ${it.fix ?? ''}`);

const SMALL = `organisation: Acme
stores: { shop: { url: "\${DATABASE_URL}" } }
tables:
  shop.public.page_view:
    retention: { keep: P13M, after: viewed_at }
`;

describe('a small manifest', () => {
  test('gets every default', () => {
    const { manifest, problems } = parseManifestText(SMALL);
    expect(problems).toEqual([]);
    expect(manifest).toMatchObject({
      mode: 'observe',
      timezone: 'UTC',
      stores: { shop: { url: '${DATABASE_URL}', home: true, schemas: ['public'] } },
      purge: { lanes: 2, batchMs: 200, duty: 0.5, between: null, approval: 'never' },
      own: { requests: 'P3Y', complaint_window: 'P6M' },
    });
    expect(manifest?.tables['shop.public.page_view']).toEqual({
      label: null,
      purposes: [],
      capturedAt: null,
      columns: null,
      json: [],
      retention: {
        keep: 'P13M',
        after: { column: 'viewed_at' },
        missing: 'keep',
        infinite: 'keep',
        future: 'keep',
        zoneless: 'keep',
        children: {},
        then: { kind: 'delete' },
        between: null,
        because: null,
      },
      floor: null,
      because: null,
      stays: null,
    });
  });
});

describe('names that mean something to JavaScript', () => {
  const proto = (where: string): string => SMALL.replace('tables:\n', `${where}\ntables:\n`);

  test('`__proto__` is refused at its place, wherever it stands and however it is written', async () => {
    expect(told(parseManifestText(SMALL.replace('shop.public.page_view', '__proto__')))).toContain(
      '4:3 P006 nothing can be called `__proto__` → choose another name, and rename what is called so',
    );
    for (const where of [
      'purposes: { __proto__: { basis: contract } }',
      'subjects: { a: { table: shop.public.page_view, key: id, identities: { __proto__: x } } }',
      'references: [{ from: shop.public.page_view.id, to: a, when: { __proto__: x } }]',
    ]) {
      const loaded = parseManifestText(proto(where));
      expect([where, loaded.manifest, told(loaded).filter((it) => it.includes('__proto__')).length]).toEqual([where, null, 1]);
    }
    const json = `{"organisation": "A", "stores": {"shop": {"url": "x"}}, "tables": {"__proto__": {}}}`;
    expect((await loadManifest(await write('proto.json', json))).manifest).toBeNull();
    expect((await loadManifest(await write('proto.mjs', `export default JSON.parse('${json}')`))).manifest).toBeNull();
    const parts = join(folder, 'proto');
    await mkdir(parts);
    await writeFile(join(parts, 'a.yaml'), SMALL);
    await writeFile(join(parts, 'b.yaml'), 'tables: { __proto__: {} }');
    expect(told(await loadManifest(parts))).toEqual([expect.stringContaining('`__proto__`')]);
  });

  test('a subject or a purpose called `constructor` is there when it is declared, and unknown when it is not', () => {
    const used = (purposes: string): LoadedManifest =>
      parseManifestText(proto(`purposes: { ${purposes} }`).replace('page_view:\n', 'page_view:\n    purposes: [constructor]\n'));
    expect(told(used('constructor: { basis: contract }')).filter((it) => it.includes('P013'))).toEqual([]);
    expect(told(used('other: { basis: contract }')).join()).toContain('P013');
    expect(told(parseManifestText(proto('references: [{ from: shop.public.page_view.id, to: constructor }]'))).join()).toContain('P014');
    expect(parseManifestText(SMALL).manifest!.subjects['constructor']).toBeUndefined();
  });
});

describe('one canonical form', () => {
  test('every key of the format is accepted, and only jobs of later versions are remarked on', async () => {
    const loaded = await loadManifest('test/manifest/sketch.yaml');
    expect(told(loaded)).toEqual([
      '143:32 P022 this version does not run `quality` yet → it runs retention, consents',
      '143:32 P022 this version does not run `bias` yet → it runs retention, consents',
    ]);
    expect(loaded.manifest?.schedules['purge']).toEqual({
      cron: '15 1 * * *',
      jitter: 'PT10M',
      overlap: 'skip',
      catchUp: 'PT2H',
      run: ['retention'],
    });
    expect(loaded.manifest?.tables['shop.public.event']?.retention?.then).toEqual({
      kind: 'aggregate',
      into: 'shop.public.event_daily',
      by: { day: { date: 'at' }, kind: { column: 'kind' } },
      measures: {
        n: { of: 'count' },
        amount: { of: 'sum', column: 'amount' },
        first: { of: 'min', column: 'at' },
        last: { of: 'max', column: 'at' },
      },
    });
    expect(loaded.manifest?.tables['shop.public.answer']?.retention?.then).toEqual({
      kind: 'mask',
      columns: { free_text: { with: 'null' }, source: { with: 'constant', value: 'gone' }, born: { with: 'truncate', to: 'year' } },
    });
  });

  test('YAML, JSON, a folder and a module hash alike, whatever the order of keys', async () => {
    const yaml = await loadManifest('test/manifest/sketch.yaml');
    const plain = parse(await readFile('test/manifest/sketch.yaml', 'utf8')) as Record<string, unknown>;
    const entries = Object.entries(plain);
    const parts = join(folder, 'parts');
    await mkdir(parts);
    const { tables, ...rest } = plain;
    const [first, ...others] = Object.entries(tables as object);
    await writeFile(join(parts, 'a.json'), JSON.stringify({ ...rest, tables: Object.fromEntries(others) }));
    await writeFile(join(parts, 'b.yaml'), JSON.stringify({ tables: Object.fromEntries([first!]) }));
    await writeFile(join(parts, 'manifest.schema.json'), '{ "not": "a manifest" }');
    const loaded = [
      yaml,
      await loadManifest(await write('reversed.json', JSON.stringify(Object.fromEntries(entries.toReversed())))),
      await loadManifest(await write('module.mjs', `export default ${JSON.stringify(plain)}`)),
      await loadManifest(parts),
    ];
    expect(yaml.hash).toMatch(/^[0-9a-f]{64}$/);
    for (const it of loaded) {
      expect(it.problems.filter((problem) => problem.severity === 'error')).toEqual([]);
      expect(it.hash).toBe(yaml.hash);
    }
  });

  test('any change of a rule changes the hash, and secrets have no part in it', () => {
    const small = parseManifestText(SMALL);
    expect(parseManifestText(SMALL.replace('P13M', 'P12M')).hash).not.toBe(small.hash);
    expect(manifestHash(small.manifest!)).toBe(small.hash);
    expect(small.manifest?.stores['shop']?.url).toBe('${DATABASE_URL}');
  });

  test('an edited module is loaded anew', async () => {
    const file = await write('edited.mjs', `export default { organisation: 'One', stores: { a: { url: 'x' } } }`);
    expect((await loadManifest(file)).manifest?.organisation).toBe('One');
    await write('edited.mjs', `export default { organisation: 'Other', stores: { a: { url: 'x' } } }`);
    await utimes(file, new Date(), new Date(Date.now() + 5000));
    expect((await loadManifest(file)).manifest?.organisation).toBe('Other');
  });
});

describe('problems', () => {
  test('all at once, each with its place and what to write instead', () => {
    const loaded = parseManifestText(`organisation: Acme
timezone: Europe/Berln
mode: observ
stores:
  shop: { url: "\${DATABASE_URL}" }
purposes:
  analytics: { basis: consnt }
tables:
  shop.public.event:
    purposes: [analytcs]
    retenton: { keep: P90D }
  shp.public.page:
    retention: { keep: 13 months, after: [x] }
  order:
    retention: { keep: P3Y, after: x }
  shop.public.visit:
    retention: { after: x, then: delte, between: 1-2 }
    columns:
      a: { category: x, idenifying: true }
schedules: { purge: { cron: "* * *", run: retntion } }
purge: { lanes: 0, batch: 3 }
`);
    expect(loaded.manifest).toBeNull();
    expect(loaded.hash).toBeNull();
    expect(told(loaded)).toEqual([
      '2:11 P011 "Europe/Berln" is not a time zone → write Europe/Berlin',
      '3:7 P006 `mode` cannot be "observ" → write `observe`',
      '7:23 P006 `basis` cannot be "consnt" → write `consent`',
      '10:16 P013 there is no purpose `analytcs` → write `analytics`',
      '11:5 P004 unknown key `retenton` → write `retention`',
      '12:3 P012 there is no store `shp` → write `shop.public.page`',
      '13:24 P007 "13 months" is not a duration → write P13M',
      '13:35 P006 `after` is a list → write a text or a map of keys',
      '14:3 P008 "order" is not a table id → write store.schema.table, such as store.public.order',
      '17:5 P005 `keep` is missing → write a text, such as P90D, P13M, P2Y',
      '17:34 P006 `then` cannot be "delte" → write `delete`',
      '17:50 P009 "1-2" is not a daily window → write "HH:MM-HH:MM", such as "01:00-05:00"',
      '19:25 P004 unknown key `idenifying` → write `identifying`',
      '20:29 P010 "* * *" is not a cron expression: it has 3 fields instead of five → write five fields, such as "15 1 * * *"',
      '20:43 P006 `run` cannot be "retntion" → write `retention`',
      '21:17 P006 `lanes` is too small or empty → at least 1',
      '21:27 P005 `batch` is a number → write a text, such as 200ms, 30s, 10m, PT10M',
    ]);
    // What is not wrong is left to look at further.
    expect(Object.keys(loaded.remainder?.tables ?? {})).toEqual(['shop.public.event', 'shp.public.page', 'shop.public.visit']);
  });

  test.each([
    ['a second home', 'stores: { a: { url: x, home: true }, b: { url: y, home: true } }', 'P015'],
    ['no home among two', 'stores: { a: { url: x }, b: { url: y } }', 'P015'],
    ['no store', 'stores: {}', 'P015'],
    ['declared and ignored', 'stores: { a: { url: x } }\ntables: { a.b.c: {} }\nignore: { a.b.c: why }', 'P016'],
    ['ignored without a reason', 'stores: { a: { url: x } }\nignore: { a.b.c: "" }', 'P006'],
    [
      'a reference twice',
      'stores: { a: { url: x } }\nreferences: [{ from: a.b.c.d, to: a.b.e.f }, { to: a.b.e.f, from: a.b.c.d }]',
      'P017',
    ],
    ['an unknown subject', 'stores: { a: { url: x } }\nreferences: [{ from: a.b.c.d, to: person }]', 'P014'],
    [
      'an unknown identity',
      'stores: { a: { url: x } }\nsubjects: { p: { table: a.b.p, key: id } }\nreferences: [{ from: a.b.c.d, to: p.mail }]',
      'P014',
    ],
    ['a password', 'stores: { a: { url: "postgres://me:secret@host/db" } }', 'P019'],
    [
      'a child elsewhere',
      'stores: { a: { url: x, home: true }, b: { url: y } }\ntables: { a.b.c: { retention: { keep: P1D, after: t, children: { b.c.d: delete } } } }',
      'P020',
    ],
    [
      'into itself',
      'stores: { a: { url: x } }\ntables: { a.b.c: { retention: { keep: P1D, after: t, then: { aggregate_into: a.b.c, by: { d: d }, measures: { n: count } } } } }',
      'P021',
    ],
    [
      'an aggregate without groups',
      'stores: { a: { url: x } }\ntables: { a.b.c: { retention: { keep: P1D, after: t, then: { aggregate_into: a.b.d } } } }',
      'P005',
    ],
    [
      'a floor that outlasts',
      'stores: { a: { url: x } }\ntables: { a.b.c: { floor: { keep: P8Y, after: t, rule: r }, retention: { keep: P1Y, after: t } } }',
      'P018',
    ],
    [
      'kept without a reason',
      'stores: { a: { url: x } }\ntables: { a.b.c: { columns: { d: { category: contact, on_erase: keep }, e: { category: contact, on_erase: keep, because: it is public }, f: { category: other, on_erase: keep } } } }',
      'P030',
    ],
    [
      'an identity kept without a reason',
      'stores: { a: { url: x } }\nsubjects: { p: { table: a.b.c, key: id, identities: { mail: m } } }\ntables: { a.b.c: { columns: { id: key, m: { category: other, on_erase: keep } } } }',
      'P030',
    ],
    ['a batch of a minute', 'stores: { a: { url: x } }\npurge: { batch: PT1M }', 'P006'],
    ['a negative duration', 'stores: { a: { url: x } }\nown: { requests: -P1Y }', 'P007'],
    ['a duration beyond all calendars', 'stores: { a: { url: x } }\nown: { requests: P201Y }', 'P007'],
    ['an end for runs, which nothing deletes', 'stores: { a: { url: x } }\nown: { runs: P1Y }', 'P035'],
    [
      'roles of a floor, which nothing asks for',
      'stores: { a: { url: x } }\ntables: { a.b.c: { floor: { keep: P8Y, after: d, rule: r, restrict: { roles: [finance] } } } }',
      'P035',
    ],
    [
      'an erasure of what expires, which nothing does',
      'stores: { a: { url: x } }\npurposes: { p: { basis: consent, expires: P1Y, on_expiry: erase } }',
      'P006',
    ],
    ['an empty file', '', 'P005'],
    ['a key twice', 'stores: { a: { url: x } }\ntables: { a.b.c: {}, a.b.c: {} }', 'P003'],
    ['no YAML', 'stores: { a: { url: x }', 'P002'],
  ])('%s', (_, text, code) => {
    const loaded = parseManifestText(text.startsWith('stores') ? `organisation: O\n${text}` : text);
    expect(loaded.problems.map((it) => it.code)).toContain(code);
    expect(loaded.problems.every((it) => it.place !== null && it.place.line > 0 && it.place.column > 0)).toBe(true);
  });

  test('a folder names the file, and what two files define is said with both places', async () => {
    const parts = await mkdtemp(join(folder, 'two-'));
    await writeFile(join(parts, 'a.yaml'), SMALL);
    await writeFile(
      join(parts, 'b.yaml'),
      'organisation: Other\nignore: { shop.public.x: why }\ntables:\n  shop.public.page_view: {}\n  shop.public.y: { retention: { keep: 1y, after: t } }\n',
    );
    const loaded = await loadManifest(parts);
    expect(told(loaded)).toEqual([
      `1:1 P003 \`organisation\` is already defined in ${join(parts, 'a.yaml')}:1 → keep one of them`,
      `4:3 P003 \`tables.shop.public.page_view\` is already defined in ${join(parts, 'a.yaml')}:4 → keep one of them`,
      '5:39 P007 "1y" is not a duration → write P1Y',
    ]);
    expect(loaded.problems.every((it) => it.place?.file === join(parts, 'b.yaml'))).toBe(true);
  });

  test('what cannot be read says so', async () => {
    expect((await loadManifest(join(folder, 'none.yaml'))).problems[0]?.code).toBe('P001');
    expect((await loadManifest(await write('none.mjs', 'export const manifest = 1'))).problems[0]?.code).toBe('P001');
    expect((await loadManifest(await write('broken.mjs', 'export default {'))).problems[0]?.code).toBe('P001');
    expect((await loadManifest(await write('notes.txt', ''))).problems[0]?.code).toBe('P001');
  });
});

test('places: a scalar by itself, a block by its key, what is missing by what should hold it', () => {
  const { source } = parseManifestText(SMALL, 'm.yaml');
  const at = (...path: (string | number)[]): string => {
    const place = source.place(path);
    return `${place?.file}:${place?.line}:${place?.column}`;
  };
  expect(at('organisation')).toBe('m.yaml:1:15');
  expect(at('tables', 'shop.public.page_view', 'retention')).toBe('m.yaml:5:5');
  expect(at('tables', 'shop.public.page_view', 'retention', 'after')).toBe('m.yaml:5:37');
  expect(at('tables', 'shop.public.page_view', 'retention', 'after', '@key')).toBe('m.yaml:5:30');
  expect(at('tables', 'shop.public.page_view', 'floor', 'keep')).toBe('m.yaml:4:3');
});

test('secrets come from the environment, and a missing one is named', () => {
  expect(resolveSecrets('postgres://${USER_}:${PASSWORD}@h', { USER_: 'u', PASSWORD: 'p$1' })).toBe('postgres://u:p$1@h');
  expect(() => resolveSecrets('${DATABASE_URL}', { DATABASE_URL: '' })).toThrow(/DATABASE_URL/);
});
