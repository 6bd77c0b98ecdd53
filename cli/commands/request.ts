import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { daysLeft, listRequests, readRequest, type Request } from '../../client/requests.ts';
import { showDay, showShortDay, showTimeOfDay } from '../../client/times.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

const DEFAULT_LIMIT = 50;

export function requestCommand(context: Context): Command {
  const { io } = context;
  const group = new Command('request').description('What subjects ask for: withdrawals, objections, restrictions, each with its clock.');
  group
    .command('list')
    .description('List requests by the time that is left.')
    .option('--limit <n>', 'at most so many', String(DEFAULT_LIMIT))
    .addHelpText('after', examples('probity request list', 'probity request list --limit 10 --json'))
    .action(async ({ limit }: { readonly limit: string }, command: Command) => {
      const most = Number(limit);
      if (!Number.isInteger(most) || most < 1) throw new Refused('--limit is a whole number from 1 on');
      await context.withProject(command, async (project, { json }) => {
        const found = await listRequests(project, most);
        if (json) return io.out(JSON.stringify(found.map(asJson), null, 2));
        if (found.length === 0) return io.out('No request');
        io.out(listText(found, project.manifest.timezone, io.width));
      });
    });
  group
    .command('status')
    .description('Tell of one request where it is in force, and since when.')
    .argument('<id>', 'its number, such as R-1001')
    .addHelpText('after', examples('probity request status R-1001'))
    .action(async (id: string, _options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const found = await readRequest(project, id);
        if (found === null) throw new Refused(`There is no request ${id}: probity request list`);
        io.out(json ? JSON.stringify(asJson(found), null, 2) : text(found, project.home.name, project.manifest.timezone));
      });
    });
  return group;
}

const asJson = (request: Request): unknown => ({ ...request, daysLeft: daysLeft(request, new Date()) });

function purposeText(purpose: string): string {
  return purpose === '*' ? 'all purposes' : purpose;
}

function leftText(request: Request): string {
  const days = daysLeft(request, new Date());
  if (days < 0) return `${-days} days LATE`;
  return days === 1 ? '1 day left' : `${days} days left`;
}

function listText(found: readonly Request[], zone: string, width: number | null): string {
  const rows = found.map((one) => [
    one.id,
    one.kind,
    purposeText(one.purpose),
    showDay(one.receivedAt, zone),
    showDay(one.dueAt, zone),
    leftText(one),
    one.waiting.length === 0 ? 'everywhere' : `waits for ${one.waiting.join(', ')}`,
  ]);
  return textTable(
    ['request', 'kind', 'purpose', 'received', 'due', 'left', 'suppressed'].map((title) => ({ title })),
    rows,
    width,
  );
}

/** `Suppressed  3 Nov 10:14:02 home · 10:14:03 support` */
function text(request: Request, home: string, zone: string): string {
  const head = `${request.id}  ${request.kind} of ${purposeText(request.purpose)} · due ${showShortDay(request.dueAt, zone)}, ${leftText(request)}`;
  const times = Object.entries(request.suppressed).sort(([, one], [, other]) => one.getTime() - other.getTime());
  let day = '';
  const parts = times.map(([store, at]) => {
    const on = showShortDay(at, zone);
    const shown = `${on === day ? '' : `${on} `}${showTimeOfDay(at, zone)} ${store}${store === home ? ' (home)' : ''}`;
    day = on;
    return shown;
  });
  const repeats = request.repeats === 0 ? [] : [`Repeated   ${request.repeats} times while it was open`];
  const waiting = request.waiting.length === 0 ? [] : [`NOT YET     ${request.waiting.join(', ')}: probity serving status`];
  return [head, `Suppressed  ${parts.join(' · ')}`, ...repeats, ...waiting].join('\n');
}
