import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { noSuchRequest } from '../../client/requests/change.ts';
import { listRequests, readRequest, restsWith } from '../../client/requests/read.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { listText, requestJson, statusText } from '../request-text.ts';
import { requestActions } from './request-act.ts';
import { openCommand } from './request-open.ts';
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
  group.addCommand(listCommand(context));
  group.addCommand(statusCommand(context));
  return group;
}

function listCommand(context: Context): Command {
  const { io } = context;
  return new Command('list')
    .description('List requests by the time that is left.')
    .option('--limit <n>', 'at most so many', String(DEFAULT_LIMIT))
    .addHelpText('after', examples('probity request list', 'probity request list --limit 10 --json'))
    .action(async ({ limit }: { readonly limit: string }, command: Command) => {
      const most = Number(limit);
      if (!Number.isInteger(most) || most < 1) throw new Refused('--limit is a whole number from 1 on');
      await context.withProject(command, async (project, { json }) => {
        const found = await listRequests(project, most);
        if (json) return io.out(JSON.stringify(found.map(requestJson), null, 2));
        if (found.length === 0) return io.out('No request');
        io.out(listText(found, project.manifest.timezone, io.width, new Date()));
      });
    });
}

interface StatusFlags {
  readonly watch?: boolean;
}

function statusCommand(context: Context): Command {
  const { io } = context;
  return new Command('status')
    .description('Tell where one request stands: its clock, where it is in force, what was done, and what is not.')
    .argument('<id>', 'its number, such as R-1001')
    .option('--watch', 'print it again when it changes, until it waits for a person (exit code 3) or is over')
    .addHelpText('after', examples('probity request status R-1001', 'probity request status R-1001 --watch'))
    .action(async (id: string, { watch }: StatusFlags, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        for (let shown = ''; ;) {
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
