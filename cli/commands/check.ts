import { Command } from 'commander';
import { check, errorsIn, type CheckReport } from '../../client/check.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { mapText } from '../map-text.ts';
import { problemLines, tally } from '../problems.ts';

export function checkCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('check')
    .description('Check the manifest against the live databases: every problem at once, with its place. Needs Postgres only.')
    .option('--map', 'show of each reference that leads to people whose the row is, and why')
    .addHelpText('after', examples('probity check', 'probity check --map', 'probity check --manifest governance/ --json'))
    .action(async (options: { readonly map?: true }, command: Command) => {
      const { manifest: path, json } = context.globals(command);
      const report = await check(path, io.env);
      const errors = errorsIn(report.problems).length;
      if (json)
        io.out(
          JSON.stringify(
            { hash: report.hash, looked: report.looked, unreachable: report.unreachable, problems: report.problems, map: report.map },
            null,
            2,
          ),
        );
      else {
        if (options.map && report.map.length > 0) io.out(`${mapText(report.map, io.width)}\n`);
        for (const line of problemLines(report.problems, colours)) io.out(line);
        io.out(`${mark(report, errors, colours)} ${path}: ${tally(report.problems)}; ${lookedText(report)}`);
      }
      if (errors > 0) context.exit(EXIT.usage);
      else if (report.looked.length === 0 || Object.keys(report.unreachable).length > 0) context.exit(EXIT.unreachable);
    });
}

/** ✓ means that everything was looked at. */
function mark({ looked, unreachable }: CheckReport, errors: number, colours: Context['colours']): string {
  if (errors > 0 || looked.length === 0) return colours.red('✗');
  return Object.keys(unreachable).length > 0 ? colours.yellow('!') : colours.green('✓');
}

function lookedText({ looked, unreachable }: CheckReport): string {
  if (looked.length === 0) return 'no store was looked at';
  const not = Object.keys(unreachable);
  return `looked at ${looked.join(', ')}${not.length === 0 ? '' : `, not at ${not.join(', ')}`}`;
}
