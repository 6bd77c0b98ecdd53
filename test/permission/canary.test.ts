import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { linkIdentity, recordConsents } from '../../client/consent/record.ts';
import { openProject } from '../../client/project.ts';
import { permissions } from '../../client/permission.ts';
import { runProbity } from '../../cli/run.ts';
import { startWorker } from '../retention/processes.ts';
import { until } from '../serving/support.ts';
import { freshDatabase, type FreshDatabase } from '../support/databases.ts';
import { temporaryFolder } from '../support/folders.ts';
import { temporalAddress, temporalFiles, temporalNamespace } from '../support/temporal.ts';

/** Stands in an address, a phone number, a key, a device, a proof, and in whatever a bad line or a failing call can hold. */
const CANARY = `canary${randomBytes(6).toString('hex')}`;
const EMAIL = `${CANARY}@example.test`;
/** Who knows the address knows this. */
const HASH = createHash('sha256').update(EMAIL).digest('hex');
const STRANGER = createHash('sha256').update(`new-${EMAIL}`).digest('hex');

const SHOP = `
  create table customer (customer_key text primary key, email text, phone text, at timestamptz not null default '2026-01-01');
  create table choice (customer_key text, answer text, at timestamptz, changed_at timestamptz default now());
  insert into customer (customer_key, email, phone) select '${CANARY}-' || i, case i when 1 then '${EMAIL}' else i || '${EMAIL}' end, '${CANARY}-phone-' || i from generate_series(1, 20) i;
  insert into choice select '${CANARY}-' || i, 'yes', '2026-02-01' from generate_series(1, 10) i;
  insert into choice values ('${CANARY}-1', '${CANARY}', '2026-02-01'), (null, 'yes', '2026-02-02')`;

let databases: readonly FreshDatabase[] = [];
let folder: string;
let env: Record<string, string>;
let home: pg.Pool;
/** Everything that commands, workers and errors have said, and files that they wrote. */
const said: { what: string; text: string }[] = [];

beforeAll(async () => {
  databases = [await freshDatabase(), await freshDatabase()];
  home = new pg.Pool({ connectionString: databases[0]!.url, max: 2 });
  home.on('error', () => undefined);
  await home.query(SHOP);
  const other = new pg.Client({ connectionString: databases[1]!.url });
  await other.connect();
  await other.query(
    `create table ticket (ticket_id int primary key, requester text, at timestamptz); insert into ticket values (1, '${EMAIL}', '2026-03-01')`,
  );
  await other.end();
  folder = temporaryFolder('permission-canary');
  env = {
    SHOP_URL: databases[0]!.url, SUPPORT_URL: databases[1]!.url, PROBITY_SINK: join(folder, 'sink.jsonl'), PROBITY_SINK_KEY: randomBytes(32).toString('base64'),
    PROBITY_MANIFEST: join(folder, 'probity.json'), PROBITY_ACTOR: 'tester', PROBITY_TASK_QUEUE: `canary-${randomBytes(4).toString('hex')}`,
    TEMPORAL_ADDRESS: temporalAddress(), TEMPORAL_NAMESPACE: temporalNamespace(),
  }; // prettier-ignore
  writeFileSync(
    env['PROBITY_MANIFEST']!,
    JSON.stringify({
      organisation: 'Canary', timezone: 'Europe/Berlin', mode: 'enforce',
      stores: { shop: { url: '${SHOP_URL}', home: true }, support: { url: '${SUPPORT_URL}' } },
      purposes: { newsletter: { basis: 'consent', channels: ['email', 'web'], description: 'News' }, service: { basis: 'contract', while: 'a customer', description: 'Deliver' } },
      subjects: { customer: { table: 'shop.public.customer', key: 'customer_key', identities: { email: 'email', phone: 'phone' } } },
      tables: {
        'shop.public.customer': { purposes: ['service', 'newsletter'], captured_at: 'at', columns: { customer_key: 'key', email: { category: 'contact', identifying: true }, phone: { category: 'contact', identifying: true }, at: 'behaviour' } },
        'shop.public.choice': { purposes: ['service'] },
        'support.public.ticket': { purposes: ['service', 'newsletter'], captured_at: 'at' },
      },
      references: [{ from: 'support.public.ticket.requester', to: 'customer.email' }],
      consents: [{ table: 'shop.public.choice', subject: 'customer', key: 'customer_key', purpose: { constant: 'newsletter' }, decision: 'answer', decisions: { yes: 'granted' }, at: 'at', changed_at: 'changed_at' }],
      sink: { file: '${PROBITY_SINK}', key: '${PROBITY_SINK_KEY}' },
    }), // prettier-ignore
  );
});
afterAll(async () => {
  await home.end();
  for (const database of databases) await database.drop();
});

async function command(args: string, input = '', changes: Record<string, string> = {}): Promise<number> {
  const before = said.length;
  const code = await runProbity(args.split(' '), {
    env: { ...env, ...changes },
    out: (text) => void said.push({ what: `probity ${args}: stdout`, text }),
    err: (text) => void said.push({ what: `probity ${args}: stderr`, text }),
    stream: new PassThrough(),
    terminal: false,
    colour: false,
    width: null,
    input: () => Promise.resolve(input),
    bytes: () => Readable.from([Buffer.from(input)]),
  });
  if (code !== 0 && said.length === before) throw new Error(`probity ${args} ended with ${code} and said nothing`);
  return code;
}

async function failing(what: string, act: () => Promise<unknown>): Promise<void> {
  const error = await act().then(
    () => null,
    (it: unknown) => it,
  );
  if (!(error instanceof Error)) throw new Error(`${what} did not fail`);
  for (let it: unknown = error; it instanceof Error; it = it.cause) said.push({ what, text: `${it.stack} ${JSON.stringify(it)}` });
}

test('addresses, keys, devices and proofs stay where they are: not in histories, logs, errors, reports or the sink', async () => {
  for (const args of ['migrate', 'apply --enforce', 'check', 'views apply', 'views diff'])
    expect([args, await command(args)]).toEqual([args, 0]);
  const worker = await startWorker({ file: env['PROBITY_MANIFEST'], env } as never, { taskQueue: env['PROBITY_TASK_QUEUE']! });
  try {
    await doors();
    await calls();
    await until('every request is suppressed', async () => {
      const { rows } = await home.query<{ open: number; all: number }>(
        `select count(*) filter (where state = 'open')::int as open, count(*)::int as all from probity.request`,
      );
      return rows[0]!.open === 0 && rows[0]!.all >= 3;
    });
    const { rows } = await home.query<{ request_id: string }>('select request_id from probity.request');
    for (const { request_id } of rows) expect(await command(`request status ${request_id}`)).toBe(0);
    for (const args of [
      'request list', 'serving status', 'serving drain', 'consent sync --status', 'consent report', `consent report --html ${join(folder, 'report.html')}`,
      `processing-record --html ${join(folder, 'record.html')}`, 'processing-record --json', 'consent verify', `consent export ${join(folder, 'export.jsonl')}`,
      `consent verify --file ${join(folder, 'export.jsonl')}`, 'restore status', 'views show', 'views diff',
    ]) await command(args); // prettier-ignore
    for (const args of ['show --subject customer', 'history --subject customer']) await command(`consent ${args}`, `${CANARY}-1`);
  } finally {
    await worker.stop();
  }
  expect(worker.output()).toContain('ready');
  said.push({ what: 'the worker', text: worker.output() });
  for (const name of ['report.html', 'record.html', 'sink.jsonl'])
    said.push({ what: name, text: readFileSync(join(folder, name), 'latin1') });
  const temporal = temporalFiles().flatMap((path) => (existsSync(path) ? [readFileSync(path, 'latin1')] : []));
  // The search must be able to find something.
  const { rows } = await home.query<{ request_id: string }>('select request_id from probity.request limit 1');
  expect(temporal.some((text) => text.includes(`request-${rows[0]!.request_id}`))).toBe(true);
  for (const text of temporal) said.push({ what: 'Temporal', text });
  said.push({ what: "Postgres's log", text: readFileSync(inject('postgresLog'), 'latin1') });
  const leaks = said.filter(({ text }) => [CANARY, HASH, STRANGER].some((secret) => text.includes(secret)));
  expect(leaks.map(({ what, text }) => `${what}: ${excerpt(text)}`)).toEqual([]);
});

test('of our own tables only those hold them from which rows can be deleted', async () => {
  const { rows } = await home.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'probity'::regnamespace and relkind = 'r' order by 1`,
  );
  const holding: string[] = [];
  for (const { name } of rows) {
    const found = await home.query<{ found: boolean }>(
      `select exists (select from probity.${name} t where t::text like any (array['%${CANARY}%', '%${HASH}%', '%${STRANGER}%'])) as found`,
    );
    if (found.rows[0]!.found) holding.push(name);
  }
  const allowed = [
    'consent_content',
    'consent_link',
    'permission_span',
    'pseudonym',
    'membership',
    'replica_change',
    'replica_email',
    'sink_queue',
  ];
  expect(holding.filter((name) => !allowed.includes(name))).toEqual([]);
  expect(holding).toContain('consent_link');
});

/** Every door, with what is right and what is wrong. */
async function doors(): Promise<void> {
  const record = 'consent record --subject customer --purpose newsletter --decision';
  expect(await command(`${record} granted --touchpoint onboarding`, `${CANARY}-1`)).toBe(0);
  expect(await command(`${record} withdrawn --by email --proof form-7`, EMAIL)).toBe(0);
  expect(await command(`${record} withdrawn --by email`, `new-${EMAIL}`)).toBe(0);
  expect(await command(`${record} withdrawn --by phone`, `${CANARY}-nobody`)).toBe(2);
  expect(await command(`${record} withdrawn`, `${CANARY}-nobody`)).toBe(2);
  expect(await command(`${record} withdrawn --captured-at ${'2040-01-01'}`, `${CANARY}-2`)).toBe(2);
  const lines = [
    'key,email,purpose,channel,decision,captured_at,touchpoint,proof',
    `${CANARY}-3,,newsletter,email,granted,2026-01-02T00:00:00Z,t,${CANARY}-proof`,
    `${CANARY}-3,,newsletter,,withdrawn,2026-01-03T00:00:00Z,t,${CANARY}-proof`,
    `,${EMAIL},newsletter,,granted,2026-01-02T00:00:00Z,t,`,
    `,other-${EMAIL},newsletter,,granted,2026-01-02T00:00:00Z,t,`,
    ...['purpose', 'channel', 'decision', 'captured_at'].map((wrong) =>
      ['key', 'email', 'purpose', 'channel', 'decision', 'captured_at', 'touchpoint', 'proof']
        .map((field) =>
          field === wrong
            ? CANARY
            : ({ key: `${CANARY}-4`, purpose: 'newsletter', channel: 'email', decision: 'granted', captured_at: '2026-01-01T00:00:00Z' }[
                field
              ] ?? ''),
        )
        .join(','),
    ),
    `${CANARY}-5,"${CANARY}`,
  ];
  const file = join(folder, 'consents.csv');
  writeFileSync(file, lines.join('\n'));
  expect(await command(`consent import ${file}`)).toBe(1);
  expect(await command(`consent import ${file} --map key=nothing`)).toBe(2);
  expect(
    await command(
      'consent import - --format jsonl',
      `{"key":"${CANARY}-6","purpose":"${CANARY}","decision":"granted","captured_at":"2026-01-01T00:00:00Z"}\n{"${CANARY}`,
    ),
  ).toBe(1);
  expect(await command('consent sync --wait')).toBe(1);
}

/** The library, rightly and wrongly. */
async function calls(): Promise<void> {
  const project = await openProject(env['PROBITY_MANIFEST']!, env);
  const by = { actor: 'tester' };
  const entry = {
    subject: 'customer',
    key: [`${CANARY}-7`],
    purpose: 'newsletter',
    decision: 'withdrawn',
    proof: `${CANARY}-proof`,
  } as const;
  try {
    await recordConsents(
      project,
      [entry, { subject: 'device', key: [`${CANARY}-device`], purpose: 'newsletter', decision: 'refused' }],
      by,
    );
    await linkIdentity(project, { subject: 'device', key: `${CANARY}-device` }, { subject: 'customer', key: [`${CANARY}-8`] });
    await permissions(project, [{ subject: 'customer', identity: 'email', value: EMAIL }], { purpose: 'newsletter' });
    await failing('a link to somebody else', () =>
      linkIdentity(project, { subject: 'device', key: `${CANARY}-device` }, { subject: 'customer', key: [`${CANARY}-9`] }),
    );
    for (const wrong of [
      { ...entry, purpose: CANARY }, { ...entry, channel: CANARY }, { ...entry, decision: CANARY }, { ...entry, subject: CANARY }, { ...entry, capturedAt: CANARY },
      { ...entry, key: [`${CANARY}-7`, CANARY] }, { ...entry, [CANARY]: 1 }, { ...entry, proof: CANARY.repeat(100) }, { ...entry, givenBy: CANARY },
      { ...entry, key: [`${CANARY}\0`] }, { subject: 'customer', identity: CANARY, value: CANARY, purpose: 'newsletter', decision: 'granted' },
    ]) await failing(`an entry with a wrong ${JSON.stringify(Object.keys(wrong).length)}`, () => recordConsents(project, [wrong as never], by)); // prettier-ignore
    await failing('a question', () => permissions(project, [{ subject: CANARY, key: [CANARY] }], { purpose: 'newsletter' }));
    await failing('a purpose', () => permissions(project, [{ subject: 'customer', key: [CANARY] }], { purpose: CANARY }));
  } finally {
    await project.close();
  }
  const away = new URL(env['SHOP_URL']!);
  [away.port, away.password] = ['1', CANARY];
  expect(
    await command('consent record --subject customer --purpose newsletter --decision withdrawn', `${CANARY}-1`, { SHOP_URL: away.href }),
  ).toBe(4);
}

function excerpt(text: string): string {
  const at = Math.max(0, ...[CANARY, HASH, STRANGER].map((secret) => text.indexOf(secret)));
  return text.slice(Math.max(0, at - 200), at + 100);
}
