import { Command } from 'commander';
import { explain } from '../../client/explain.ts';
import { parseTime, showDay } from '../../client/times.ts';
import { describeReason } from '../../client/wording.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';
import { textTable } from '../table.ts';
import { positive } from './retention-list.ts';

/** Enough to see a pattern; keys of people are not read out for longer than needed. */
const DEFAULT_LIMIT = 20;

interface Options {
  readonly limit: number;
  readonly asOf?: string;
}

export function explainCommand(context: Context): Command {
  const { io } = context;
  return new Command('explain')
    .description('Tell which rows of a table stay although their time has passed, and why: counts by reason, then keys.')
    .argument('<table>', 'such as customer or shop.public.customer')
    .option('--kept', 'the rows that stay (what it tells in any case)')
    .option('--limit <number>', 'show the keys of at most so many rows; 0 shows counts only', positive, DEFAULT_LIMIT)
    .option('--as-of <time>', 'on another day')
    .addHelpText(
      'after',
      examples('probity retention explain customer --kept', 'probity retention explain shop.public.invoice --kept --limit 0'),
    )
    .action(async (table: string, { limit, asOf }: Options, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const zone = project.manifest.timezone;
        const told = await explain(project, { table, limit, asOf: asOf === undefined ? null : parseTime(asOf, zone) });
        if (json) return io.out(JSON.stringify(told, null, 2));
        const kept = Object.entries(told.kept).sort(([, a], [, b]) => b - a);
        const stay = kept.reduce((sum, [, rows]) => sum + rows, 0);
        io.out(`${told.table} · cut-off ${showDay(told.cutOff, zone)} · ${count(told.takes)} go, ${count(stay)} stay`);
        if (kept.length === 0) return;
        const reasons = kept.map(([reason, rows]) => [count(rows), describeReason(reason)]);
        io.out(textTable([{ title: 'rows', align: 'right' }, { title: 'stay because of' }], reasons, io.width));
        if (told.rows.length === 0) return;
        const keys = Object.keys(told.rows[0]?.key ?? {});
        const rows = told.rows.map((row) => [...keys.map((name) => row.key[name] ?? ''), describeReason(row.reason)]);
        io.out('');
        io.out(
          textTable(
            [...keys, 'stays because of'].map((title) => ({ title })),
            rows,
            io.width,
          ),
        );
        if (stay > told.rows.length) io.out(`and ${count(stay - told.rows.length)} more: --limit shows them`);
      });
    });
}
