import { parseArgs } from 'node:util';
import { COMPETITORS, type CompetitorId } from './competitors.ts';
import type { HeapOrder } from './dataset.ts';

export interface Options {
  readonly rows: readonly number[];
  readonly orders: readonly HeapOrder[];
  readonly runs: number;
  readonly competitors: readonly CompetitorId[];
  readonly foreign: boolean;
  readonly quietMs: number;
  /** Rows of the partitioned table; 0 leaves it out. */
  readonly drop: number;
  readonly write: boolean;
  readonly dir: string | undefined;
  /** Kept results to show instead of measuring. */
  readonly merge: readonly string[];
}

export const USAGE = `npm run bench -- retention [options]

Measures retention purges against a plain DELETE and the usual loop, on a Postgres and a Temporal of its own.
The defaults take about an hour, 40 GB of disk and a machine that does nothing else.

  --rows 10M,20M         sizes of the table
  --order time,random    of the expired rows in the heap
  --runs 3               of each competitor but b, which runs once, at the smallest size; medians are shown
  --competitors abcde    a one DELETE, b the loop, c one lane, d two lanes, e default pacing
  --drop 10M             rows of the partitioned table; 0 leaves it out
  --no-foreign           without the runs beside a foreign workload (at the largest size)
  --quiet 15             seconds of the foreign workload alone, before each such run
  --dir FOLDER           where the databases go for the time; otherwise the system's temporary folder
  --write                writes docs/benchmarks.md
  --merge FILE,FILE      measures nothing: shows (and with --write writes) kept results of several runs on one machine`;

export class WrongUsage extends Error {}

/** Reads the command line; throws `WrongUsage`. Null when help was asked for. */
export function readOptions(args: readonly string[]): Options | null {
  const { values } = parse(args);
  if (values.help) return null;
  return {
    rows: values.rows.split(',').map(count),
    orders: values.order.split(',').map((order) => {
      if (order !== 'time' && order !== 'random') throw new WrongUsage(`--order takes time and random, not ${order}`);
      return order;
    }),
    runs: count(values.runs),
    competitors: [...values.competitors].map((letter) => {
      const found = COMPETITORS.find((one) => one.id === letter);
      if (found === undefined) throw new WrongUsage(`There is no competitor ${letter}`);
      return found.id;
    }),
    foreign: !values['no-foreign'],
    quietMs: count(values.quiet) * 1000,
    drop: values.drop === '0' ? 0 : count(values.drop),
    write: values.write,
    dir: values.dir,
    merge: values.merge === undefined ? [] : values.merge.split(','),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rows: { type: 'string', default: '10M,20M' },
        order: { type: 'string', default: 'time,random' },
        runs: { type: 'string', default: '3' },
        competitors: { type: 'string', default: 'abcde' },
        drop: { type: 'string', default: '10M' },
        'no-foreign': { type: 'boolean', default: false },
        quiet: { type: 'string', default: '15' },
        dir: { type: 'string' },
        merge: { type: 'string' },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new WrongUsage(error instanceof Error ? error.message : String(error));
  }
}

/** `20M`, `200k` or `200000`. */
function count(text: string): number {
  const match = /^(\d+)([kM]?)$/.exec(text.trim());
  const value = Number(match?.[1]) * (match?.[2] === 'M' ? 1_000_000 : match?.[2] === 'k' ? 1_000 : 1);
  if (!Number.isSafeInteger(value) || value < 1) throw new WrongUsage(`${text} is not a number`);
  return value;
}
