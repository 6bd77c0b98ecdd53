import { Command } from 'commander';
import { diffViews, makeViews, plannedViews, removeViews, viewScripts, type StoreReport } from '../../client/views.ts';
import type { StoreViews, TableView, ViewColumn, ViewFinding } from '../../domain/views/model.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

interface Options {
  readonly printSql?: boolean;
}

export function viewsCommand(context: Context): Command {
  const { io, colours } = context;
  const group = new Command('views').description(
    'A schema of views for each purpose: what it covers, of people whose permission holds, under pseudonyms of its own.',
  );

  group
    .command('apply')
    .description('Make the views, roles and grants what the manifest says. Doing it again changes nothing.')
    .option('--print-sql', 'print the SQL instead, for people who apply SQL themselves')
    .addHelpText('after', examples('probity views apply', 'probity views apply --print-sql > views.sql'))
    .action(async ({ printSql }: Options, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        if (printSql === true) return printed(await viewScripts(project, false), context);
        report(await makeViews(project), json, 'the views are in force', context);
      });
    });

  group
    .command('diff')
    .description('Show what apply would change; exit code 1 when there is something.')
    .option('--print-sql', 'print the SQL')
    .addHelpText('after', examples('probity views diff', 'probity views diff --print-sql'))
    .action(async ({ printSql }: Options, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        if (printSql === true) return printed(await viewScripts(project, false), context);
        const reports = await diffViews(project);
        report(reports, json, 'the views are as the manifest says', context);
        if (reports.some((one) => one.changes.length > 0)) context.exit(EXIT.findings);
      });
    });

  group
    .command('drop')
    .description('Remove all views and what their owner was granted. Pseudonyms stay the same if they are made again.')
    .option('--print-sql', 'print the SQL instead')
    .addHelpText('after', examples('probity views drop'))
    .action(async ({ printSql }: Options, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        if (printSql === true) return printed(await viewScripts(project, true), context);
        report(await removeViews(project), json, 'no view is left', context);
      });
    });

  group
    .command('show')
    .description('List what each purpose may see: views, columns, and whose permission decides.')
    .argument('[purpose]', 'only this one')
    .addHelpText('after', examples('probity views show', 'probity views show personalization'))
    .action(async (purpose: string | undefined, _options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const planned = (await plannedViews(project)).map((store) => ({
          ...store,
          purposes: store.purposes.filter((it) => purpose === undefined || it.purpose === purpose),
        }));
        if (json) return io.out(JSON.stringify(planned, null, 2));
        const rows = planned.flatMap(rowsOf);
        if (rows.length === 0) return io.out(colours.yellow('no view serves this purpose'));
        io.out(
          textTable(
            [{ title: 'view' }, { title: 'store' }, { title: 'columns' }, { title: 'permission of' }, { title: 'captured' }],
            rows,
            io.width,
          ),
        );
      });
    });

  return group;
}

function printed(scripts: readonly { readonly store: string; readonly sql: string }[], { io }: Context): void {
  for (const { store, sql } of scripts) io.out(`-- store ${store}\n${sql}`);
}

const SIGNS = { create: '+', replace: '~', drop: '-', grant: '+', revoke: '-' } as const;

function report(reports: readonly StoreReport[], json: boolean, done: string, context: Context): void {
  const { io, colours } = context;
  const unfinished = reports.some((one) => one.left.length > 0);
  const refused = reports.some((one) => one.findings.some(isSerious));
  if (unfinished || refused) context.exit(EXIT.findings);
  if (json) return io.out(JSON.stringify(reports, null, 2));
  for (const { store, changes, findings, left } of reports) {
    for (const { kind, what } of changes) io.out(`${colours.dim(store)} ${SIGNS[kind]} ${kind} ${what}`);
    for (const finding of findings) for (const line of findingLines(finding, context)) io.err(line);
    if (left.length > 0) io.err(`${colours.red('not done')} in ${store}, our role may not; somebody who may:\n${left.join('\n')}`);
    if (changes.length === 0) io.out(`${colours.green('✓')} ${store}: ${done}`);
  }
}

/** A role that is refused is an error; that a view shows little is for somebody to know. */
function isSerious({ code }: ViewFinding): boolean {
  return code === 'reader' || code === 'read_directly';
}

function findingLines(finding: ViewFinding, { colours }: Context): string[] {
  const { purpose, about, message, fix } = finding;
  const paint = isSerious(finding) ? colours.red('refused') : colours.yellow('note');
  const line = `${paint} ${purpose === null ? '' : `${purpose}: `}${about}: ${message}`;
  return fix === null ? [line] : [line, `    ${colours.dim('fix:')} ${fix}`];
}

function rowsOf({ store, purposes }: StoreViews): string[][] {
  return purposes.flatMap(({ schema, views, channels }) => [
    ...views.map((view) => [
      `${schema}.${view.name}`,
      store,
      view.columns.map(columnText).join(', '),
      peopleText(view),
      capturedText(view),
    ]),
    ...(channels.length > 0
      ? [[`${schema}.permitted_channels`, store, 'pseudonym*, channel', channels.map((it) => it.subject).join(', '), '–']]
      : []),
  ]);
}

function columnText(column: ViewColumn): string {
  return column.kind === 'pseudonym' ? `${column.name}*` : column.name;
}

function peopleText({ ways, withoutSubject }: TableView): string {
  if (ways.length === 0) return withoutSubject ? 'nobody: all rows' : 'nobody: no row';
  const named = ways.map(({ steps, end }) => [...steps.map((step) => step.to.slice(step.to.indexOf('.') + 1)), end.subject]);
  // A subject's own table has, as a rule, the subject's name.
  return named.map((names) => names.filter((name, index) => name !== names[index - 1]).join(' → ')).join(' and ');
}

function capturedText({ table, ways }: TableView): string {
  const texts = ways.map(({ capture, steps }) => {
    if (capture === null) return '–';
    if (capture === 'unknown') return 'unknown: no row';
    return capture.hop === 0 ? capture.column : `${(steps[capture.hop - 1]?.to ?? table).split('.').at(-1) ?? ''}.${capture.column}`;
  });
  return [...new Set(texts)].join(', ') || '–';
}
