import { Command, InvalidArgumentError } from 'commander';
import { list } from '../../client/retention.ts';
import { showTime } from '../../client/times.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

const DEFAULT_LIMIT = 20;

export function listCommand(context: Context): Command {
  const { io } = context;
  return new Command('list')
    .description('List runs, the newest first.')
    .option('--limit <number>', 'at most so many', positive, DEFAULT_LIMIT)
    .addHelpText('after', examples('probity retention list', 'probity retention list --limit 100 --json'))
    .action(async ({ limit }: { readonly limit: number }, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const runs = await list(project, limit);
        if (json) return io.out(JSON.stringify(runs, null, 2));
        if (runs.length === 0) return io.out('No run yet: probity retention run');
        const zone = project.manifest.timezone;
        const rows = runs.map((run) => [run.runId, run.state, run.mode, showTime(run.asOf, zone), showTime(run.openedAt, zone), run.actor]);
        io.out(
          textTable(
            ['run', 'state', 'mode', 'as of', 'opened', 'by'].map((title) => ({ title })),
            rows,
            io.width,
          ),
        );
      });
    });
}

/** For options that count something. */
export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}
