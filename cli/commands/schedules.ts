import { Command } from 'commander';
import { requireManifest } from '../../client/manifest.ts';
import {
  applySchedules,
  diffSchedules,
  pauseSchedule,
  triggerSchedule,
  unpauseSchedule,
  type ScheduleLine,
} from '../../client/schedules.ts';
import { showTime } from '../../client/times.ts';
import type { TemporalClient } from '../../client/temporal.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Context, Globals } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

type Act = (client: TemporalClient['client'], manifest: Manifest, globals: Globals) => Promise<void>;

export function schedulesCommand(context: Context): Command {
  const { io, colours } = context;
  const group = new Command('schedules').description(
    'Temporal Schedules from the manifest: when jobs run, with jitter, overlap and catch-up said in full.',
  );

  const act = async (command: Command, what: Act): Promise<void> => {
    const globals = context.globals(command);
    const { manifest } = await requireManifest(globals.manifest);
    await context.withTemporal((client) => what(client, manifest, globals));
  };
  const show = (lines: readonly ScheduleLine[], { json }: Globals, none: string): void => {
    if (json) io.out(JSON.stringify(lines, null, 2));
    else if (lines.length === 0) io.out(none);
    else for (const line of lines) io.out(lineText(line, context));
  };

  group
    .command('diff')
    .description('Tell what apply would change; exit code 1 when there is something.')
    .addHelpText('after', examples('probity schedules diff'))
    .action((_options: unknown, command: Command) =>
      act(command, async (client, manifest, globals) => {
        const lines = await diffSchedules(client, manifest, globals.taskQueue);
        show(lines, globals, 'The manifest names no schedule');
        if (lines.some(({ state }) => state === 'new' || state === 'changed' || state === 'surplus')) context.exit(EXIT.findings);
      }),
    );

  group
    .command('apply')
    .description("Make Temporal's schedules what the manifest says. Doing it again changes nothing; a pause stays.")
    .addHelpText('after', examples('probity schedules apply'))
    .action((_options: unknown, command: Command) =>
      act(command, async (client, manifest, globals) =>
        show(await applySchedules(client, manifest, globals.taskQueue), globals, 'The manifest names no schedule'),
      ),
    );

  group
    .command('list')
    .description('List the schedules, with the next start of each.')
    .addHelpText('after', examples('probity schedules list --json'))
    .action((_options: unknown, command: Command) =>
      act(command, async (client, manifest, globals) => {
        const lines = await diffSchedules(client, manifest, globals.taskQueue);
        if (globals.json || lines.length === 0) return show(lines, globals, 'The manifest names no schedule');
        const rows = lines.map((line) => [
          line.name,
          line.id,
          line.paused ? 'paused' : line.state === 'same' ? 'active' : line.state,
          line.next === null ? '–' : showTime(line.next, manifest.timezone),
          line.before ?? '–',
        ]);
        io.out(
          textTable(
            ['name', 'id', 'state', 'next', 'says'].map((title) => ({ title })),
            rows,
            io.width,
          ),
        );
      }),
    );

  const steering = [
    [
      'trigger',
      "Start a schedule's run now, beside its times.",
      'was started',
      (client, manifest, name) => triggerSchedule(client, manifest, name),
    ],
    ['pause', 'Stop a schedule from starting runs; one that runs goes on.', 'is paused', pauseSchedule],
    ['unpause', 'Let a paused schedule start runs again.', 'is active again', unpauseSchedule],
  ] as const satisfies readonly (readonly [
    string,
    string,
    string,
    (client: TemporalClient['client'], manifest: Manifest, name: string, actor: string) => Promise<void>,
  ])[];
  for (const [name, description, then, steer] of steering) {
    group
      .command(name)
      .description(description)
      .argument('<name>', 'as the manifest names it')
      .addHelpText('after', examples(`probity schedules ${name} purge`))
      .action((schedule: string, _options: unknown, command: Command) =>
        act(command, async (client, manifest, { actor }) => {
          await steer(client, manifest, schedule, actor);
          io.out(`${colours.green('✓')} ${schedule} ${then}`);
        }),
      );
  }
  return group;
}

function lineText({ name, state, before, after }: ScheduleLine, { colours }: Context): string {
  switch (state) {
    case 'same':
      return `${colours.dim('=')} ${name}: ${after ?? ''}`;
    case 'new':
      return `${colours.green('+')} ${name}: ${after ?? ''}`;
    case 'changed':
      return `${colours.yellow('~')} ${name}: ${after ?? ''}\n    was: ${before ?? ''}`;
    case 'surplus':
      return `${colours.red('-')} ${name}: ${before ?? ''}`;
    case 'not available yet':
      return `${colours.yellow('!')} ${name}: not available yet, skipped: ${after ?? ''}`;
  }
}
