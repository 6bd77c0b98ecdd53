import { CUT_OFF, session, TABLE } from './dataset.ts';
import { RUN_DATABASE } from './clones.ts';
import type { Ours, OurRun, Purge } from './ours.ts';
import type { BenchServices } from './server.ts';
import { clock } from './worker-messages.ts';

export type CompetitorId = 'a' | 'b' | 'c' | 'd' | 'e';

/** The name under which a competitor's sessions are seen by the watcher; ours call themselves `probity worker`. */
export const COMPETITOR = 'bench competitor';
// What the loop that everyone writes takes at a time.
const LOOP_ROWS = 10_000;

/** What one run was seen to do; instants by the machine's clock in milliseconds. */
export interface Outcome {
  readonly rows: number;
  readonly execution: { readonly from: number; readonly to: number };
  readonly whole: { readonly from: number; readonly to: number };
  readonly transactionsMs: readonly number[];
  readonly ours: OurRun | null;
}

export interface Competitor {
  readonly id: CompetitorId;
  readonly name: string;
  readonly run: (services: BenchServices, ours: Ours) => Promise<Outcome>;
}

export const COMPETITORS: readonly Competitor[] = [
  { id: 'a', name: 'one plain DELETE', run: (services) => plain(services) },
  { id: 'b', name: `loop of ctid in (select … limit ${LOOP_ROWS})`, run: (services) => loop(services) },
  { id: 'c', name: 'ours, one lane, no pacing', run: (_, ours) => through(ours, { lanes: 1, duty: 1 }) },
  { id: 'd', name: 'ours, two lanes, no pacing', run: (_, ours) => through(ours, { lanes: 2, duty: 1 }) },
  { id: 'e', name: 'ours, default pacing', run: (_, ours) => through(ours, {}) },
];

async function plain(services: BenchServices): Promise<Outcome> {
  return session(services.url(RUN_DATABASE), COMPETITOR, async (client) => {
    const from = clock();
    const { rowCount } = await client.query(`delete from ${TABLE} where at < '${CUT_OFF}'`);
    const span = { from, to: clock() };
    return { rows: rowCount ?? 0, execution: span, whole: span, transactionsMs: [span.to - from], ours: null };
  });
}

async function loop(services: BenchServices): Promise<Outcome> {
  return session(services.url(RUN_DATABASE), COMPETITOR, async (client) => {
    const from = clock();
    const transactionsMs: number[] = [];
    for (let rows = 0; ;) {
      const began = clock();
      const { rowCount } = await client.query(
        `delete from ${TABLE} where ctid in (select ctid from ${TABLE} where at < '${CUT_OFF}' limit ${LOOP_ROWS})`,
      );
      transactionsMs.push(clock() - began);
      rows += rowCount ?? 0;
      if (rowCount === 0) {
        const span = { from, to: clock() };
        return { rows, execution: span, whole: span, transactionsMs, ours: null };
      }
    }
  });
}

async function through(ours: Ours, purge: Purge): Promise<Outcome> {
  const run = await ours.purge(purge);
  const { rows, execution, whole, record } = run;
  return { rows, execution, whole, transactionsMs: record.steps.map((step) => step.to - step.from), ours: run };
}
