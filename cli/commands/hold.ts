import { Command } from 'commander';
import { holdSubject, holdTable, holds, release, type HoldOptions, type ListedHold, type PlacedHold } from '../../client/holds.ts';
import type { Project } from '../../client/project.ts';
import { Refused } from '../../client/refused.ts';
import { parseTime, showDay } from '../../client/times.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { IDENTITY_HELP, readIdentity, withIdentity, type IdentityOptions } from '../identity.ts';
import { count, rows } from '../numbers.ts';
import { textTable } from '../table.ts';
import { tellDurability } from '../durability.ts';

interface AddOptions extends IdentityOptions {
  readonly table?: string;
  readonly where?: string;
  readonly all?: boolean;
  readonly store?: string;
  readonly unknown?: boolean;
  readonly reason: string;
  readonly until?: string;
  readonly id?: string;
}

export function holdCommand(context: Context): Command {
  const { io, colours } = context;
  const group = new Command('hold').description('Legal holds: rows under a hold are not changed by anything, whatever their rules say.');

  withIdentity(group.command('add'), 0, 'hold everything that belongs to one person: which subject of the manifest')
    .description('Place a hold, on rows of a table or on everything of a subject. It is in force when this returns.')
    .option('--table <name>', 'hold rows of this table')
    .option('--where <condition>', `which rows: comparisons joined by and, such as "country = 'DE' and placed_at >= '2025-01-01'"`)
    .option('--all', 'every row of the table')
    .option('--store <name>', 'with --subject: only in this store')
    .option('--unknown', 'with --subject: also for a key that the subject’s table does not have')
    .requiredOption('--reason <text>', 'why, for the record; no personal data')
    .option('--until <time>', 'when it ends by itself')
    .option('--id <id>', 'its name, such as the number of the case')
    .addHelpText('after', IDENTITY_HELP)
    .addHelpText(
      'after',
      examples(
        `probity hold add --table order --where "country = 'DE'" --reason "Litigation 4711"`,
        'probity hold add --subject customer --reason "Case 12" --until 2027-06-30 < key.txt',
        'probity hold add --subject customer --by email --reason "Case 13" --from address.txt',
      ),
    )
    .action(async (options: AddOptions, command: Command) => {
      await context.withProject(command, async (project, { actor, json }) => {
        const { timezone } = project.manifest;
        const until = options.until === undefined ? null : parseTime(options.until, timezone);
        const placed = await add(project, options, { id: options.id ?? null, reason: options.reason, actor, until }, context);
        tellDurability(placed.durability, context);
        if (json) return io.out(JSON.stringify(placed, null, 2));
        io.out(addedText(placed, context));
      });
    });

  group
    .command('list')
    .description('List the holds in force.')
    .option('--released', 'those that were released too')
    .addHelpText('after', examples('probity hold list', 'probity hold list --released --json'))
    .action(async ({ released }: { readonly released?: boolean }, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const found = await holds(project, { released: released ?? false });
        if (json) return io.out(JSON.stringify(found, null, 2));
        if (found.length === 0) return io.out('No hold is in force');
        io.out(listText(found, project.manifest.timezone, io.width));
      });
    });

  group
    .command('release')
    .description('End a hold.')
    .argument('<id>', 'the hold')
    .requiredOption('--reason <text>', 'why, for the record')
    .addHelpText('after', examples('probity hold release H-4K7MZR --reason "Case closed"'))
    .action(async (id: string, { reason }: { readonly reason: string }, command: Command) => {
      await context.withProject(command, async (project, { actor }) => {
        const { stores, durability } = await release(project, id, actor, reason);
        tellDurability(durability, context);
        io.out(`${colours.green('✓')} ${id} is released in ${stores.join(', ')}`);
      });
    });

  return group;
}

async function add(project: Project, options: AddOptions, hold: HoldOptions, context: Context): Promise<PlacedHold> {
  const { table, where, all, subject: name, store, unknown } = options;
  if ((table === undefined) === (name === undefined)) throw new Refused('Name either --table or --subject');
  if (name !== undefined) {
    const { subject, key, found } = await readIdentity(project, options, context);
    if (!found || project.manifest.subjects[subject] === undefined)
      throw new Refused('A hold is on a subject of the manifest that somebody has; nobody has this identity');
    return holdSubject(project, { ...hold, subject, key, store: store ?? null, unknown: unknown ?? false });
  }
  if ((where === undefined) !== (all === true)) throw new Refused('--table needs --where, or --all for every row');
  return holdTable(project, { ...hold, table: table ?? '', where: where ?? null });
}

function addedText({ id, rows: held, stores, notReached, known }: PlacedHold, { colours }: Context): string {
  const total = Object.values(held).reduce((sum, one) => sum + one, 0);
  const tables = Object.entries(held).filter(([, one]) => one > 0);
  const parts = tables.map(([table, one]) => `${count(one)} ${table}`).join(', ');
  const lines = [
    `${colours.green('✓')} hold ${id} is in force in ${stores.join(', ')}: ${rows(total)} under it now${parts === '' ? '' : ` (${parts})`}`,
    ...notReached.map(
      (store) =>
        `${colours.yellow('!')} ${store} is not reached: no foreign key and no reference leads from its rows to the subject; hold its rows by --table`,
    ),
    ...(known
      ? []
      : [
          `${colours.yellow('!')} the subject's own table has nobody with this key: the hold keeps only what elsewhere names it, and whoever gets this key`,
        ]),
    ...(total === 0 ? [`${colours.yellow('!')} no row is under it yet; rows that come later will be`] : []),
  ];
  return lines.join('\n');
}

function listText(found: readonly ListedHold[], zone: string, width: number | null): string {
  const body = found.map((hold) => [
    hold.id,
    hold.stores.join(', '),
    hold.scope.kind === 'table'
      ? `${hold.scope.table}${hold.scope.conditions.length === 0 ? '' : ` where ${hold.scope.conditions.map((it) => `${it.column} ${it.operator} ${it.value === null ? 'null' : `'${it.value}'`}`).join(' and ')}`}`
      : `${hold.scope.subject} ${hold.scope.key.join(', ')}`,
    hold.actor,
    showDay(new Date(hold.placedAt), zone),
    hold.releasedAt !== null
      ? `released ${showDay(new Date(hold.releasedAt), zone)}`
      : hold.endsAt === null
        ? 'until released'
        : `until ${showDay(new Date(hold.endsAt), zone)}`,
    hold.reason,
  ]);
  return textTable(
    ['hold', 'store', 'rows', 'by', 'placed', 'end', 'reason'].map((title) => ({ title })),
    body,
    width,
  );
}
