import { rowsOf, type RetentionGuess } from './retention.ts';
import type { SurveyedTable } from './survey.ts';
import { flow, scalar } from './write.ts';

const SCHEDULES = [
  '',
  '# When the first plans look right: schedules, then mode: enforce.',
  '# schedules:',
  '#   purge: { cron: "15 1 * * *", jitter: 10m, run: retention }',
];

/** How many proposals are shown. */
const SHOWN = 3;

/** What to do next; for a draft without any rule first of all which proposal to begin with. */
export function footer(governed: readonly SurveyedTable[], rules: ReadonlyMap<SurveyedTable, RetentionGuess>): string[] {
  if (governed.some((it) => rules.get(it)?.active === true)) return SCHEDULES;
  const proposals = governed.flatMap((table) => {
    const rule = rules.get(table);
    return rule === undefined ? [] : [{ table, rule }];
  });
  // Rows that others hang on need a decision about these first.
  const bound = ({ table }: { table: SurveyedTable }) => table.incoming.filter(({ from }) => from !== table.local).length;
  const best = proposals.sort((a, b) => bound(a) - bound(b) || rowsOf(b.table) - rowsOf(a.table) || (a.table.id < b.table.id ? -1 : 1));
  const lines = best.slice(0, SHOWN).map(
    ({ table, rule }) =>
      `#   ${scalar(table.id)}: ${flow([
        ['keep', rule.keep],
        ['after', scalar(rule.after)],
      ])}`,
  );
  return [
    '',
    ...(lines.length === 0
      ? ['# Nothing expires yet, and no table has a time that says how old a row is. A first rule under a table looks like this:', EXAMPLE]
      : ['# Nothing expires yet. For a first rule take the "# " away before `retention:` at one of these tables:', ...lines]),
    ...SCHEDULES,
  ];
}

const EXAMPLE = '#     retention: { keep: P2Y, after: created_at }';
