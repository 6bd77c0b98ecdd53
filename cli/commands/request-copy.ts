import { Command } from 'commander';
import { copyRequest, type CopySummary } from '../../client/requests/copy.ts';
import { Refused } from '../../client/refused.ts';
import { readActorToken, withoutTokenOption } from '../actor-token.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';
import { textTable } from '../table.ts';

interface CopyFlags {
  readonly out: string;
  readonly jsonOnly?: boolean;
  readonly force?: boolean;
  readonly why?: string;
}

export function copyCommand(context: Context): Command {
  const { io } = context;
  const command = new Command('copy')
    .description(
      'Gather what is held about whoever asked (access), or what they provided (portability), into files that only you can read. The look is recorded first.',
    )
    .argument('<id...>', 'numbers of requests for access or portability, such as R-1001')
    .requiredOption('--out <folder>', 'where to write R-1001.json and R-1001.html; of portability also a CSV file a table')
    .option('--json-only', 'without the page for people')
    .option('--force', 'replace the files of an earlier copy')
    .option('--why <text>', 'why you look, for the record; no personal data')
    .addHelpText(
      'after',
      '\nNeeds the token of an actor with the role officer. Files are personal data: hand them over by a safe way, then delete them.',
    )
    .addHelpText(
      'after',
      examples(
        'PROBITY_ACTOR_TOKEN=… probity request copy R-1001 --out copies',
        'PROBITY_ACTOR_TOKEN=… probity request copy R-1001 R-1002 --out copies --json-only --why "batch of Monday"',
      ),
    )
    .action(async (ids: readonly string[], flags: CopyFlags, self: Command) => {
      const { out: folder, jsonOnly = false, force = false, why = null } = flags;
      await context.withProject(self, async (project, { json }) => {
        const token = await readActorToken(context);
        const summaries: (CopySummary | { readonly request: string; readonly problem: string })[] = [];
        for (const id of new Set(ids)) {
          const progress = (store: string): void => io.err(`Reading ${store} for ${id} …`);
          try {
            const summary = await copyRequest(project, id, { folder, jsonOnly, force, why, progress }, token);
            summaries.push(summary);
            if (!json) io.out(summaryText(summary, context));
          } catch (error) {
            // One of several does not keep the others waiting; of one alone the command says what it is, and by its exit code.
            if (!(error instanceof Refused) || new Set(ids).size === 1) throw error;
            summaries.push({ request: id, problem: error.message });
            if (!json) io.err(`${context.colours.yellow('!')} ${error.message.startsWith(id) ? '' : `${id}: `}${error.message}`);
          }
        }
        if (summaries.some((it) => 'problem' in it)) context.exit(EXIT.findings);
        if (json) io.out(JSON.stringify(summaries, null, 2));
      });
    });
  return withoutTokenOption(command);
}

/** Counts by table: who it is about stands in the files alone. */
function summaryText({ request, kind, tables, files, sha256 }: CopySummary, { colours, io }: Context): string {
  const number = (value: number): string => (value === 0 ? '–' : count(value));
  const body = tables.map((it) => [
    it.table,
    number(it.rows),
    number(it.naming),
    number(it.withheld),
    ...(kind === 'portability' ? [number(it.leftOut)] : []),
  ]);
  const titles = ['rows', 'named in', 'withheld', ...(kind === 'portability' ? ['columns left out'] : [])];
  return [
    ...(tables.length === 0
      ? [`${request}: nothing was found`]
      : [textTable([{ title: 'table' }, ...titles.map((title) => ({ title, align: 'right' as const }))], body, io.width)]),
    `${colours.green('✓')} ${request} is copied into ${files.join(', ')} · sha256 ${sha256}`,
    `Read it, hand it over by a safe way, then: probity request reply ${request} --sent`,
  ].join('\n');
}
