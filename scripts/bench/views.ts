import { parseArgs } from 'node:util';
import pg from 'pg';
import { readCatalog } from '../../database/catalog.ts';
import { migrate } from '../../database/migrate.ts';
import { applyPermission } from '../../database/permission/apply.ts';
import { inTransaction, openStore, type Store } from '../../database/store.ts';
import { applyViews } from '../../database/views/apply.ts';
import { planViews } from '../../domain/views/plan.ts';
import { parseManifestValue } from '../../manifest/load.ts';
import { createDatabase, withPostgres } from './server.ts';
import { median } from './statistics.ts';

const USAGE = `npm run bench -- views [options]

Measures purpose-bound views against the bare table, on a Postgres of its own: a scan and look-ups, and other ways to write the same view.

  --rows 1000000     rows of the table
  --subjects 20000   people; 70 % agreed, a tenth of them have withdrawn
  --runs 5           of each query; medians are shown
  --plans            prints the plans too`;

interface Options {
  readonly rows: number;
  readonly subjects: number;
  readonly runs: number;
  readonly plans: boolean;
}

const READER = 'bench_analyst';
/** What the step is held to. */
const MOST_TIMES_A_SCAN = 10;
const MOST_MS_A_LOOKUP = 1;

export async function benchViews(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '1000000' },
      subjects: { type: 'string', default: '20000' },
      runs: { type: 'string', default: '5' },
      plans: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const options = { rows: Number(values.rows), subjects: Number(values.subjects), runs: Number(values.runs), plans: values.plans };
  await withPostgres(
    (line) => console.error(line),
    async (postgres) => {
      await measure(await createDatabase(postgres, 'bench'), options);
    },
  );
}

async function measure(url: string, options: Options): Promise<void> {
  const store = openStore({ name: 'shop', url });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await load(client, options);
    await makeViews(store);
    await client.query(`grant select on page_view, customer to ${READER}; grant usage on schema probity to ${READER}`);
    await shapes(client);
    await client.query('vacuum analyze');
    await client.query(`set role ${READER}`);
    await scans(client, options);
    await lookups(client, options);
  } finally {
    await client.end();
    await store.close();
  }
}

/** Rows in random order over two years; consent in the middle of it, so that capture decides about a good part. */
async function load(client: pg.Client, { rows, subjects }: Options): Promise<void> {
  await client.query(`
    create role ${READER};
    create table customer (customer_id bigint primary key, country text not null, signed_up_at timestamptz not null);
    insert into customer select i, (array['DE', 'FR', 'IT'])[1 + i % 3], timestamptz '2025-06-01' + i * interval '1 minute' from generate_series(1, ${subjects}) i;
    create table page_view (page_view_id bigint primary key, customer_id bigint not null references customer, path text not null, amount integer not null, viewed_at timestamptz not null);
    insert into page_view select i, 1 + hashint8(i) % ${subjects} + case when hashint8(i) % ${subjects} < 0 then ${subjects} else 0 end, '/p/' || i % 500, i % 100,
      timestamptz '2024-01-01' + (hashint8(i + 7)::bigint + 2147483648) % 63072000 * interval '1 second' + i * interval '1 microsecond' from generate_series(1, ${rows}) i;
    create index on page_view (customer_id);
    create index on page_view (viewed_at);
    analyze`);
}

async function makeViews(store: Store): Promise<void> {
  const { manifest, hash, problems } = parseManifestValue({
    organisation: 'Bench',
    mode: 'enforce',
    stores: { shop: { url: '${URL}' } },
    purposes: {
      personalization: { basis: 'consent', description: 'Suit', readers: [READER] },
      analytics: { basis: 'legitimate_interests', objection: 'balanced', description: 'Improve', readers: [READER] },
    },
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id' } },
    tables: {
      'shop.public.customer': { purposes: ['personalization', 'analytics'], captured_at: 'signed_up_at' },
      'shop.public.page_view': { purposes: ['personalization', 'analytics'], captured_at: 'viewed_at' },
    },
  });
  if (manifest === null || hash === null) throw new Error(JSON.stringify(problems));
  await migrate(store, true);
  const catalog = await readCatalog(store);
  await inTransaction(store, {}, (trx) => applyPermission(trx, manifest, hash, catalog));
  await store.pool.query(`
    with person as (
      insert into probity.consent_link (subject, key) select 'customer', customer_id::text from public.customer returning ref, key::bigint as id
    ), said as (
      select ref, id, 'personalization' as purpose, 'granted' as decision, timestamptz '2024-06-01' + id % 300 * interval '1 day' as at from person where id % 10 < 7
      union all select ref, id, 'personalization', 'withdrawn', timestamptz '2025-09-01' from person where id % 10 = 0
      union all select ref, id, 'analytics', 'objected', timestamptz '2025-03-01' from person where id % 10 = 1
      union all select ref, id, '*', 'restricted', timestamptz '2025-03-01' from person where id % 500 = 2
    ), numbered as materialized (select row_number() over (order by id, at) as record_id, s.* from said s), record as (
      insert into probity.consent_record (record_id, ref, received_at, commitment) select record_id, ref, at, '' from numbered
    )
    insert into probity.consent_content (record_id, ref, salt, purpose, decision, at, captured_at, received_at, touchpoint, given_by, actor, door, basis, manifest_hash, fingerprint)
    select record_id, ref, '', purpose, decision, at, at, at, 'import', 'self', 'bench', 'import', 'consent', '', sha256(record_id::text::bytea) from numbered`);
  await store.pool.query(`select probity.derive_spans(array(
    select row('customer', l.key, p.purpose)::probity.permission_target from probity.consent_link l cross join (values ('personalization'), ('analytics'), ('*')) p (purpose)))`);
  const { left, findings } = await applyViews(store, { manifest, catalog, planned: planViews(manifest, catalog) }, null);
  if (left.length > 0) throw new Error('views were not made');
  for (const { code, message } of findings) console.error(`${code}: ${message}`);
}

const NOW = `n.open and n.from_at <= statement_timestamp() and statement_timestamp() < n.until_at`;
const SPAN = `probity.permission_span n where n.purpose = 'personalization' and n.subject = 'customer' and n.allows and ${NOW}`;

/** Other ways to write "has permission now", without the question of capture. */
const SHAPES: Readonly<Record<string, string>> = {
  semi_join: `exists (select from ${SPAN} and n.key = r.customer_id::text)`,
  hashed: `r.customer_id::text in (select n.key from ${SPAN} offset 0)`,
  array: `r.customer_id::text = any (array(select n.key from ${SPAN}))`,
  function: `probity.permission('customer', r.customer_id::text, 'personalization')`,
};

async function shapes(client: pg.Client): Promise<void> {
  await client.query('create schema shape');
  for (const [name, condition] of Object.entries(SHAPES)) {
    await client.query(
      `create view shape.${name} with (security_barrier) as select r.path, r.amount, r.viewed_at from public.page_view r where ${condition}`,
    );
  }
  await client.query(
    `grant usage on schema shape to ${READER}; grant select on all tables in schema shape to ${READER}; grant execute on all functions in schema probity to ${READER}`,
  );
}

async function scans(client: pg.Client, { runs, plans, rows }: Options): Promise<void> {
  const query = (from: string): string => `select count(*), sum(amount) from ${from}`;
  const bare = await timed(client, query('public.page_view'), runs);
  const serial = async (text: string): Promise<number> => {
    await client.query('set max_parallel_workers_per_gather = 0');
    const took = await timed(client, text, runs);
    await client.query('reset max_parallel_workers_per_gather');
    return took;
  };
  const bareSerial = await serial(query('public.page_view'));
  console.log(`\nscan of ${rows.toLocaleString('en')} rows: count(*), sum(amount)      parallel ms      ×   one process ms      ×`);
  const line = (what: string, took: number, alone: number): void =>
    console.log(
      `${what.padEnd(52)}${took.toFixed(0).padStart(12)}${(took / bare).toFixed(1).padStart(7)}${alone.toFixed(0).padStart(17)}${(alone / bareSerial).toFixed(1).padStart(7)}`,
    );
  line('bare table', bare, bareSerial);
  for (const purpose of ['personalization', 'analytics']) {
    const text = query(`for_${purpose}.page_view`);
    const took = await timed(client, text, runs);
    line(`for_${purpose}.page_view`, took, await serial(text));
    if (took / bare > MOST_TIMES_A_SCAN) console.log(`  MISSED: more than ${MOST_TIMES_A_SCAN} ×`);
    if (plans) await plan(client, text);
  }
  const grouped = (from: string): string => `select count(*) from (select customer_id, sum(amount) from ${from} group by customer_id) it`;
  line(
    '  grouped by pseudonym',
    await timed(client, grouped('for_personalization.page_view'), runs),
    await serial(grouped('for_personalization.page_view')),
  );
  if (plans) await plan(client, grouped('for_personalization.page_view'));
  for (const name of Object.keys(SHAPES)) {
    // A call, or a walk through the whole array, for each row takes minutes; a hundredth of the rows tells.
    const part = name === 'function' || name === 'array';
    const text = `${query(`shape.${name}`)}${part ? ` where viewed_at < timestamptz '2024-01-08'` : ''}`;
    const took = await timed(client, text, part ? 1 : runs);
    line(`  shape ${name}${part ? ' (a hundredth of the rows)' : ''}`, took, part ? took : await serial(text));
  }
}

async function lookups(client: pg.Client, { runs, plans }: Options): Promise<void> {
  const { rows: times } = await client.query<{ it: string }>('select viewed_at::text as it from for_personalization.page_view limit 50');
  const { rows: people } = await client.query<{ it: string }>('select customer_id as it from for_personalization.customer limit 20');
  const byTime = (from: string): string => `select path, amount from ${from} where viewed_at = $1`;
  console.log('\nlook-up                                             planned each time ms   more ms   prepared ms   more ms');
  const both = async (text: string, values: readonly string[], name: string): Promise<[number, number]> => [
    await each(client, text, values, runs, null),
    await each(client, text, values, runs, name),
  ];
  const bare = await both(
    byTime('public.page_view'),
    times.map((row) => row.it),
    'bare',
  );
  const line = (what: string, [fresh, prepared]: [number, number]): void => {
    const cells = [fresh, fresh - bare[0], prepared, prepared - bare[1]].map((ms, index) =>
      ms.toFixed(2).padStart([20, 10, 14, 10][index] ?? 0),
    );
    console.log(
      `${what.padEnd(52)}${cells.join('')}${prepared - bare[1] > MOST_MS_A_LOOKUP ? `  MISSED: more than ${MOST_MS_A_LOOKUP} ms` : ''}`,
    );
  };
  line('bare table, by viewed_at', bare);
  for (const purpose of ['personalization', 'analytics']) {
    const text = byTime(`for_${purpose}.page_view`);
    line(
      `for_${purpose}.page_view, by viewed_at`,
      await both(
        text,
        times.map((row) => row.it),
        purpose,
      ),
    );
    if (plans) await plan(client, text.replace('$1', `'${times[0]?.it ?? ''}'`));
  }
  const { rows: others } = await client.query<{ it: string }>('select customer_id as it from for_analytics.customer limit 20');
  for (const [from, about, pseudonyms, how] of [
    ['for_personalization.customer', 'count(*)', people, 'by the index of kept pseudonyms'],
    ['for_personalization.page_view', 'sum(amount)', people, 'by the index of kept pseudonyms'],
    ['for_analytics.customer', 'count(*)', others, 'every pseudonym is computed'],
    ['for_analytics.page_view', 'sum(amount)', others, 'every pseudonym is computed'],
  ] as const) {
    const text = `select ${about} from ${from} where customer_id = $1`;
    const wanted = pseudonyms.map((row) => row.it);
    const [fresh, prepared] = [await each(client, text, wanted, runs, null), await each(client, text, wanted, runs, from)];
    console.log(
      `${`${from}, by pseudonym`.padEnd(52)}${fresh.toFixed(2).padStart(20)}${prepared.toFixed(2).padStart(24)}            (${how})`,
    );
    if (plans) await plan(client, text.replace('$1', `'${pseudonyms[0]?.it ?? ''}'`));
  }
}

async function timed(client: pg.Client, text: string, runs: number): Promise<number> {
  await client.query(text);
  const took: number[] = [];
  for (let run = 0; run < runs; run++) {
    const began = performance.now();
    await client.query(text);
    took.push(performance.now() - began);
  }
  return median(took);
}

/** The median over many look-ups; with a name, by a statement that is prepared once. */
async function each(client: pg.Client, text: string, values: readonly string[], runs: number, name: string | null): Promise<number> {
  const took: number[] = [];
  for (let run = 0; run < runs; run++) {
    for (const value of values) {
      const began = performance.now();
      await client.query({ text, values: [value], ...(name === null ? {} : { name }) });
      took.push(performance.now() - began);
    }
  }
  return median(took);
}

async function plan(client: pg.Client, text: string): Promise<void> {
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers off, summary on) ${text}`);
  console.log(`\n${rows.map((row) => row['QUERY PLAN']).join('\n')}\n`);
}
