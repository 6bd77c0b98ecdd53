import { Command } from 'commander';
import { apply, SHOWN_HASH, type Applied } from '../../client/versions.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { tally } from '../problems.ts';
import { textTable } from '../table.ts';

export function applyCommand(context: Context): Command {
  const { io } = context;
  return new Command('apply')
    .description('Put the manifest in force: new runs pin this version. It is checked first; who did it is recorded.')
    .option('--enforce', 'say that rows may be changed from now on, where the version in force only observes')
    .addHelpText('after', examples('probity apply', 'probity apply --enforce --actor jane.doe'))
    .action(async ({ enforce }: { readonly enforce?: boolean }, command: Command) => {
      await context.withProject(command, async (project, { actor, json }) => {
        const applied = await apply(project, { env: io.env, actor, enforce: enforce ?? false });
        if (json) return io.out(JSON.stringify(asJson(applied), null, 2));
        if (applied.warnings.length > 0) io.err(`${tally(applied.warnings)}: probity check tells them`);
        io.out(text(applied, context));
      });
    });
}

function asJson({ changed, version, differences }: Applied): unknown {
  const { version: number, hash, mode, appliedBy, appliedAt } = version;
  return { changed, version: number, hash, mode, appliedBy, appliedAt, differences };
}

/** A first version is one difference after the other; its tables are enough. */
const MOST_DIFFERENCES = 40;
const ROOM_FOR_VALUE = 60;

function text({ changed, version, differences }: Applied, { io, colours }: Context): string {
  const named = `version ${version.version} (${version.hash.slice(0, SHOWN_HASH)}), mode ${version.mode}`;
  if (!changed) return `${colours.green('✓')} in force already: ${named}, applied by ${version.appliedBy}`;
  const shown = version.version === 1 ? [] : differences.slice(0, MOST_DIFFERENCES);
  const rows = shown.map(({ path, before, after }) => [path, brief(before), brief(after)]);
  const more = version.version === 1 || differences.length === shown.length ? [] : [`and ${differences.length - shown.length} more`];
  const table = rows.length === 0 ? [] : [textTable([{ title: 'changed' }, { title: 'before' }, { title: 'after' }], rows, io.width)];
  return [...table, ...more, `${colours.green('✓')} in force: ${named}`].join('\n');
}

function brief(value: string | null): string {
  if (value === null) return '–';
  return value.length > ROOM_FOR_VALUE ? `${value.slice(0, ROOM_FOR_VALUE)}…` : value;
}
