import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { start } from '../../client/retention.ts';
import { isPolled } from '../../client/queue.ts';
import { findTable } from '../../client/tables.ts';
import { parseTime } from '../../client/times.ts';
import { inForce } from '../../client/versions.ts';
import type { Project } from '../../client/project.ts';
import type { Context, Globals } from '../context.ts';
import { followRun } from '../follow.ts';
import { examples } from '../help.ts';
import { resultJson, resultText } from '../result.ts';

interface Options {
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly asOf?: string;
  readonly table?: readonly string[];
  readonly id?: string;
  readonly certificate?: string;
}

export function runCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('run')
    .description('Start a purge by the manifest in force. In mode observe it plans and records, and changes nothing.')
    .option('--dry-run', 'plan and record only, whatever the mode')
    .option('--wait', 'follow it to its end; the exit code tells how it ended')
    .option('--as-of <time>', 'judge rows as of this past day or instant')
    .option('--table <name...>', 'only these tables')
    .option('--id <run>', 'name the run: starting the same name again follows the one that runs')
    .option('--certificate <file>', 'with --wait: where to write the certificate; never overwritten')
    .addHelpText(
      'after',
      examples(
        'probity retention run --wait',
        'probity retention run --dry-run --wait --json',
        'probity retention run --as-of 2026-11-01 --table event',
      ),
    )
    .action(async (options: Options, command: Command) => {
      await context.withProject(command, async (project, globals) => {
        const input = await prepared(project, options, globals, context);
        await context.withTemporal(async (client) => {
          const { workflowId: runId } = await start(client, input);
          const { taskQueue, json } = globals;
          if (options.wait !== true) {
            const polled = await isPolled(client, taskQueue);
            if (json) return io.out(JSON.stringify({ run: runId, worker: polled }, null, 2));
            io.out(`${colours.green('✓')} started ${runId}; follow it: probity retention status ${runId} --watch`);
            if (!polled) io.err(`No worker polls the task queue ${taskQueue}: it waits until one does (\`probity worker\`)`);
            return;
          }
          if (!json) io.out(`run ${runId} · Ctrl-C leaves it running: probity retention status ${runId} --watch`);
          const followed = await followRun(context, { project, client, runId, taskQueue, quiet: json });
          context.exit(followed.exit);
          const file = followed.status?.certificate ?? null;
          if (file !== null && options.certificate !== undefined)
            await writeFile(options.certificate, `${JSON.stringify(file, null, 2)}\n`, { flag: 'wx' });
          if (json) return io.out(JSON.stringify(resultJson(runId, followed, options.certificate ?? null), null, 2));
          io.out(resultText(runId, followed, options.certificate ?? null, context));
        });
      });
    });
}

/** Everything that can be refused is refused before Temporal hears of the run. */
async function prepared(
  project: Project,
  options: Options,
  { actor, taskQueue }: Globals,
  { io }: Context,
): Promise<Parameters<typeof start>[1]> {
  const { certificate, wait, asOf, table, id } = options;
  if (certificate !== undefined && wait !== true)
    throw new Refused('--certificate needs --wait; later: probity evidence export RUN --out FILE');
  if (certificate !== undefined && existsSync(certificate)) throw new Refused(`${certificate} is there already and is not overwritten`);
  const version = await inForce(project);
  if (version === null) throw new Refused('No manifest is in force yet: run `probity apply`');
  if (version.hash !== project.hash)
    io.err(`${project.path} is not the version in force (${version.version}), which is what runs: \`probity apply\` puts it in force`);
  const only = table?.map((name) => findTable(version.manifest, name)) ?? null;
  const at = asOf === undefined ? null : parseTime(asOf, version.manifest.timezone);
  if (at !== null && at.getTime() > Date.now())
    throw new Refused('A purge takes only a past time; a forecast is what `probity retention plan --as-of` is for');
  return {
    actor,
    taskQueue,
    asOf: at?.toISOString() ?? null,
    only,
    dryRun: options.dryRun ?? false,
    ...(id !== undefined && { runId: id }),
  };
}
