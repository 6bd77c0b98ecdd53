import { Command } from 'commander';
import { lastPlan, plan } from '../../client/retention.ts';
import { findTable } from '../../client/tables.ts';
import { parseTime } from '../../client/times.ts';
import { planHash } from '../../client/wording.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { planText } from '../plan-text.ts';

interface Options {
  readonly asOf?: string;
  readonly table?: readonly string[];
}

export function planCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('plan')
    .description('Count what the rules would do now, or on another day. Reads only; needs neither Temporal nor our schema.')
    .option('--as-of <time>', 'another day, past or future, or an instant')
    .option('--table <name...>', 'only these tables')
    .addHelpText(
      'after',
      examples('probity retention plan', 'probity retention plan --as-of 2027-01-01', 'probity retention plan --table customer --json'),
    )
    .action(async ({ asOf, table }: Options, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const { manifest } = project;
        const only = table?.map((name) => findTable(manifest, name)) ?? null;
        const at = asOf === undefined ? null : parseTime(asOf, manifest.timezone);
        const counted = await plan(project, { asOf: at, only });
        if (json) return io.out(JSON.stringify({ hash: planHash(counted), ...counted }, null, 2));
        const previous = only === null && at === null ? await lastPlan(project) : null;
        io.out(planText(counted, { previous, duty: manifest.purge.duty, colours, width: io.width }));
      });
    });
}
