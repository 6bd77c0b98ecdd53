import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StoreError } from '../../database/errors.ts';
import { openStore, ping } from '../../database/store.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';

const suffix = randomBytes(4).toString('hex');
const [ROLE, MUTE, CROWDED] = [`role_${suffix}`, `mute_${suffix}`, `crowded_${suffix}`];
const PASSWORD = 's3cret-word';
let database: FreshDatabase;
let admin: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query(`create role ${ROLE} login password '${PASSWORD}'`);
  await admin.query(`create role ${MUTE} nologin password '${PASSWORD}'`);
  await admin.query(`create role ${CROWDED} login connection limit 0 password '${PASSWORD}'`);
  await admin.query(`revoke connect on database ${database.name} from public; grant connect on database ${database.name} to ${CROWDED}`);
});
afterAll(async () => {
  await admin.query(`drop owned by ${CROWDED}`);
  for (const role of [ROLE, MUTE, CROWDED]) await admin.query(`drop role ${role}`);
  await admin.end();
  await database.drop();
});

/** What a change of the address leads to, but for the server's own address. */
async function told(change: (url: URL) => void): Promise<{ readonly code: string; readonly message: string; readonly retryable: boolean }> {
  const url = new URL(database.url);
  [url.username, url.password] = [ROLE, PASSWORD];
  change(url);
  const store = openStore({ name: 'shop', url: url.href });
  try {
    const error = await ping(store).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(StoreError);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(PASSWORD);
    const { code, message, retryable } = error as StoreError;
    return { code, message: message.replace(new URL(database.url).host, 'HERE'), retryable };
  } finally {
    await store.close();
  }
}

test.each<[string, (url: URL) => void, string, boolean, string]>([
  [
    'a wrong password',
    (url) => (url.password = 'other'),
    '28P01',
    false,
    `the server at HERE refuses the password of role ${ROLE}, or does not know the role`,
  ],
  [
    'no password',
    (url) => (url.password = ''),
    '08001',
    false,
    `the server at HERE wants a password for role ${ROLE}, and the url has none`,
  ],
  ['a role without LOGIN', (url) => (url.username = MUTE), '28000', false, `does not let role ${MUTE} log in`],
  ['a missing database', (url) => (url.pathname = '/nowhere'), '3D000', false, 'the server at HERE has no database nowhere'],
  ['no right to connect', () => undefined, '42501', false, `role ${ROLE} may not connect to database`],
  [
    'too many connections',
    (url) => (url.username = CROWDED),
    '53300',
    true,
    `the server at HERE has no connection left for role ${CROWDED}`,
  ],
  ['a closed port', (url) => (url.host = '127.0.0.1:1'), '08001', true, 'nobody listens at 127.0.0.1:1'],
  ['a host of several addresses', (url) => (url.host = 'localhost:1'), '08001', true, 'nobody listens at localhost:1'],
  ['an unknown host', (url) => (url.host = 'nowhere.invalid:5432'), '08001', true, 'no host has the name in nowhere.invalid:5432'],
  [
    'TLS where there is none',
    (url) => (url.search = '?sslmode=require'),
    '08001',
    false,
    'the server at HERE has no TLS, which sslmode in the url asks for',
  ],
])('%s is said, without the password', async (_name, change, code, retryable, sentence) => {
  const error = await told(change);
  expect(error).toMatchObject({ code, retryable });
  expect(error.message).toContain(sentence);
});
