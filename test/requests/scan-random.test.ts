import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCatalog } from '../../database/catalog.ts';
import { expectedRows, type ExpectedRows } from '../../database/requests/expected-rows.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import type { ErasureScope } from '../../domain/requests/model.ts';
import type { ErasurePlan } from '../../domain/requests/plan.ts';
import { scanStore, search, type ScanStore } from './scan-support.ts';

/** The same numbers for the same seed: a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Person {
  readonly email: string;
  readonly phone: string;
  readonly uid: string;
  readonly key: string;
}

// Neighbours differ in one letter or digit, so that each is the look-alike of another.
const PEOPLE = Array.from({ length: 60 }, (_, n): Person => ({
  email: `user.${n}${n % 3 === 0 ? 'x' : ''}@${n % 2 === 0 ? 'mail' : 'post'}.example`,
  phone: `+49 ${n % 2 === 0 ? 170 : 171} 55${String(10_000 + n)}`,
  uid: `${String(n).padStart(8, '0')}-aaaa-4bbb-8ccc-${n % 2 === 0 ? '0' : 'f'}${String(n >> 1).padStart(11, '1')}`,
  // Too short for texts, but for what stands before it.
  key: String(n + 3),
}));

/** How an identity may be written: what the naive search knows, one by one. */
const SHAPES: Readonly<Record<keyof Person, (value: string) => string[]>> = {
  email: (it) => {
    const [local = '', domain = ''] = it.split('@');
    return [
      it,
      it.toUpperCase(),
      it.replace('@', '%40'),
      it.replace('@', '%2540'),
      it.replace('@', '\\u0040'),
      `${local}+tag.1@${domain}`,
      `${local}%2Bnews%40${domain}`,
    ];
  },
  phone: (it) => {
    const digits = it.replaceAll(' ', '').slice(1);
    const national = digits.slice(2);
    const [area, rest] = [national.slice(0, 3), national.slice(3)];
    return [
      it, `+${digits}`, `00${digits}`, digits, `0${national}`, national, `0${area}/${rest}`, `(0${area}) ${rest}`, `+49 (0)${area} ${rest}`,
      `+49-${area}-${rest.slice(0, 3)}-${rest.slice(3)}`, `%2B49%20${area}%20${rest}`, `0${area}.${rest.slice(0, 3)}.${rest.slice(3, 5)}.${rest.slice(5)}`,
    ]; // prettier-ignore
  },
  uid: (it) => [it, it.toUpperCase(), it.replaceAll('-', ''), `{${it}}`],
  key: (it) => [
    `customer_id=${it}`, `"customer_id": ${it}`, `CustomerId:${it}`, `customer #${it}`, `Customer no. ${it}`, `cust. no. ${it}`, `customer%3D${it}`, `customers/${it}`, `"customer_ids": [99, ${it}]`,
  ], // prettier-ignore
};
const COLUMNS = ['a', 'b', 'c', 'd'] as const;
const KINDS = ['email', 'phone', 'uid', 'key'] as const;
const NOISE = ['hello', 'Straße', 'user.1', '@home', '2026-11-23', '19:44:05', '12', 'user.1@mail', 'x@user.1.example', '+49 172 5510001', '%zz', 'C:\\new', '100%', 'a+b', '&amp;', '{"a":1}', '030 99', '7']; // prettier-ignore
const BETWEEN = ['; ', ', ', '\n', '" "', ' | ', '=', ' <', '> '];

/** Every way to write every identity, looked for by the plainest means: it stands there with nothing of a word or number at its sides. */
function naive(text: string, person: Person): string[] {
  const bounded = (shape: string): boolean => {
    for (let at = text.indexOf(shape); at >= 0; at = text.indexOf(shape, at + 1))
      if (!/[\p{L}\p{N}.+-]/u.test(text[at - 1] ?? ' ') && !/[\p{L}\p{N}.-]/u.test(text[at + shape.length] ?? ' ')) return true;
    return false;
  };
  return KINDS.filter((kind) => SHAPES[kind](person[kind]).some(bounded));
}

let world: ScanStore;
beforeAll(async () => {
  world = await scanStore(
    `create table customer (customer_id bigint primary key, email text, phone text, uid uuid);
     create table line (line_id bigint primary key, a text, b varchar, c jsonb, d text[])`,
    {
      purposes: { service: { basis: 'contract', while: 'a customer', description: 'Deliver' } },
      subjects: {
        customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email', phone: 'phone', uid: 'uid' } },
      },
      tables: { 'shop.public.customer': { purposes: ['service'] }, 'shop.public.line': { purposes: ['service'] } },
    },
  );
});
afterAll(async () => world.close());

test.each([
  ['one person', 1, 7, false],
  ['as many as are looked for one by one', 2, 11, false],
  ['sixty people, by tokens', 60, 13, false],
  // Nothing else in the row leads to it.
  ['few people, one to a row', 2, 17, true],
  ['sixty people, one to a row', 60, 19, true],
])('agrees with a naive search for %s', async (_, count, seed, sparse) => {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
  const fragment = (): string => {
    if (next(3) > 0) return pick(NOISE);
    const kind = pick(KINDS);
    return pick(SHAPES[kind](pick(next(2) === 0 ? PEOPLE.slice(0, 2) : PEOPLE)[kind]));
  };
  const joined = (list: readonly string[]): string => list.reduce((all, it) => `${all}${pick(BETWEEN)}${it}`);
  const text = (): string => joined(Array.from({ length: 1 + next(6) }, fragment));
  const one = (): string => {
    const kind = pick(KINDS);
    return joined([pick(NOISE), pick(SHAPES[kind](pick(people)[kind])), ...(next(2) === 0 ? [pick(NOISE)] : [])]);
  };
  const people = PEOPLE.slice(0, count);
  const rows = Array.from({ length: 600 }, (_, id) => {
    const only = sparse ? pick(COLUMNS) : null;
    const [a, b, c, d] = COLUMNS.map((column) => (only === null ? text() : only === column ? one() : ''));
    return { id, a: a!, b: b!, c: c!, d: d! };
  });
  await world.query('truncate line');
  await world.query(
    `insert into line select (r ->> 'id')::bigint, r ->> 'a', r ->> 'b', jsonb_build_object('deep', jsonb_build_array(1, r ->> 'c')), array['x', r ->> 'd'] from jsonb_array_elements($1::jsonb) r`,
    [JSON.stringify(rows)],
  );
  await search(world, `run-${seed}`, people.map(({ email, phone, uid, key }) => [['email', email], ['phone', phone], ['uid', uid], ['key', key]])); // prettier-ignore
  const found = await world.query('select location, column_name, identity, person from probity.run_hit where run_id = $1', [`run-${seed}`]);
  const actual = found.rows
    .map((row) => `${String(row['location'])} ${String(row['column_name'])} ${String(row['identity'])} ${String(row['person'])}`)
    .toSorted();
  const wanted = rows.flatMap((row) =>
    COLUMNS.flatMap((column) =>
      people.flatMap((person, n) => naive(row[column], person).map((identity) => `["${row.id}"] ${column} ${identity} ${n}`)),
    ),
  );
  expect(wanted.length).toBeGreaterThan(200);
  const show = (list: string[]): string[] =>
    list.map((it) => `${it}: ${rows[Number(/\d+/.exec(it)![0])]![it.split(' ')[1] as (typeof COLUMNS)[number]]}`);
  expect({ missed: show(wanted.filter((it) => !actual.includes(it))), extra: show(actual.filter((it) => !wanted.includes(it))) }).toEqual({
    missed: [],
    extra: [],
  });
});

/**
 * People whom a plan leaves rows, with the texts of others in them. Class 0 has an account that goes on; class 1 has nothing but invoices that the law
 * keeps. In rows of their own they are kept, everywhere else found; so it does not matter with whom they are searched for.
 */
describe('in a batch each person is searched for as if alone', () => {
  const scopes: readonly ErasureScope[] = [
    { ended: null, remaining: [{ purpose: 'account', basis: 'contract', article: 'Art. 6(1)(b)' }] },
    { ended: null, remaining: [] },
  ];
  const classOf = (person: number): number => (person % 3 === 2 ? 1 : 0);
  let kept: ScanStore;
  let expected: (run: string) => Promise<ExpectedRows[]>;
  beforeAll(async () => {
    kept = await scanStore(
      `create table customer (customer_id bigint primary key, email text, phone text, uid uuid, about text);
       create table post (post_id bigint primary key, customer_id bigint not null references customer, a text, b text);
       create table reply (reply_id bigint, post_id bigint not null references post, a text, d text[]);
       create table invoice (invoice_id bigint primary key, email text, issued_at timestamptz, address text, clerk text);
       create table granting (granting_id bigint primary key, customer_id bigint not null references customer, granted_by bigint not null references customer, a text);
       create table feed (feed_id bigint primary key, data jsonb, a text);
       create table memo (memo_id bigint primary key, a text)`,
      {
        purposes: {
          account: { basis: 'contract', while: 'a customer', description: 'The account' },
          books: { basis: 'legal_obligation', roles: ['finance'], while: 'books are kept', description: 'Books' },
        },
        subjects: {
          customer: { table: 'shop.public.customer', key: 'customer_id', identities: { email: 'email', phone: 'phone', uid: 'uid' } },
        },
        tables: {
          'shop.public.customer': { purposes: ['account'] },
          'shop.public.post': { purposes: ['account'] },
          'shop.public.reply': { purposes: ['account'] },
          'shop.public.feed': { purposes: ['account'], json: [{ column: 'data', path: '$.by', refers: 'customer.email' }] },
          'shop.public.memo': { purposes: ['account'] },
          'shop.public.granting': { purposes: ['account'] },
          'shop.public.invoice': {
            purposes: ['books'],
            floor: { keep: 'P8Y', after: 'issued_at', from: 'end_of_year', rule: 'de-hgb-257' },
          },
        },
        references: [
          { from: 'shop.public.invoice.email', to: 'customer.email', as: 'owner' },
          { from: 'shop.public.invoice.clerk', to: 'customer.email', as: 'mention' },
          { from: 'shop.public.granting.customer_id', to: 'customer', as: 'owner' },
          { from: 'shop.public.granting.granted_by', to: 'customer', as: 'mention' },
        ],
      },
    );
    const catalog = await readCatalog(kept.store);
    const stores = scopes.map((scope, of) => ({ class: of, erasure: planErasure('customer', scope, catalog, kept.manifest) }));
    expected = (run) => {
      const plan = { run, classes: scopes.map((scope) => ({ scope })) } as unknown as ErasurePlan;
      return Promise.resolve(stores.flatMap((it) => expectedRows(it as never, plan, catalog, kept.manifest, new Date())));
    };
  });
  afterAll(async () => kept.close());

  test.each([
    ['two', 2, 23],
    ['nine', 9, 29],
  ])('%s people', async (_, count, seed) => {
    const next = random(seed);
    const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
    const people = PEOPLE.slice(0, count);
    const numbers = people.map((_person, at) => at);
    const account = numbers.filter((it) => classOf(it) === 0);
    /** What the row says of whom, by column: at most one of each. */
    const text = (): { text: string; of: [number, string][] } => {
      const of = Array.from({ length: next(3) }, (): [number, string] => [pick(numbers), pick(['email', 'phone', 'uid'])]);
      return { text: ['hello', ...of.map(([it, kind]) => people[it]![kind as keyof Person])].join('; '), of };
    };
    interface Made {
      readonly table: string;
      readonly owner: number | null;
      readonly columns: Readonly<Record<string, ReturnType<typeof text>>>;
    }
    const made: Made[] = [];
    for (const table of ['memo', 'feed', 'invoice', 'granting', 'reply', 'post', 'customer']) await kept.query(`truncate ${table} cascade`);
    for (const it of account) {
      const about = text();
      const { email, phone, uid } = people[it]!;
      await kept.query(`insert into customer values ($1, $2, $3, $4, $5)`, [it, email, phone, uid, about.text]);
      made.push({ table: 'customer', owner: it, columns: { about } });
    }
    for (let id = 1; id <= 60; id++) {
      const [a, b, owner, payer] = [text(), text(), pick(account), pick(numbers)];
      await kept.query('insert into post values ($1, $2, $3, $4)', [id, owner, a.text, b.text]);
      made.push({ table: 'post', owner, columns: { a, b } });
      const [c, d] = [text(), text()];
      await kept.query('insert into reply values ($1, $1, $2, array[$3])', [id, c.text, d.text]);
      made.push({ table: 'reply', owner, columns: { a: c, d } });
      const address = text();
      // The law keeps who wrote it as well: that reference, and nothing else of the row, is the clerk's.
      const clerk = pick(numbers);
      await kept.query(`insert into invoice values ($1, upper($2), now(), $3, $4)`, [id, people[payer]!.email, address.text, people[clerk]!.email]); // prettier-ignore
      made.push({ table: 'invoice', owner: payer, columns: { address } });
      made.push({ table: 'invoice', owner: clerk, columns: { clerk: { text: '', of: [[clerk, 'email']] } } });
      const [granter, g] = [pick(account), text()];
      await kept.query('insert into granting values ($1, $2, $3, $4)', [id, owner, granter, g.text]);
      made.push({ table: 'granting', owner, columns: { a: g } });
      const [data, e] = [text(), text()];
      await kept.query(`insert into feed values ($1, jsonb_build_object('by', $2::text, 'text', $3::text), $4)`, [id, people[owner]!.email, data.text, e.text]); // prettier-ignore
      made.push({ table: 'feed', owner, columns: { data, a: e } });
      const f = text();
      await kept.query('insert into memo values ($1, $2)', [id, f.text]);
      made.push({ table: 'memo', owner: null, columns: { a: f } });
    }
    /** `table column identity person kept rows`, without the columns that say whose a row is. */
    const found = async (run: string, of: (person: number) => number): Promise<Record<string, number>> => {
      const { rows } = await kept.query(
        `select replace(table_name, 'public.', '') || ' ' || column_name || ' ' || identity as what, person, expected, count(*)::int as rows
         from probity.run_hit where run_id = $1 and identity <> 'key' and (table_name <> 'public.customer' or column_name = 'about')
           and (table_name, column_name) <> ('public.invoice', 'email')
         group by 1, 2, 3`,
        [run],
      );
      return Object.fromEntries(
        rows.map((row) => [`${String(row['what'])} ${of(Number(row['person']))} ${row['expected'] === true ? 'kept' : 'found'}`, Number(row['rows'])]),
      ); // prettier-ignore
    };
    const identities = ({ email, phone, uid }: Person, key: number) => [['email', email], ['phone', phone], ['uid', uid], ['key', String(key)]]; // prettier-ignore
    const batch = `batch-${seed}`;
    await search(kept, batch, people.map((it, at) => identities(it, at)), { expected: await expected(batch) }, classOf); // prettier-ignore
    const singles: Record<string, number> = {};
    for (const it of numbers) {
      const run = `alone-${seed}-${it}`;
      await search(kept, run, [identities(people[it]!, it)], { expected: await expected(run) }, () => classOf(it));
      Object.assign(singles, await found(run, () => it));
    }
    const wanted: Record<string, number> = {};
    for (const { table, owner, columns } of made)
      for (const [column, { of }] of Object.entries(columns)) {
        // A document that names its owner where the manifest says so does it in whichever text.
        const named: [number, string][] = table === 'feed' && column === 'data' ? [...of, [owner!, 'email']] : of;
        const theirs = table === 'feed' && column !== 'data' ? null : owner;
        for (const [it, kind] of new Map(named.map((each) => [each.join(' '), each])).values()) {
          const name = `${table} ${column} ${kind} ${it} ${theirs === it ? 'kept' : 'found'}`;
          wanted[name] = (wanted[name] ?? 0) + 1;
        }
      }
    const together = await found(batch, (person) => person);
    expect(Object.keys(wanted).filter((it) => it.endsWith('kept')).length).toBeGreaterThan(4);
    expect(together).toEqual(wanted);
    expect(singles).toEqual(wanted);
    const keys = await kept.query(`select distinct table_name, column_name from probity.run_hit where identity = 'key' and not expected`);
    expect(keys.rows).toEqual([]);
  });
});
