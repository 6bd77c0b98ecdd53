import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readLines } from '../../client/consent/lines.ts';
import { bareEnvironment } from '../cli/support.ts';
import { consentShop, type ConsentShop } from './support.ts';

let shop: ConsentShop;
beforeAll(async () => void (shop = await consentShop()));
afterAll(() => (shop as ConsentShop | undefined)?.close());
beforeEach(async () => {
  await shop.query(
    `set session_replication_role = replica; delete from probity.consent_content; delete from probity.consent_record; delete from probity.consent_link;
     delete from probity.permission_span; delete from probity.outbox; delete from probity.request; set session_replication_role = origin`,
  );
});

const HEADER = 'key,email,purpose,channel,decision,captured_at,touchpoint,notice\n';
const records = () =>
  shop.query<{
    subject: string;
    key: string;
    purpose: string;
    channel: string | null;
    decision: string;
    captured_at: string;
    touchpoint: string;
    notice: string | null;
    door: string;
  }>(
    `select l.subject, l.key, c.purpose, c.channel, c.decision, probity.iso(c.captured_at) as captured_at, c.touchpoint, c.notice, c.door
     from probity.consent_content c join probity.consent_link l using (ref) order by c.captured_at, l.key`,
  );
const total = async (): Promise<number> => (await shop.query<{ n: number }>('select count(*)::int as n from probity.consent_record'))[0]!.n;

test('CSV as spreadsheets write it: byte order mark, CRLF, quotes, line breaks in a field', async () => {
  const file = shop.file(
    'plain.csv',
    `\uFEFF${HEADER.replace('\n', '\r\n')}1,,newsletter,email,granted,2026-01-02T03:04:05.123456Z,onboarding,"a ""b"", c"\r\n\r\n2,,newsletter,,withdrawn,2026-01-02 03:04+02:00,"line\r\nbreak",\r\n`,
  );
  const ran = await shop.run(['consent', 'import', file]);
  expect(ran).toMatchObject({ code: 0 });
  expect(ran.out).toContain('2 recorded, 0 were there already');
  expect(await records()).toMatchObject([
    {
      key: '2',
      channel: null,
      decision: 'withdrawn',
      captured_at: '2026-01-02T01:04:00.000000Z',
      touchpoint: 'line\r\nbreak',
      notice: null,
      door: 'import',
    },
    { key: '1', channel: 'email', decision: 'granted', captured_at: '2026-01-02T03:04:05.123456Z', notice: 'a "b", c' },
  ]);
});

test.each([
  ['\\n', '\n'],
  ['\\r\\n', '\r\n'],
  ['\\r', '\r'],
])('CSV whose lines end in several ways, the header in %s', async (_name, first) => {
  const line = (key: number | string, touchpoint = 't') => `${key},,newsletter,email,granted,2026-01-01,${touchpoint},`;
  const text = [
    HEADER.trimEnd(),
    first,
    line(1),
    '\r\n',
    line(2, '"two\nlines"'),
    '\n',
    line('x'),
    '\r',
    line(3),
    '\n\r\n\r',
    line('y'),
    '\r\n',
    line(5, '"three\r\nlines\r\n"'),
    '\r\n',
    '6,to"o,few',
    '\n',
    line(4),
  ];
  // A chunk may end between the two characters of one end.
  for (const pieces of [[text.join('')], [...text.join('')]]) {
    const rejected: [number, string][] = [];
    const { lines } = await readLines(Readable.from(pieces.map((it) => Buffer.from(it))), 'csv');
    const keys: (string | null | undefined)[] = [];
    for await (const it of lines) {
      if ('reason' in it) rejected.push([it.line, it.reason]);
      else keys.push(`${it.line} ${it.fields['key'] ?? ''} ${it.raw.length}`);
      if ('fields' in it) expect(it.fields['notice']).toBe(null);
    }
    expect(rejected).toEqual([[13, 'a quotation mark stands where none may be']]);
    const [one, two, three] = [line(1).length, line(2, '"two\nlines"').length, line(5, '"three\r\nlines\r\n"').length];
    expect(keys).toEqual([`2 1 ${one}`, `3 2 ${two}`, `5 x ${one}`, `6 3 ${one}`, `9 y ${one}`, `10 5 ${three}`, `14 4 ${one}`]);
  }
  const ran = await shop.run(['consent', 'import', shop.file('ends.csv', text.join(''))]);
  expect(ran).toMatchObject({ code: 1, out: expect.stringContaining('5 recorded') as string });
  expect(ran.err).toContain('line 5: key is not a whole number');
  expect(ran.err).toContain('line 9: key is not a whole number');
});

test('the same file again changes nothing, also as JSON lines, also after an interruption', async () => {
  const lines = Array.from({ length: 300 }, (_, i) => ({
    key: i + 1,
    purpose: 'newsletter',
    decision: i % 3 === 0 ? 'withdrawn' : 'granted',
    captured_at: '2026-03-01T00:00:00Z',
    touchpoint: 't',
  }));
  const csv = shop.file(
    'again.csv',
    `key,purpose,decision,captured_at,touchpoint\n${lines.map((it) => Object.values(it).join(',')).join('\n')}\n`,
  );
  const half = shop.file(
    'half.csv',
    `key,purpose,decision,captured_at,touchpoint\n${lines
      .slice(0, 150)
      .map((it) => Object.values(it).join(','))
      .join('\n')}\n`,
  );
  await shop.run(['consent', 'import', half]);
  expect((await shop.run(['consent', 'import', csv])).out).toContain('150 recorded, 150 were there already');
  const before = await shop.query('select * from probity.permission_span order by key');
  expect((await shop.run(['consent', 'import', csv])).out).toContain('0 recorded, 300 were there already');
  const again = await shop.run(['consent', 'import', '-', '--format', 'jsonl'], lines.map((it) => JSON.stringify(it)).join('\n'));
  expect(again.out).toContain('0 recorded, 300 were there already');
  expect(await total()).toBe(300);
  expect(await shop.query('select * from probity.permission_span order by key')).toEqual(before);
});

const WITH_ID = 'id,key,purpose,decision,captured_at,notice\n';
const allowed = async (...keys: number[]): Promise<boolean[]> =>
  (
    await shop.query<{ yes: boolean }>(
      `select coalesce(p.allowed, false) as yes from unnest($1::text[]) with ordinality k (key, n)
       left join lateral (select probity.permission('customer', k.key, 'newsletter', null) as allowed) p on true order by k.n`,
      [keys.map(String)],
    )
  ).map(({ yes }) => yes);

test('an id that stands for another decision rejects the line, and never loses what refuses', async () => {
  const first = shop.file(
    'first.csv',
    `${WITH_ID}a,1,newsletter,granted,2026-01-01,1\nb,2,newsletter,granted,2026-01-01,1\nc,3,newsletter,asked,2026-01-01,1\nd,4,newsletter,withdrawn,2026-01-01,1\n`,
  );
  expect(await shop.run(['consent', 'import', first])).toMatchObject({ code: 0 });
  expect(await allowed(1, 2, 3, 4)).toEqual([true, true, false, false]);
  const updated = shop.file(
    'updated.csv',
    // The same; a withdrawal under the id of a grant; a grant under that of a question; the same withdrawal under another notice; somebody else's id.
    `${WITH_ID}a,1,newsletter,granted,2026-01-01,1\nb,2,newsletter,withdrawn,2026-02-01,1\nc,3,newsletter,granted,2026-01-01,1\nd,4,newsletter,withdrawn,2026-01-01,2\na,5,newsletter,granted,2026-01-01,1\n`,
  );
  const rejects = join(shop.folder, 'reused.csv');
  const ran = await shop.run(['consent', 'import', updated, '--rejects', rejects]);
  expect(ran.code).toBe(1);
  expect(ran.err.trim().split('\n').slice(0, 3).sort()).toEqual([
    'line 3: id stands for another decision of this person already (another decision, captured_at); it refuses something, and was recorded without the id',
    'line 4: id stands for another decision of this person already (another decision)',
    'line 5: id stands for another decision of this person already (another notice)',
  ]);
  expect(ran.out).toContain('2 recorded, 1 were there already');
  expect(ran.out).toContain('1 that refuses something stood under an id of another decision');
  expect(ran.out).toContain('2 rejected');
  expect(readFileSync(rejects, 'utf8').split('\n')).toEqual([
    WITH_ID.trimEnd(),
    'c,3,newsletter,granted,2026-01-01,1',
    'd,4,newsletter,withdrawn,2026-01-01,2',
    '',
  ]);
  expect(await allowed(1, 2, 3, 4, 5)).toEqual([true, false, false, false, true]);
  expect(await shop.query(`select kind from probity.request where record_id is not null order by kind`)).toHaveLength(2);
  // Again: the withdrawal is known by what it says.
  const again = await shop.run(['consent', 'import', updated]);
  expect(again.code).toBe(1);
  expect(again.out).toContain('0 recorded, 3 were there already');
  expect(await total()).toBe(6);
});

test('one id for two decisions within one file, also far from each other', async () => {
  const others = Array.from({ length: 4_500 }, (_, i) => `n${i},${i + 10},newsletter,granted,2026-01-01,1`);
  const file = shop.file(
    'within.csv',
    `${WITH_ID}a,1,newsletter,granted,2026-01-01,1\na,1,newsletter,withdrawn,2026-01-02,1\nb,2,newsletter,granted,2026-01-01,1\nc,3,newsletter,withdrawn,2026-01-01,1\nc,3,newsletter,granted,2026-01-02,1\n${others.join('\n')}\nb,2,newsletter,objected,2026-01-01,1\n`,
  );
  const ran = await shop.run(['consent', 'import', file]);
  expect(ran.code).toBe(1);
  expect(ran.err).toContain('line 3: id stands for another decision');
  expect(ran.err).toContain('line 6: id stands for another decision of this person already (another decision, captured_at)\n');
  expect(ran.err).toContain('line 4,507: id stands for another decision of this person already (another decision); it refuses');
  expect(await allowed(1, 2, 3, 10)).toEqual([false, false, false, true]);
});

test.each(['serializable', 'repeatable read'])('under default_transaction_isolation = %s, of the database or the role', async (level) => {
  const name = new URL(shop.url).pathname.slice(1);
  await shop.query(`alter database "${name}" set default_transaction_isolation = '${level}'`);
  try {
    // Each command opens connections of its own.
    const row = `${HEADER}1,,newsletter,email,granted,2026-01-01,t,\n,person2@example.com,newsletter,email,withdrawn,2026-01-01,t,\n`;
    const ran = await shop.run(['consent', 'import', shop.file(`${level.slice(0, 4)}.csv`, row)]);
    expect(ran.err).not.toContain('isolation');
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining('2 recorded') as string });
    expect(
      await shop.run(['consent', 'record', '--subject', 'customer', '--purpose', 'newsletter', '--decision', 'withdrawn'], '1'),
    ).toMatchObject({ code: 0 });
  } finally {
    await shop.query(`alter database "${name}" reset default_transaction_isolation`);
  }
});

test('every bad line is named by number and reason, never by what it says; good ones are kept', async () => {
  const secret = 'canary';
  const file = shop.file(
    'bad.csv',
    Buffer.concat([
      Buffer.from(
        [
          HEADER.trimEnd(),
          '1,,newsletter,email,granted,2026-01-01T00:00:00Z,t,',
          `2,,${secret},email,granted,2026-01-01T00:00:00Z,t,`,
          `3,,newsletter,${secret},granted,2026-01-01T00:00:00Z,t,`,
          `4,,newsletter,email,${secret},2026-01-01T00:00:00Z,t,`,
          `5,,newsletter,email,granted,${secret},t,`,
          '6,,newsletter,email,granted,2126-01-01T00:00:00Z,t,',
          '7,,newsletter,email,granted,2026-02-30T00:00:00Z,t,',
          `${secret},,newsletter,email,granted,2026-01-01T00:00:00Z,t,`,
          ',,newsletter,email,granted,2026-01-01T00:00:00Z,t,',
          `8,too,few,${secret}`,
          `9,,newsletter,email,granted,2026-01-01T00:00:00Z,${secret}\0,`,
          `10,,newsletter,em"ail${secret},granted,2026-01-01T00:00:00Z,t,`,
          '11,,newsletter,email,granted,,t,',
          '12,,newsletter,,restricted,2026-01-01T00:00:00Z,t,',
          '',
        ].join('\n'),
      ),
      Buffer.from('13,,newsletter,email,granted,2026-01-01T00:00:00Z,'),
      Buffer.from([0xe4, 0xf6, 0xfc]),
      Buffer.from(',\n14,,newsletter,web,granted,2026-01-01T00:00:00Z,"ünïcode",\n'),
    ]),
  );
  const rejects = join(shop.folder, 'rejects.csv');
  const ran = await shop.run(['consent', 'import', file, '--rejects', rejects]);
  expect(ran.code).toBe(1);
  expect(ran.err.trim().split('\n')).toEqual([
    'line 3: purpose is none of the manifest',
    'line 4: channel is none of the purpose',
    'line 5: decision is none that the ledger knows',
    'line 6: captured_at is not a time',
    'line 7: captured_at is in the future',
    'line 8: captured_at is not a time',
    'line 9: key is not a whole number, as its column is',
    'line 10: key and email are missing',
    'line 11: has 4 fields, the header 8',
    'line 12: touchpoint contains a NUL',
    'line 13: a quotation mark stands where none may be',
    'line 14: captured_at is missing',
    'line 15: restricted is of all purposes (*)',
    'line 16: touchpoint is not UTF-8',
    expect.stringContaining('not durable'),
  ]);
  expect(ran.out + ran.err).not.toContain(secret);
  expect((await records()).map(({ key }) => key)).toEqual(['1', '14']);
  expect(statSync(rejects).mode & 0o777).toBe(0o600);
  const written = readFileSync(rejects, 'utf8').split('\n');
  expect(written[0]).toBe(HEADER.trimEnd());
  expect(written).toHaveLength(1 + 14 + 1);
  expect(written[1]).toBe(`2,,${secret},email,granted,2026-01-01T00:00:00Z,t,`);
  expect((await shop.run(['consent', 'import', file, '--rejects', rejects])).code).toBe(2);
});

test('a field of ten megabytes and a quotation mark that nobody closed do not eat memory or the lines before them', async () => {
  const good = '1,,newsletter,email,granted,2026-01-01T00:00:00Z,t,\n';
  const big = shop.file(
    'big.csv',
    `${HEADER}${good}2,,newsletter,email,granted,2026-01-01T00:00:00Z,${'x'.repeat(10_000_000)},\n3,,newsletter,email,granted,2026-01-01T00:00:00Z,t,\n`,
  );
  const ran = await shop.run(['consent', 'import', big]);
  expect(ran.code).toBe(1);
  expect(ran.err).toContain('is longer than');
  const open = shop.file(
    'open.csv',
    `${HEADER}4,,newsletter,email,granted,2026-01-01T00:00:00Z,t,\n5,,newsletter,email,granted,2026-01-01T00:00:00Z,"never closed,\n6,,a,b,c,d,e,\n`,
  );
  expect(await shop.run(['consent', 'import', open])).toMatchObject({
    code: 1,
    err: expect.stringContaining('a quotation mark is not closed') as string,
  });
  const keys = (await records()).map(({ key }) => key);
  expect(keys).toContain('1');
  expect(keys).toContain('4');
  expect(keys).not.toContain('2');
  const long = await shop.run(
    ['consent', 'import', '-', '--format', 'jsonl'],
    `{"key":1,"purpose":"${'y'.repeat(1_000_000)}\n{"key":7,"purpose":"newsletter","decision":"granted","captured_at":"2026-01-01"}`,
  );
  expect(long).toMatchObject({ code: 1, err: expect.stringContaining('line 1: is longer than') as string });
  expect((await records()).map(({ key }) => key)).toContain('7');
});

test('files that are no such files are refused as a whole', async () => {
  const refused = async (content: Buffer | string, ...args: string[]) => {
    const ran = await shop.run(['consent', 'import', shop.file('refused.csv', content), ...args]);
    expect(ran.code).toBe(2);
    return ran.err;
  };
  expect(await refused('')).toContain('The file is empty');
  expect(await refused(Buffer.from(`\uFEFF${HEADER}`, 'utf16le'))).toContain('UTF-16');
  expect(await refused('key,key\n1,2\n')).toContain('names a column twice');
  expect(await refused('purpose,decision,captured_at\n')).toContain('says nobody');
  expect(await refused('key,decision,captured_at\n')).toContain('--map purpose=COLUMN');
  expect(await refused(HEADER, '--map', 'purpos=x')).toContain('did you mean purpose');
  expect(await refused(HEADER, '--zone', 'Mars')).toContain('no time zone');
  expect(await refused(HEADER, '--subject', 'nobody')).toContain('knows no subject');
  expect(await total()).toBe(0);
});

test('columns are mapped, constants fill what is missing, addresses are found or hashed, and times get the zone', async () => {
  const file = shop.file(
    'mapped.csv',
    'mail,topic,when\n Person3@Example.COM ,newsletter,2026-10-25 02:30:00\nnobody@example.com,newsletter,2026-03-29 12:00\n',
  );
  const ran = await shop.run([
    'consent',
    'import',
    file,
    '--map',
    'email=mail',
    'purpose=topic',
    'captured_at=when',
    '--set',
    'decision=granted',
    'channel=email',
  ]);
  expect(ran).toMatchObject({ code: 0 });
  expect(await records()).toMatchObject([
    { subject: 'email', key: createHash('sha256').update('nobody@example.com').digest('hex'), captured_at: '2026-03-29T10:00:00.000000Z' },
    // Of the two half past twos of that night the earlier, in summer time.
    {
      subject: 'customer',
      key: '3',
      captured_at: '2026-10-25T00:30:00.000000Z',
      channel: 'email',
      decision: 'granted',
      touchpoint: 'unknown',
    },
  ]);
  const [answer] = await shop.query<{ yes: boolean }>(`select probity.permission('customer', '3', 'newsletter', 'email') as yes`);
  expect(answer?.yes).toBe(true);
});

test('a tab or the end of a line around an address hides nobody, in the file or in the table, by the index or without', async () => {
  await shop.query(
    `insert into customer values (7001, E'tab@example.com\\t'), (7002, E'END@example.com\\r\\n'), (7003, E'\\tfront@example.com'), (7004, ' blank@example.com '),
       (7005, 'twice@example.com'), (7006, E'twice@example.com\\n')`,
  );
  const file = shop.file(
    'spaces.csv',
    `email,purpose,decision,captured_at\n${['tab', 'end', 'front', 'blank'].map((it) => `${it}@example.com,newsletter,withdrawn,2026-01-01`).join('\n')}\n"person4@example.com\t\n",newsletter,withdrawn,2026-01-01\ntwice@example.com,newsletter,withdrawn,2026-01-01\n`,
  );
  const expected = [['4'], ['7001'], ['7002'], ['7003'], ['7004']];
  const index = await shop.query<{ name: string }>(`select indexname as name from pg_indexes where indexdef like '%lower(email)%'`);
  try {
    const ran = await shop.run(['consent', 'import', file]);
    expect(ran).toMatchObject({ code: 1, err: expect.stringContaining('email belongs to several of customer') as string });
    // The index on lower(email) looks past nothing: a blank on both sides stays hidden.
    expect((await records()).filter(({ subject }) => subject === 'customer').map(({ key }) => [key])).toEqual(expected.slice(0, 4));
    await shop.query(`drop index ${index[0]!.name}`);
    await shop.run(['consent', 'import', file]);
    expect((await records()).filter(({ subject }) => subject === 'customer').map(({ key }) => [key])).toEqual(expected);
    const one = await shop.run(
      ['consent', 'record', '--by', 'email', '--purpose', 'newsletter', '--decision', 'objected'],
      'Tab@example.com\t',
    );
    expect(one.out + one.err).not.toContain('nobody has this address');
  } finally {
    await shop.query(
      `delete from customer where customer_id > 7000; create unique index if not exists ${index[0]!.name} on customer (lower(email))`,
    );
  }
});

test('a dry run judges everything and records nothing', async () => {
  const file = shop.file(
    'dry.csv',
    `${HEADER}1,,newsletter,email,granted,2026-01-01T00:00:00Z,t,\nx,,newsletter,email,granted,2026-01-01T00:00:00Z,t,\n`,
  );
  const ran = await shop.run(['consent', 'import', file, '--dry-run']);
  expect(ran).toMatchObject({ code: 1, out: expect.stringContaining('1 of 2 lines can be taken; nothing was recorded') as string });
  expect(await total()).toBe(0);
});

test('a withdrawal that arrives in the middle of a big import is in force at once, and the import does not undo it', async () => {
  const people = 5_000;
  const rounds = 4;
  const lines = Array.from(
    { length: people * rounds },
    (_, i) => `${(i % people) + 1},,newsletter,email,granted,2026-0${Math.floor(i / people) + 1}-01T00:00:00Z,t,`,
  );
  const file = shop.file('long.csv', `${HEADER}${lines.join('\n')}\n`);
  let over = false;
  const running = shop.run(['consent', 'import', file]).finally(() => (over = true));
  const client = new pg.Client({ connectionString: shop.url });
  await client.connect();
  try {
    const allowed = async (): Promise<boolean | undefined> =>
      (await client.query<{ yes: boolean }>(`select probity.permission('customer', '1', 'newsletter', 'email') as yes`)).rows[0]?.yes;
    while ((await allowed()) !== true) await new Promise((resolve) => setTimeout(resolve, 20));
    await client.query(
      `select * from probity.record_consents(array[row('customer', '1', 'newsletter', null, 'withdrawn', null, 't', null, null, null, null, 'me', 'library', null)::probity.consent_entry])`,
    );
    // The import still runs: nothing waited for its end.
    expect(over).toBe(false);
    expect(await allowed()).toBe(false);
  } finally {
    expect(await running).toMatchObject({ code: 0 });
    await client.end();
  }
  const [at] = await shop.query<{ yes: boolean; records: number }>(
    `select probity.permission('customer', '1', 'newsletter', 'email') as yes, (select count(*)::int from probity.consent_content) as records`,
  );
  expect(at).toEqual({ yes: false, records: people * rounds + 1 });
});

test('killed in the middle, an import is repeated and ends as an undisturbed one', async () => {
  const people = 30_000;
  const lines = Array.from(
    { length: people },
    (_, i) => `${i + 1},,newsletter,email,${i % 4 === 0 ? 'withdrawn' : 'granted'},2026-01-01T00:00:00Z,t,`,
  );
  const file = shop.file('killed.csv', `${HEADER}${lines.join('\n')}\n`);
  const child = spawn(process.execPath, ['cli/main.ts', 'consent', 'import', file], {
    env: { ...bareEnvironment(), ...shop.env },
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  while ((await total()) < 2_000) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGKILL');
  await ended;
  const kept = await total();
  expect(kept).toBeLessThan(people);
  const ran = await shop.run(['consent', 'import', file]);
  expect(ran.code).toBe(0);
  const [numbers] = await shop.query<{ contents: number; records: number; spans: number; requests: number }>(
    `select (select count(*)::int from probity.consent_content) as contents, (select count(*)::int from probity.consent_record) as records,
       (select count(*)::int from probity.permission_span) as spans, (select count(*)::int from probity.request) as requests`,
  );
  // A withdrawal of one channel, with nothing on the others, asks for the clean-up.
  expect(numbers).toEqual({ contents: people, records: people, spans: (people * 3) / 4, requests: people / 4 });
});
