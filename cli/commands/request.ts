import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { batchRestsWith, isBatch, readBatchStatus } from '../../client/requests/batch.ts';
import { noSuchRequest } from '../../client/requests/change.ts';
import { exceptions } from '../../client/requests/envelope.ts';
import { noticeText, openNotices } from '../../client/requests/notices.ts';
import { dueWithin, listRequests, readRequest, restsWith } from '../../client/requests/read.ts';
import { afterTime } from '../../client/times.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { batchJson, batchText } from '../batch-text.ts';
import { listText, requestJson, statusText } from '../request-text.ts';
import { requestActions } from './request-act.ts';
import { copyCommand } from './request-copy.ts';
import { envelopeCommand, exceptionsText } from './request-envelope.ts';
import { requestNotices } from './request-notice.ts';
import { openCommand } from './request-open.ts';
import { requestObligations } from './request-obligations.ts';
import { requestPeople } from './request-people.ts';
import { requestPlans } from './request-plan.ts';

const DEFAULT_LIMIT = 50;
/** Stores follow within a second or so; what takes days is not worth looking at more often. */
const WATCH_MS = 1_000;

export function requestCommand(context: Context): Command {
  const group = new Command('request').description(
    'What subjects ask for: withdrawal, objection, restriction, erasure, access, portability, rectification, each with its clock.',
  );
  group.addCommand(openCommand(context));
  for (const command of requestActions(context)) group.addCommand(command);
  for (const command of requestPlans(context)) group.addCommand(command);
  for (const command of requestPeople(context)) group.addCommand(command);
  for (const command of requestNotices(context)) group.addCommand(command);
  group.addCommand(copyCommand(context));
  group.addCommand(envelopeCommand(context));
  for (const command of requestObligations(context)) group.addCommand(command);
  group.addCommand(listCommand(context));
  group.addCommand(statusCommand(context));
  return group;
}

interface ListFlags {
  readonly limit: string;
  readonly dueWithin?: string;
  readonly exceptions?: true;
}

function listCommand(context: Context): Command {
  const { io } = context;
  return new Command('list')
    .description('List requests by the time that is left.')
    .option('--limit <n>', 'at most so many', String(DEFAULT_LIMIT))
    .option('--due-within <time>', 'only open ones that are overdue, or due within 7d, 12h or P1M; exit code 1 when there is one')
    .option('--exceptions', 'what the nightly envelope has left for a person, and why; exit code 1 when there is something')
    .addHelpText(
      'after',
      examples(
        'probity request list',
        'probity request list --limit 10 --json',
        'probity request list --due-within 7d',
        'probity request list --exceptions',
      ),
    )
    .action(async ({ limit, dueWithin: within, exceptions: left }: ListFlags, command: Command) => {
      const most = Number(limit);
      if (!Number.isInteger(most) || most < 1) throw new Refused('--limit is a whole number from 1 on');
      if (left === true && within !== undefined) throw new Refused('--exceptions and --due-within are two lists');
      await context.withProject(command, async (project, { json }) => {
        if (left === true) {
          const found = await exceptions(project, most);
          if (found.length > 0) context.exit(EXIT.findings);
          return io.out(json ? JSON.stringify(found, null, 2) : exceptionsText(found, project.manifest.timezone, io.width));
        }
        const now = new Date();
        const until = within === undefined ? null : untilOf(within, now, project.manifest.timezone);
        const listed = await listRequests(project, until === null ? most : EVERY);
        const found = until === null ? listed : dueWithin(listed, until.getTime() - now.getTime(), now).slice(0, most);
        if (until !== null && found.length > 0) context.exit(EXIT.findings);
        if (json) return io.out(JSON.stringify(found.map(requestJson), null, 2));
        if (found.length === 0) return io.out('No request');
        io.out(listText(found, project.manifest.timezone, io.width, new Date()));
        const open = await openNotices(project, most);
        if (open.length > 0) io.out(`To be told  ${open.map((it) => `${it.request} ${noticeText(it, new Date())}`).join(' · ')}`);
      });
    });
}

/** Of what is due soon none is left out, however many wait. */
const EVERY = 1_000_000;

function untilOf(within: string, now: Date, zone: string): Date {
  const until = afterTime(now, within, zone);
  if (until === null) throw new Refused('--due-within is a time such as 7d, 12h or P1M');
  return until;
}

interface StatusFlags {
  readonly watch?: boolean;
}

function statusCommand(context: Context): Command {
  const { io } = context;
  return new Command('status')
    .description('Tell where one request stands: its clock, where it is in force, what was done, and what is not.')
    .argument('<id>', 'its number, such as R-1001, or that of a batch, such as B-1001')
    .option('--watch', 'print it again when it changes, until it waits for a person (exit code 3) or is over')
    .addHelpText('after', examples('probity request status R-1001', 'probity request status R-1001 --watch'))
    .action(async (id: string, { watch }: StatusFlags, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        for (let shown = ''; ;) {
          if (isBatch(id)) {
            const batch = await readBatchStatus(project, id);
            if (batch === null) throw noSuchRequest(id);
            const text = json ? JSON.stringify(batchJson(batch), null, 2) : batchText(batch, project.manifest.timezone, new Date());
            if (text !== shown) io.out(text);
            shown = text;
            const rests = batchRestsWith(batch);
            if (watch !== true || rests === 'nobody') return;
            if (rests === 'person') return context.exit(EXIT.person);
            await sleep(WATCH_MS);
            continue;
          }
          const found = await readRequest(project, id);
          if (found === null) throw noSuchRequest(id);
          const { home, manifest } = project;
          const text = json
            ? JSON.stringify(requestJson(found), null, 2)
            : statusText(found, { home: home.name, zone: manifest.timezone, colours: context.colours, now: new Date() });
          if (text !== shown) io.out(text);
          shown = text;
          const rests = restsWith(found);
          if (watch !== true || rests === 'nobody') return;
          if (rests === 'person') return context.exit(EXIT.person);
          await sleep(WATCH_MS);
        }
      });
    });
}
