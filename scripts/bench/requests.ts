import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { openRequests, type OpenedRequest } from '../../client/requests/open.ts';
import { approveRequest, planBatch, planRequest, type BoundPlan } from '../../client/requests/plan.ts';
import type { RequestAsk } from '../../client/requests/ask.ts';
import { startProbityLoops } from '../../worker/loops.ts';
import { startChild, type Child } from './child.ts';
import { describeMachine } from './machine.ts';
import { writeSection } from './page.ts';
import { requestsReport, type Bulk, type RequestsResults, type Single } from './requests-report.ts';
import { eraseByHand, EVENTS, NEWSLETTER, requestsWorld, type RequestsWorld } from './requests-world.ts';
import { startServices, type BenchServices } from './server.ts';
import { median } from './statistics.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

const USAGE = `npm run bench -- requests [options]

Measures requests from opened to certificate, alone and in bulk, against SQL by hand, on a Postgres and a Temporal of its own. A quarter of an hour.

  --customers 200000    of the company; each has a row in each of eight linked tables, a tenth has ${EVENTS} events
  --small 77000         of the company in which single requests are measured: about a million rows
  --singles 9           requests one after the other; the median is shown
  --bulk 1000,10000     people in one batch, each size once for us and once by hand
  --write               writes the section Requests of docs/benchmarks.md`;

const POLL_MS = 5;
const ASKED: Pick<RequestAsk, 'kind' | 'grounds' | 'verified'> = {
  kind: 'erasure',
  grounds: ['no_longer_necessary'],
  verified: { method: 'login', evidence: 'SESSION-1' },
};

export async function benchRequests(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      customers: { type: 'string', default: '200000' },
      small: { type: 'string', default: '77000' },
      singles: { type: 'string', default: '9' },
      bulk: { type: 'string', default: '1000,10000' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const [customers, small, singles] = [values.customers, values.small, values.singles].map(Number) as [number, number, number];
  const sizes = values.bulk.split(',').map(Number);
  const began = Date.now();
  const log = (line: string): void => console.error(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);
  const services = await startServices(undefined, log);
  try {
    const load = loadavg()[0]!;
    const results: RequestsResults = {
      machine: await describeMachine(services),
      load,
      customers,
      small,
      single: await withShop(services, 'single', small, (shop) => measureSingles(shop, singles, log)),
      bulk: await withShop(services, 'bulk', customers, (shop) => measureBulks(shop, customers, sizes, log)),
      withdrawal: await withShop(services, 'withdrawal', customers, (shop) => measureWithdrawals(shop, customers, log)),
    };
    const section = requestsReport(results, `npm run bench -- requests ${args.join(' ')}`.trim());
    console.log(`\n${section}`);
    if (values.write) log(`written: ${writeSection('Requests', section)}`);
  } finally {
    await services.stop();
  }
}

/** A company with a worker in a process of its own. */
interface Shop extends RequestsWorld {
  /** Calls of activities since it was last asked. */
  readonly activities: () => Promise<number>;
  /** Until the request or the batch is over. */
  readonly closed: (id: string) => Promise<void>;
}

async function withShop<T>(services: BenchServices, name: string, customers: number, act: (shop: Shop) => Promise<T>): Promise<T> {
  const world = await requestsWorld(services, name, customers);
  const taskQueue = `bench-${name}`;
  const { address, namespace } = services.temporal;
  const worker: Child<ToWorker, FromWorker> = startChild('worker-process.ts');
  const ready = worker.next('ready');
  worker.send({ kind: 'setup', setup: { manifest: world.project.manifest, env: world.env, address, namespace, taskQueue } });
  await ready;
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });
  const loops = startProbityLoops({ manifest: world.project.manifest, taskQueue, client: async () => client, env: world.env });
  const activities = async (): Promise<number> => {
    const answer = worker.next('record');
    worker.send({ kind: 'collect' });
    return (await answer).record.activities.filter((it) => it.name !== 'keep').length;
  };
  // A look costs next to nothing: it would be measured, too.
  const closed = async (id: string): Promise<void> => {
    for (;;) {
      const { rows } = await world.client.query<{ over: boolean; waits: string | null }>(
        `select not exists (select from probity.request where request_id = $1 and closed_at is null)
             and not exists (select from probity.request where batch_id = $1 and closed_at is null) as over,
           (select e.code from probity.request_event e where e.request_id = $1 and e.verb = 'wait' limit 1) as waits`,
        [id],
      );
      if (rows[0]!.over) return;
      if (rows[0]!.waits !== null) throw new Error(`${id} waits for a person: ${rows[0]!.waits}`);
      await sleep(POLL_MS);
    }
  };
  try {
    return await act({ ...world, activities, closed });
  } finally {
    await loops.stop();
    worker.send({ kind: 'stop' });
    await worker.ended();
    await connection.close();
    await world.close();
  }
}

async function measureSingles(shop: Shop, count: number, log: (line: string) => void): Promise<Single> {
  const took: number[] = [];
  const calls: number[] = [];
  const hand: number[] = [];
  // The first warms up everybody's caches and is not counted.
  for (let n = 0; n <= count; n++) {
    await shop.activities();
    const from = performance.now();
    const [id] = await opened(shop, [5_000 + 10 * n]);
    const bound = await planRequest(shop.project, id!, { actor: 'bench' });
    await approved(shop, id!, bound);
    await shop.closed(id!);
    const ms = performance.now() - from;
    const byHand = await eraseByHand(shop.client, [6_000 + 10 * n]);
    const called = await shop.activities();
    if (n === 0) continue;
    took.push(ms);
    hand.push(byHand);
    calls.push(called);
    log(`one request: ${ms.toFixed(0)} ms, ${called} activities; by hand, without a search: ${byHand.toFixed(0)} ms`);
  }
  return { ms: took, activities: Math.max(...calls), handMs: median(hand) };
}

async function measureBulks(shop: Shop, customers: number, sizes: readonly number[], log: (line: string) => void): Promise<Bulk[]> {
  const found: Bulk[] = [];
  // Behind those who have agreed.
  let next = customers / 10;
  const people = (count: number): number[] => Array.from({ length: count }, (_, index) => next + index);
  for (const size of sizes) {
    const ours = await bulk(shop, people(size), ASKED, log);
    next += size;
    const handMs = await eraseByHand(shop.client, people(size));
    next += size;
    log(`${size} by hand: ${handMs.toFixed(0)} ms`);
    found.push({ ...ours, handMs });
  }
  return found;
}

/** All who have agreed withdraw at once: recorded, planned as one batch, what only that consent justified erased. */
async function measureWithdrawals(shop: Shop, customers: number, log: (line: string) => void): Promise<Bulk> {
  const people = Array.from({ length: Math.floor(customers * 0.05) }, (_, index) => index + 1);
  return { ...(await bulk(shop, people, { kind: 'withdrawal', purpose: NEWSLETTER }, log)), handMs: null };
}

async function bulk(
  shop: Shop,
  people: readonly number[],
  ask: Partial<RequestAsk>,
  log: (line: string) => void,
): Promise<Omit<Bulk, 'handMs'>> {
  const parts: { part: string; ms: number }[] = [];
  const timed = async <T>(part: string, act: () => Promise<T>): Promise<T> => {
    const from = performance.now();
    const result = await act();
    parts.push({ part, ms: performance.now() - from });
    log(`${people.length} ${ask.kind ?? ''}: ${part} ${parts.at(-1)!.ms.toFixed(0)} ms`);
    return result;
  };
  const ids = await timed('opened', () => opened(shop, people, ask));
  if (ask.kind === 'withdrawal') await timed('in force everywhere', () => suppressed(shop));
  const bound = await timed('planned', () => planBatch(shop.project, ids, { actor: 'bench' }));
  await timed('approved', () => approved(shop, bound.plan.request, bound));
  await timed('carried out, searched, certified', () => shop.closed(bound.plan.request));
  return { people: people.length, kind: ask.kind ?? 'erasure', parts };
}

async function opened({ project }: Shop, people: readonly number[], ask: Partial<RequestAsk> = ASKED): Promise<string[]> {
  const asks = people.map((key) => ({ subject: 'customer', key: [key], ...ask }) as RequestAsk);
  const answers = await openRequests(project, asks, { actor: 'bench' });
  return answers.map((it: OpenedRequest) => {
    if ('problem' in it || it.requestId === null) throw new Error('problem' in it ? it.problem : 'not opened');
    return it.requestId;
  });
}

async function approved({ project, token }: Shop, id: string, bound: BoundPlan): Promise<void> {
  await approveRequest(project, id, bound.hash, token);
}

async function suppressed({ client }: Shop): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ n: number }>(
      `select count(*)::int as n from probity.request where state = 'open' and record_id is not null`,
    );
    if (rows[0]!.n === 0) return;
    await sleep(100);
  }
}
