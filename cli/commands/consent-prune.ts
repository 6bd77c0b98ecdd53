import { Command } from 'commander';
import { pruneProofs } from '../../client/consent/prune.ts';
import { showDay } from '../../client/times.ts';
import type { Context } from '../context.ts';
import { counter } from '../counter.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';
import { textTable } from '../table.ts';

export function pruneCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('prune')
    .description('Delete what records say when it has been out of force for own.consent_proof. Counts only, unless told --yes.')
    .option('--yes', 'delete; the manifest in force must be in mode enforce')
    .addHelpText(
      'after',
      '\nThe chain of records stays, so `probity consent verify` still proves that none was altered. No answer to a permission changes.',
    )
    .addHelpText('after', examples('probity consent prune', 'probity consent prune --yes'))
    .action(async ({ yes }: { readonly yes?: boolean }, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const pruned = await pruneProofs(project, { enforce: yes ?? false, onProgress: counter(io, 'people looked through') });
        if (json) return io.out(JSON.stringify(pruned, null, 2));
        const since = `out of force since before ${showDay(pruned.cutOff, project.manifest.timezone)} (own.consent_proof ${pruned.keep})`;
        const rows = Object.entries(pruned.byDecision).sort(([one], [other]) => (one < other ? -1 : 1));
        if (rows.length > 0) {
          const body = rows.map(([decision, number]) => [decision, count(number)]);
          io.out(textTable([{ title: 'decision' }, { title: 'contents', align: 'right' }], body, io.width));
        }
        if (pruned.kept > 0) io.out(`${count(pruned.kept)} stay: without them an answer would be another one`);
        if (pruned.held > 0) io.out(`${count(pruned.held)} stay under a legal hold`);
        if (pruned.requested > 0) io.out(`${count(pruned.requested)} stay for an open request: a copy of what is held, or a restriction`);
        if (!pruned.enforced) return io.out(`${contents(pruned.contents)} ${since}; nothing was deleted (--yes deletes)`);
        io.out(
          `${colours.green('✓')} ${contents(pruned.contents)} deleted, ${since}; nothing is left of ${count(pruned.links)} ${pruned.links === 1 ? 'person' : 'people'}`,
        );
        if (!pruned.linksDone)
          io.err(`${colours.yellow('!')} recorders were busy: links of people without records are left for the next time`);
      });
    });
}

const contents = (value: number): string => `${count(value)} content${value === 1 ? '' : 's'}`;
