import { afterAll, beforeAll, expect, test } from 'vitest';
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
      people.flatMap((person, n) => naive(row[column], person).map((identity) => `["${row.id}"] ${column} ${identity} ${n + 1}`)),
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
