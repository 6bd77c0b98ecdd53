import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { redactHits, showFound } from '../../client/requests/found.ts';
import { dismissHits, foundHits, searchAgain } from '../../client/requests/plan.ts';
import { SHOWN_HASH } from '../../client/versions.ts';
import { readActorToken, withoutTokenOption } from '../actor-token.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { foundRowsText } from '../found-text.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

const NUMBER = 'its number, such as R-1001, or that of a batch, such as B-1001';
/** As many as somebody reads. */
const ROWS_A_PAGE = 20;

/** What the search found where nothing explains it, and what is decided about it. */
export function requestFound(context: Context): Command[] {
  return [foundCommand(context), redactCommand(context), dismissCommand(context)];
}

interface FoundFlags {
  readonly again?: true;
  readonly rows?: true;
  readonly why?: string;
  readonly page: string;
}

function foundCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('found')
    .description('Tell where the scan found the person although the plan keeps nothing there; exit code 1 when it did.')
    .argument('<id>', NUMBER)
    .option('--rows', 'show an officer each row and the passage around it; that you looked, and why, is recorded first')
    .option('--why <text>', 'with --rows: why you must know; kept as it stands, in a row that can be deleted')
    .option('--page <n>', `with --rows: ${ROWS_A_PAGE} rows a page`, '1')
    .option('--again', 'what was found has been erased by hand: have a worker search those tables again')
    .addHelpText(
      'after',
      examples(
        'probity request found R-1001',
        'PROBITY_ACTOR_TOKEN=… probity request found R-1001 --rows --why "are these texts of the requester?"',
        'probity request found R-1001 --again',
      ),
    )
    .action(async (id: string, { again, rows: each, why, page }: FoundFlags, command: Command) => {
      await context.withProject(command, async (project, { json, actor }) => {
        if (each === true) {
          if (!/^[1-9]\d{0,8}$/.test(page)) throw new Refused('--page is a whole number from 1 on');
          const look = { why: why ?? '', page: Number(page), size: ROWS_A_PAGE };
          const shown = await showFound(project, id, look, await readActorToken(context));
          context.exit(EXIT.findings);
          return io.out(json ? JSON.stringify(shown, null, 2) : foundRowsText(id, shown, colours));
        }
        if (again === true) {
          await searchAgain(project, id, { actor });
          return io.out(
            json
              ? JSON.stringify({ request: id, again: true })
              : `${colours.green('✓')} a worker searches those tables again: probity request status ${id}`,
          );
        }
        const found = await foundHits(project, id);
        if (found.length > 0) context.exit(EXIT.findings);
        if (json) return io.out(JSON.stringify(found, null, 2));
        if (found.length === 0) return io.out('Nothing was found that is not explained');
        const titles = ['store', 'table', 'column', 'identity', 'rows'].map((title) => ({ title }));
        const rows = found.map((it) => [it.store, it.table.replace(/^public\./, ''), it.column, it.identity, String(it.rows)]);
        io.out(textTable(titles, rows, io.width));
        io.out(`See each row, as an officer: PROBITY_ACTOR_TOKEN=… probity request found ${id} --rows --why TEXT`);
        io.out(`Redact what names them there (request redact), or erase the rows by hand, and: probity request found ${id} --again`);
        io.out(
          `Where it is not theirs, or may stay: probity request dismiss ${id} --about STORE.SCHEMA.TABLE.COLUMN --reason not_the_person`,
        );
      });
    });
}

function redactCommand(context: Context): Command {
  const { io, colours } = context;
  const command = new Command('redact')
    .description(
      'Decide, signed, that the passages which were found in a column are replaced by a mark: a worker does it, and searches again.',
    )
    .argument('<id>', NUMBER)
    .requiredOption('--about <name>', 'store.schema.table.column')
    .requiredOption('--found <hash>', `what was shown there by found --rows, by the first ${SHOWN_HASH} digits of its hash at least`)
    .requiredOption('--reason <code>', 'a code such as names_the_person; no text about people')
    .addHelpText(
      'after',
      '\nOnly the words that name them change, in the rows that were shown. Rows under a hold or a floor stay as they are.',
    )
    .addHelpText(
      'after',
      examples(
        'PROBITY_ACTOR_TOKEN=… probity request redact R-1001 --about shop.public.memo.body --found 7f3a91c2d0be --reason names_the_person',
      ),
    )
    .action(async (id: string, flags: { readonly about: string; readonly found: string; readonly reason: string }, self: Command) => {
      if (!/^[0-9a-f]+$/.test(flags.found) || flags.found.length < SHOWN_HASH)
        throw new Refused(`--found takes at least ${SHOWN_HASH} digits of the hash that probity request found ${id} --rows shows`);
      await context.withProject(self, async (project, { json }) => {
        const { decision } = await redactHits(project, id, { ...flags, hash: flags.found }, await readActorToken(context));
        io.out(
          json
            ? JSON.stringify(decision, null, 2)
            : `${colours.green('✓')} to be redacted, signed by ${decision.statement.actor}; a worker does it and searches again: probity request status ${id}`,
        );
      });
    });
  return withoutTokenOption(command);
}

function dismissCommand(context: Context): Command {
  const { io, colours } = context;
  const command = new Command('dismiss')
    .description('Say, signed, that what the scan found in a table or a column may stay: then the workers go on.')
    .argument('<id>', NUMBER)
    .requiredOption('--about <name>', 'store.schema.table or store.schema.table.column')
    .requiredOption('--reason <code>', 'a code such as not_the_person; no text about people')
    .addHelpText(
      'after',
      examples('PROBITY_ACTOR_TOKEN=… probity request dismiss R-1001 --about shop.public.memo.body --reason not_the_person'),
    )
    .action(async (id: string, flags: { readonly about: string; readonly reason: string }, self: Command) => {
      await context.withProject(self, async (project, { json }) => {
        const { decision } = await dismissHits(project, id, flags, await readActorToken(context));
        io.out(
          json
            ? JSON.stringify(decision, null, 2)
            : `${colours.green('✓')} dismissed, signed by ${decision.statement.actor}; a worker goes on`,
        );
      });
    });
  return withoutTokenOption(command);
}
