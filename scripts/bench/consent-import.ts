import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { importConsents } from '../../client/consent/import.ts';
import { consentReport } from '../../client/consent/report.ts';
import { migrateStores } from '../../client/migrate.ts';
import { openProject } from '../../client/project.ts';
import { apply } from '../../client/versions.ts';
import { createDatabase, withPostgres } from './server.ts';
import { median } from './statistics.ts';

const USAGE = `npm run bench -- consent-import [options]

Measures the import of consents against what one would write oneself, on a Postgres of its own: COPY and one INSERT … SELECT into a table with
the same columns and three indexes, and INSERTs one by one. Those derive nothing: no state, no commitment, no request.

  --rows 200000      lines of the file, one person each
  --slow 20000       lines of it that are inserted one by one`;

const MANIFEST = `organisation: Bench
timezone: Europe/Berlin
stores: { shop: { url: '\${BENCH_URL}' } }
purposes:
  newsletter: { basis: consent, channels: [email, web], expires: P24M, description: News }
subjects:
  customer: { table: shop.public.customer, key: customer_id, identities: { email: email } }
tables:
  shop.public.customer: { purposes: [newsletter] }
`;
const COLUMNS = 'key, purpose, channel, decision, captured_at, touchpoint, notice';
/** Calls of the one function behind every door, by entries. */
const CALLS = [1, 200, 1_000, 5_000];
const REPEATS = 7;
const DAYS = 700;

export async function benchConsentImport(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '200000' },
      slow: { type: 'string', default: '20000' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  await withPostgres(
    (line) => console.error(line),
    async (postgres, folder) => {
      await measure(folder, await createDatabase(postgres, 'bench'), Number(values.rows), Number(values.slow));
    },
  );
}

async function measure(folder: string, url: string, rows: number, slow: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(
    `create table customer (customer_id bigint primary key, email text);
     insert into customer select i, 'person' || i || '@example.com' from generate_series(1, ${rows}) i; create index on customer (lower(email)); analyze customer`,
  );
  const manifest = join(folder, 'probity.yaml');
  writeFileSync(manifest, MANIFEST);
  const lines = Array.from({ length: rows }, (_, i) => lineOf(i));
  const file = join(folder, 'consents.csv');
  writeFileSync(file, `${COLUMNS.replaceAll(' ', '')}\n${lines.map((line) => line.join(',')).join('\n')}\n`);
  const env = { BENCH_URL: url };
  const project = await openProject(manifest, env);
  try {
    await migrateStores(project, null);
    await apply(project, { env, actor: 'bench', enforce: false });
    for (const entries of CALLS) show(`record_consents, ${entries} at once`, entries, await call(client, entries));
    const imports = () =>
      importConsents(project, {
        input: createReadStream(file),
        format: 'csv',
        subject: null,
        map: {},
        constants: {},
        zone: 'UTC',
        actor: 'bench',
        dryRun: false,
      });
    show('probity consent import', rows, await timed(imports));
    show('the same file again', rows, await timed(imports));
    show('consent report over it', rows, await timed(() => consentReport(project, { from: null, to: null, exact: false })));
    show('COPY, INSERT … SELECT', rows, await timed(() => plainCopy(client, file)));
    show('INSERT one by one', slow, await timed(() => oneByOne(client, lines.slice(0, slow))));
  } finally {
    await project.close();
    await client.end();
  }
}

function lineOf(i: number): string[] {
  const at = new Date(Date.UTC(2024, 0, 1) + ((i * 7919) % DAYS) * 86_400_000).toISOString();
  return [
    String(i + 1),
    'newsletter',
    i % 3 === 0 ? 'web' : 'email',
    i % 10 === 0 ? 'withdrawn' : 'granted',
    at,
    'onboarding',
    'privacy-2024-01',
  ];
}

async function call(client: pg.Client, entries: number): Promise<number> {
  const times: number[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const batch = Array.from({ length: entries }, (_, i) => ({
      subject: 'device',
      key: `${entries}-${repeat}-${i}`,
      purpose: 'newsletter',
      decision: 'granted',
    }));
    times.push(
      await timed(() =>
        client.query({
          name: 'record',
          text: 'select count(*) from probity.record_consents((select array_agg(e) from jsonb_populate_recordset(null::probity.consent_entry, $1::jsonb) e))',
          values: [JSON.stringify(batch)],
        }),
      ),
    );
  }
  return median(times);
}

const PLAIN = 'key text, purpose text, channel text, decision text, captured_at timestamptz, touchpoint text, notice text';

async function plainCopy(client: pg.Client, file: string): Promise<void> {
  await client.query(
    `create table plain (id bigint generated always as identity primary key, ${PLAIN}, unique (key, purpose, channel, decision, captured_at))`,
  );
  await client.query('create index on plain (key, purpose)');
  await client.query('begin');
  await client.query(`create temporary table stage (${PLAIN}) on commit drop`);
  await pipeline(createReadStream(file), client.query(copyFrom(`copy stage (${COLUMNS}) from stdin (format csv, header)`)));
  await client.query(`insert into plain (${COLUMNS}) select ${COLUMNS} from stage on conflict do nothing`);
  await client.query('commit');
}

async function oneByOne(client: pg.Client, lines: readonly string[][]): Promise<void> {
  await client.query('truncate plain');
  for (const line of lines)
    await client.query({
      name: 'one',
      text: `insert into plain (${COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
      values: line,
    });
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await act();
  return performance.now() - started;
}

function show(what: string, rows: number, ms: number): void {
  const rate = Math.round((rows * 1_000) / ms).toLocaleString('en-US');
  console.log(
    `${what.padEnd(32)} ${ms.toFixed(ms < 100 ? 1 : 0).padStart(9)} ms  ${rate.padStart(9)} /s  ${((ms * 1_000) / rows).toFixed(1).padStart(8)} µs each`,
  );
}
