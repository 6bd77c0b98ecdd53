import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeStateFolder } from '../paths.ts';
import { dropAll, makePristine, restore, RUN_DATABASE } from './clones.ts';
import { COMPETITORS, type Competitor, type CompetitorId, type Outcome } from './competitors.ts';
import { left, session, type Dataset, type HeapOrder } from './dataset.ts';
import { besideForeign } from './foreign.ts';
import { describeMachine } from './machine.ts';
import { readOptions, USAGE, WrongUsage, type Options } from './options.ts';
import { startOurs, type Ours } from './ours.ts';
import { writePage } from './page.ts';
import { benchmarkPage, report } from './report.ts';
import { toRun, type DropSeries, type Results, type Run, type Series } from './results.ts';
import { startServices, type BenchServices } from './server.ts';

/** Those measured beside the foreign workload. */
const WITH_FOREIGN: readonly CompetitorId[] = ['a', 'd', 'e'];

interface Bench {
  readonly services: BenchServices;
  readonly ours: Ours;
  readonly options: Options;
  readonly log: (line: string) => void;
}

export async function benchRetention(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (options === null) {
    console.log(USAGE);
    return;
  }
  const began = Date.now();
  const log = (line: string): void => console.error(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);
  if (options.merge.length > 0) {
    const results = merge(options.merge.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Results));
    console.log(report(results));
    if (options.write) publish(results, ['(several calls, merged)'], log);
    return;
  }
  const services = await startServices(options.dir, log);
  try {
    const ours = await startOurs(services);
    const bench = { services, ours, options, log };
    try {
      const machine = await describeMachine(services);
      const file = join(makeStateFolder('bench'), `retention-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.json`);
      let results: Results = { machine, series: [], drop: null };
      // Kept as they come: an hour of runs must not be lost to an error in the last of them.
      const keep = (more: Partial<Results>): void => {
        results = { ...results, ...more };
        writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
      };
      for (const rows of options.rows) {
        for (const order of options.orders) keep({ series: [...results.series, ...(await measureTable(bench, rows, order))] });
      }
      if (options.drop > 0) keep({ drop: await measureDrop(bench) });
      console.log(`\n${report(results)}`);
      log(`every run: ${file}`);
      if (options.write) publish(results, args, log);
    } finally {
      await ours.stop();
    }
  } finally {
    await services.stop();
  }
}

async function measureTable(bench: Bench, rows: number, order: HeapOrder): Promise<Series[]> {
  const { services, options, log } = bench;
  log(`making ${rows.toLocaleString('en')} rows in ${order} order`);
  const dataset = await makePristine(services, rows, order, false);
  const competitors = COMPETITORS.filter((one) => options.competitors.includes(one.id));
  const warmUp = COMPETITORS.find((one) => one.id === 'd');
  if (warmUp !== undefined) await once(bench, dataset, warmUp, 'warm-up', false);
  // The loop takes minutes where ours takes seconds, more than in proportion: at the smallest size it has told all it can.
  const affordable = competitors.filter((one) => one.id !== 'b' || rows === Math.min(...options.rows));
  const alone = await rounds(bench, dataset, order, affordable, false);
  const besides = options.foreign && rows === Math.max(...options.rows) ? competitors.filter((one) => WITH_FOREIGN.includes(one.id)) : [];
  const beside = await rounds(bench, dataset, order, besides, true);
  await dropAll(services);
  return [...alone, ...beside];
}

/** Every competitor once a round (the loop in the first alone); each round begins with another, so that none always follows the same. */
async function rounds(
  bench: Bench,
  dataset: Dataset,
  order: HeapOrder,
  competitors: readonly Competitor[],
  besideForeign: boolean,
): Promise<Series[]> {
  const runs = new Map<CompetitorId, Run[]>(competitors.map((one) => [one.id, []]));
  for (let round = 0; round < bench.options.runs; round++) {
    for (let turn = 0; turn < competitors.length; turn++) {
      const competitor = competitors[(turn + round) % competitors.length]!;
      if (competitor.id === 'b' && round > 0) continue;
      const run = await once(bench, dataset, competitor, `round ${round + 1} of ${bench.options.runs}`, besideForeign);
      runs.get(competitor.id)?.push(run);
    }
  }
  return competitors.map((one) => ({ dataset, order, competitor: one.id, besideForeign, runs: runs.get(one.id) ?? [] }));
}

async function once(
  { services, ours, options, log }: Bench,
  dataset: Dataset,
  competitor: Competitor,
  label: string,
  beside: boolean,
): Promise<Run> {
  await restore(services);
  const compete = (): Promise<Outcome> => competitor.run(services, ours);
  const { outcome, foreign } = beside
    ? await besideForeign(services, dataset.rows, options.quietMs, compete)
    : { outcome: await compete(), foreign: null };
  await confirm(services, dataset, outcome);
  if (foreign !== null && foreign.errors > 0) throw new Error(`${foreign.errors} operations of the foreign workload failed`);
  const run = toRun(outcome, foreign);
  const execution = `${(run.executionMs / 1000).toFixed(2)} s, ${Math.round((run.rows * 1000) / run.executionMs).toLocaleString('en')} rows/s`;
  const latency =
    foreign === null ? '' : `; foreign p99 ${foreign.quiet.p99.toFixed(1)} ms quiet, ${foreign.during.p99.toFixed(1)} ms during`;
  log(`${label} · (${competitor.id}) ${competitor.name}: ${execution}, whole ${(run.wholeMs / 1000).toFixed(2)} s${latency}`);
  return run;
}

/** A fast purge that leaves something behind, or takes too much, is no result. */
async function confirm(services: BenchServices, dataset: Dataset, outcome: Outcome): Promise<void> {
  const found = await session(services.url(RUN_DATABASE), 'bench set-up', left);
  if (outcome.rows !== dataset.expired || found.expired !== 0 || found.rows !== dataset.rows - dataset.expired) {
    throw new Error(
      `Of ${dataset.expired} expired rows ${outcome.rows} were reported gone and ${found.expired} are left, of ${dataset.rows} rows ${found.rows}`,
    );
  }
}

async function measureDrop(bench: Bench): Promise<DropSeries> {
  const { services, options, ours, log } = bench;
  log(`making ${options.drop.toLocaleString('en')} rows in monthly partitions`);
  const dataset = await makePristine(services, options.drop, 'time', true);
  const dropping: Competitor = {
    id: 'e',
    name: 'ours, dropping partitions',
    run: () => COMPETITORS.find((one) => one.id === 'e')!.run(services, ours),
  };
  const runs: Run[] = [];
  for (let round = 0; round < options.runs; round++)
    runs.push(await once(bench, dataset, dropping, `round ${round + 1} of ${options.runs}`, false));
  await dropAll(services);
  return { dataset, runs };
}

/** Runs of the same thing stand together, whichever call measured them. The files are of one machine. */
function merge(files: readonly Results[]): Results {
  const [first] = files;
  if (first === undefined) throw new WrongUsage('There is nothing to merge');
  const series = new Map<string, Series>();
  for (const one of files.flatMap((file) => file.series)) {
    const key = `${one.dataset.rows} ${one.order} ${one.competitor} ${one.besideForeign}`;
    series.set(key, { ...one, runs: [...(series.get(key)?.runs ?? []), ...one.runs] });
  }
  return { ...first, series: [...series.values()], drop: files.find((file) => file.drop !== null)?.drop ?? null };
}

function publish(results: Results, args: readonly string[], log: (line: string) => void): void {
  log(`written: ${writePage(benchmarkPage(results, `npm run bench -- retention ${args.join(' ')}`.trim()))}`);
}
