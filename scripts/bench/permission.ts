import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { makeStateFolder } from '../paths.ts';
import type { PostgresService } from '../services/postgres.ts';
import { describeMachine } from './machine.ts';
import { writeSection } from './page.ts';
import { answers, peopleFor, replicaLag, withdrawals, type Latency, type Question, type Way } from './permission-measures.ts';
import { permissionReport, type PermissionResults } from './permission-report.ts';
import { permissionWorld } from './permission-world.ts';
import { withPostgres } from './server.ts';
import { median } from './statistics.ts';

const USAGE = `npm run bench -- permission [options]

Measures withdrawals of 200 callers at once, answers and the replica's lag, on a Postgres of its own. No Temporal runs: none is needed.

  --withdrawals 10000   of each way, after a warm-up
  --people 50000        that answers are looked up among
  --seconds 20          of 100 withdrawals a second, beside which the replica's lag is measured
  --runs 3              of each; medians are shown
  --beside              runs the benches consent-import and views too, and shows what they say
  --write               writes the section Permission of docs/benchmarks.md`;

/** In the order of the report. */
const WAYS: readonly { readonly way: Way; readonly sink: boolean; readonly name: string; readonly part: number }[] = [
  { way: 'recorder', sink: false, name: 'ours, consentRecorder', part: 1 },
  { way: 'recorder', sink: true, name: 'ours, consentRecorder, durable in the sink', part: 1 },
  // Five transactions for one of the recorder's: a fifth of the calls tells.
  { way: 'single', sink: false, name: 'ours, a transaction for each call', part: 5 },
  { way: 'by hand', sink: false, name: 'by hand: UPDATE of a flag, INSERT into a log', part: 1 },
];
const QUESTIONS: readonly Question[] = ['permission', 'join', 'permissions of 1,000', 'join of 1,000'];

export async function benchPermission(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      withdrawals: { type: 'string', default: '10000' },
      people: { type: 'string', default: '50000' },
      seconds: { type: 'string', default: '20' },
      runs: { type: 'string', default: '3' },
      beside: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const [count, people, seconds, runs] = [values.withdrawals, values.people, values.seconds, values.runs].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const began = Date.now();
  const log = (line: string): void => console.error(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);
  await withPostgres(log, async (postgres, folder) => {
    const load = loadavg()[0]!;
    const machine = await describeMachine({ adminUrl: postgres.adminUrl });
    const bench = { postgres, folder, log };
    const results: PermissionResults = {
      machine,
      load,
      withdrawals: await measureWithdrawals(bench, count, runs),
      answers: await measureAnswers(bench, people, runs),
      lag: await measureLag(bench, seconds, runs),
      beside: values.beside ? await others(log) : [],
    };
    const file = join(makeStateFolder('bench'), `permission-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.json`);
    writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
    const section = permissionReport(results, `npm run bench -- permission ${args.join(' ')}`.trim());
    console.log(`\n${section}`);
    log(`kept: ${file}`);
    if (values.write) log(`written: ${writeSection('Permission', section)}`);
  });
}

interface Bench {
  readonly postgres: PostgresService;
  readonly folder: string;
  readonly log: (line: string) => void;
}

/** Ways take turns, so that none always follows the same. */
async function measureWithdrawals(
  { postgres, folder, log }: Bench,
  count: number,
  runs: number,
): Promise<PermissionResults['withdrawals']> {
  const [plain, sunk] = [
    await permissionWorld(postgres, { folder, people: 3 * runs * peopleFor(count), sink: false, replica: false }),
    await permissionWorld(postgres, { folder, people: runs * peopleFor(count), sink: true, replica: false }),
  ];
  const measured = new Map<string, Latency[]>(WAYS.map(({ name }) => [name, []]));
  const next = { plain: 1, sunk: 1, hand: 1 };
  try {
    for (let run = 0; run < runs; run++) {
      for (const { way, sink, name, part } of WAYS.map((_, turn) => WAYS[(turn + run) % WAYS.length]!)) {
        const where = way === 'by hand' ? 'hand' : sink ? 'sunk' : 'plain';
        const took = await withdrawals(sink ? sunk : plain, way, next[where], Math.ceil(count / part));
        next[where] += peopleFor(Math.ceil(count / part));
        measured.get(name)!.push(took);
        log(`${name}: p50 ${took.p50.toFixed(1)} ms, p99 ${took.p99.toFixed(1)} ms, ${took.rate.toFixed(0)}/s`);
      }
    }
    const { rows } = await plain.client.query<{ n: string }>('select count(*) as n from probity.outbox');
    log(`${rows[0]!.n} requests wait in the outbox for a Temporal`);
    return { outbox: Number(rows[0]!.n), ways: WAYS.map(({ name }) => ({ name, latency: middle(measured.get(name)!) })) };
  } finally {
    await plain.close();
    await sunk.close();
  }
}

async function measureAnswers({ postgres, folder, log }: Bench, people: number, runs: number): Promise<PermissionResults['answers']> {
  const world = await permissionWorld(postgres, { folder, people, sink: false, replica: false });
  try {
    const measured = new Map<Question, Latency[]>(QUESTIONS.map((question) => [question, []]));
    for (let run = 0; run < runs; run++) {
      for (const question of QUESTIONS) {
        const took = await answers(world, question, people);
        measured.get(question)!.push(took);
        log(`${question}: p50 ${took.p50.toFixed(2)} ms, p99 ${took.p99.toFixed(2)} ms`);
      }
    }
    return QUESTIONS.map((name) => ({ name, latency: middle(measured.get(name)!) }));
  } finally {
    await world.close();
  }
}

async function measureLag({ postgres, folder, log }: Bench, seconds: number, runs: number): Promise<Latency> {
  const each = seconds * 100;
  const world = await permissionWorld(postgres, { folder, people: runs * each, sink: false, replica: true });
  try {
    const measured: Latency[] = [];
    for (let run = 0; run < runs; run++) {
      const took = await replicaLag(world, 1 + run * each, seconds);
      measured.push(took);
      log(`replica: p50 ${took.p50.toFixed(0)} ms, p99 ${took.p99.toFixed(0)} ms`);
    }
    return middle(measured);
  } finally {
    await world.close();
  }
}

function middle(all: readonly Latency[]): Latency {
  const of = (pick: (one: Latency) => number): number => median(all.map(pick));
  return {
    count: of((it) => it.count),
    p50: of((it) => it.p50),
    p99: of((it) => it.p99),
    max: of((it) => it.max),
    rate: of((it) => it.rate),
  };
}

async function others(log: (line: string) => void): Promise<PermissionResults['beside']> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const said: { name: string; text: string }[] = [];
  for (const name of ['consent-import', 'views']) {
    log(`bench ${name}`);
    const { stdout } = await promisify(execFile)(process.execPath, [main, name]);
    said.push({ name, text: stdout.trim() });
  }
  return said;
}
