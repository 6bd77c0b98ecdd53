import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyTextIn, keyTextOfParts } from '../../database/subject-key.ts';
import { openStore, type Store } from '../../database/store.ts';
import { keyParts, keyText } from '../../domain/subject-key.ts';
import { freshDatabase } from '../support/databases.ts';

let store: Store;
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  const database = await freshDatabase();
  store = openStore({ name: 'keys', url: database.url });
  ends.push(
    () => store.close(),
    () => database.drop(),
  );
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`create table person (a text, b text)`);
  await client.end();
});
afterAll(async () => {
  for (const end of ends) await end();
});

/** Everything that JSON escapes, and some that it does not. */
const CHARACTERS = [
  ...Array.from({ length: 0x7f }, (_, index) => String.fromCharCode(index + 1)),
  '\u007f',
  '\u0085',
  '\u2028',
  '\u2029',
  '\ufeff',
  'ä',
  '😀',
  '\\u0041',
  '["a", "b"]',
  '',
];

test('a key is spelled in SQL as it is here, whatever its columns hold, and read back', async () => {
  const keys = CHARACTERS.flatMap((one) => [
    [one, 'x'],
    ['x', `${one}, ${one}`],
  ]);
  await sql`truncate person`.execute(store.db);
  await sql`insert into person select * from unnest(${keys.map(([a]) => a!)}::text[], ${keys.map(([, b]) => b!)}::text[])`.execute(
    store.db,
  );
  const { rows } = await sql<{ a: string; b: string; columns: string; parts: string; only: string; one: string }>`
    select s.a, s.b, ${keyTextIn('s', ['a', 'b'])} as columns, ${keyTextOfParts(sql`array[s.a, s.b]`)} as parts,
      ${keyTextIn('s', ['a'])} as only, ${keyTextOfParts(sql`array[s.a]`)} as one from person s`.execute(store.db);
  expect(rows).toHaveLength(keys.length);
  for (const { a, b, columns, parts, only, one } of rows) {
    expect([columns, parts]).toEqual([keyText([a, b]), keyText([a, b])]);
    expect([only, one]).toEqual([a, a]);
    expect([keyParts(columns, 2), keyParts(only, 1)]).toEqual([[a, b], [a]]);
  }
});

test('a text that is no key of so many columns is refused, and not quoted', () => {
  for (const text of ['canary', '["canary"]', '["canary", 1]', '{"canary": 1}']) expect(() => keyParts(text, 2)).toThrow(/^(?!.*canary)/);
});
