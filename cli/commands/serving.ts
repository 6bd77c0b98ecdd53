import { Command } from 'commander';
import { durability, servingStatus, type ServingStatus, type StoreServing } from '../../client/serving.ts';
import type { Context } from '../context.ts';
import { tellDurability } from '../durability.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';
import { textTable } from '../table.ts';

export function servingCommand(context: Context): Command {
  const { io, colours } = context;
  const group = new Command('serving').description('Whether permissions and views answer, in which stores, and what is still on its way.');
  group
    .command('status')
    .description(
      'Tell of each store whether it answers, how far its replica is, and what waits. Exit code 1 when something is closed or behind.',
    )
    .addHelpText('after', examples('probity serving status', 'probity serving status --json'))
    .action(async (_options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const status = await servingStatus(project);
        if (!status.healthy) context.exit(EXIT.findings);
        io.out(json ? JSON.stringify(status, null, 2) : text(status, context));
      });
    });
  group
    .command('drain')
    .description('Write to the sink what the stores still owe it, now; workers do so by themselves.')
    .addHelpText('after', examples('probity serving drain'))
    .action(async (_options: unknown, command: Command) => {
      await context.withProject(command, async (project) => {
        const result = await durability(project);
        tellDurability(result, context);
        if (result.durable) io.out(`${colours.green('✓')} everything that was committed is in the sink`);
      });
    });
  return group;
}

function text({ stores, silent, outbox, openRequests, sink }: ServingStatus, { io, colours }: Context): string {
  const right = 'right' as const;
  const columns = [
    { title: 'store' },
    { title: 'answers' },
    { title: 'lease left', align: right },
    { title: 'waiting', align: right },
    { title: 'lag p50 / p99 / max' },
    { title: 'sink owes', align: right },
  ];
  const rows = stores.map((one) => [
    one.home ? `${one.store} (home)` : one.store,
    answers(one),
    one.leaseLeftMs === null ? '–' : duration(Math.max(0, one.leaseLeftMs)),
    one.home ? '–' : `${count(one.pending)}${one.pending === 0 ? '' : `, ${duration(one.oldestMs)}`}`,
    one.lag === null ? '–' : `${[one.lag.p50, one.lag.p99, one.lag.max].map(duration).join(' / ')} of ${count(one.lag.changes)}`,
    sink === 'none' ? '–' : count(one.sinkRows),
  ]);
  const lines = [
    ...(rows.length === 0 ? [] : [textTable(columns, rows, io.width)]),
    ...Object.entries(silent).map(([store, why]) => `${colours.red('✗')} ${store}: ${why}`),
    `${count(outbox)} requests wait for their workflow, ${count(openRequests)} are not in force in every store yet`,
    sinkText(sink, colours),
  ];
  return lines.join('\n');
}

function answers({ open, restored, opened, home }: StoreServing): string {
  if (restored) return 'no: restored, run `probity restore replay`';
  if (open) return 'yes';
  if (!opened) return home ? 'no: run `probity apply`' : 'no: waits for its first refresh by a worker';
  return 'no: stale, is a worker running?';
}

function sinkText(sink: ServingStatus['sink'], colours: Context['colours']): string {
  if (sink === 'none') return `${colours.yellow('!')} no sink: a restored backup would not know later withdrawals and holds`;
  if (sink === 'behind')
    return `${colours.red('✗')} the sink is behind: it cannot be written, or no worker runs (probity serving drain says which)`;
  return `${colours.green('✓')} the sink is written`;
}

const SECOND_MS = 1_000;

function duration(ms: number): string {
  return ms < SECOND_MS ? `${Math.round(ms)} ms` : `${(ms / SECOND_MS).toFixed(1)} s`;
}
