import { Command } from 'commander';
import { consentReport, writeConsentReport, type ConsentReport } from '../../client/consent/report.ts';
import { showTime } from '../../client/times.ts';
import type { Dimension, Reported, Told, ToldMonth } from '../../domain/permission/report.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';
import { textTable } from '../table.ts';
import { syncStatusText } from './consent-sync.ts';

interface ReportFlags {
  readonly from?: string;
  readonly to?: string;
  readonly html?: string;
  readonly exact?: boolean;
}

export function reportCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('report')
    .description(
      "Asked, granted, refused, withdrawn and expired, by purpose, channel, touchpoint and month in the manifest's zone, with withdrawal rates.",
    )
    .option('--from <month>', 'first month, such as 2026-01 (default: eleven before the last)')
    .option('--to <month>', 'last month (default: the month under way)')
    .option('--html <file>', 'write it as a page of its own')
    .option('--exact', 'also numbers below 5, by which people could be singled out')
    .addHelpText(
      'after',
      examples(
        'probity consent report',
        'probity consent report --from 2026-01 --to 2026-06 --html consent.html',
        'probity consent report --json',
      ),
    )
    .action(async (options: ReportFlags, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const report = await consentReport(project, { from: options.from ?? null, to: options.to ?? null, exact: options.exact ?? false });
        if (options.html !== undefined) await writeConsentReport(report, options.html);
        if (json) return io.out(JSON.stringify(report, null, 2));
        io.out(reportText(report, context));
        if (options.html !== undefined) io.out(`${colours.green('✓')} written to ${options.html}`);
      });
    });
}

const REPORTED: readonly Reported[] = ['asked', 'granted', 'refused', 'withdrawn', 'expired'];
const DIMENSIONS: readonly Dimension[] = ['purpose', 'channel', 'touchpoint', 'month'];

function reportText(report: ConsentReport, { io, colours }: Context): string {
  const until = showTime(new Date(report.until), report.zone);
  return [
    `Consent ${report.from} to ${report.to}, until ${until}${report.exact ? colours.yellow(' · exact: people could be singled out') : ''}`,
    ...DIMENSIONS.map((dimension) => decisions(report, dimension, io.width)),
    ...report.rates
      .filter(({ channel }) => channel === null)
      .map(({ purpose, months }) => `Withdrawal rate of ${purpose}: withdrawn of what lived or began\n${plotRates(months)}`),
    ...(report.tables.length === 0 ? [] : [syncStatusText(report.tables, io.width)]),
  ].join('\n\n');
}

function decisions(report: ConsentReport, dimension: Dimension, width: number | null): string {
  return textTable(
    [{ title: dimension }, ...REPORTED.map((title) => ({ title, align: 'right' }) as const)],
    report.decisions[dimension].map(({ by, counts }) => [by, ...REPORTED.map((it) => shown(counts[it]))]),
    width,
  );
}

const HEIGHT = 6;
const EIGHTHS = ' ▁▂▃▄▅▆▇█';
/** One column a month, as `2026-01` below every sixth. */
const COLUMN = 2;
const LABEL_EVERY = 6;

/** A column a month, in eighths of a line; a dot where a month is not told. */
function plotRates(months: readonly ToldMonth[]): string {
  const top = Math.max(...months.map(({ rate }) => rate ?? 0));
  if (top === 0) return '  no withdrawals that can be told';
  const axis = [top, 0].map((it) => `${(it * 100).toFixed(1)} %`);
  const wide = Math.max(...axis.map((it) => it.length));
  const lines = Array.from({ length: HEIGHT }, (_, row) => {
    const below = HEIGHT - 1 - row;
    const label = row === 0 ? axis[0]! : below === 0 ? axis[1]! : '';
    const cells = months.map(({ rate }) => {
      if (rate === null) return below === 0 ? '·' : ' ';
      return EIGHTHS[Math.min(8, Math.max(rate > 0 && below === 0 ? 1 : 0, Math.round((rate / top) * HEIGHT * 8) - below * 8))] ?? ' ';
    });
    return `${label.padStart(wide)} │${cells.map((cell) => cell.padEnd(COLUMN)).join('')}`.trimEnd();
  });
  const labels = months.map(({ month }, index) => (index % LABEL_EVERY === 0 ? month.padEnd(COLUMN * LABEL_EVERY) : '')).join('');
  return [...lines, `${' '.repeat(wide)}  ${labels}`.trimEnd()].join('\n');
}

function shown(told: Told): string {
  return typeof told === 'number' ? count(told) : (told ?? '–');
}
