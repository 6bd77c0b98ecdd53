import { Command } from 'commander';

import type { Project } from '../../client/project.ts';
import { Refused } from '../../client/refused.ts';
import {
  askRequester,
  cancelRequest,
  extendRequest,
  noSuchRequest,
  refuseRequest,
  repliedTo,
  verifyRequest,
  type RequestRow,
} from '../../client/requests/change.ts';
import { readRequest, type ShownRequest } from '../../client/requests/read.ts';
import { draftReply } from '../../client/requests/reply.ts';
import { showDay } from '../../client/times.ts';
import { CANCEL_REASONS, EXTENSION_REASONS, REFUSAL_ARTICLES, VERIFICATION_METHODS } from '../../client/requests/words.ts';
import type { Context, Globals } from '../context.ts';
import { examples } from '../help.ts';
import { requestJson } from '../request-text.ts';

const NOTE = 'in free text; kept in a row that can be deleted';
const DRAFT = 'A draft, to be read before it goes out: probity request reply';

interface Noted {
  readonly note?: string | null;
}

/** What is done to one request: each is refused with a sentence where it leads nowhere. */
export function requestActions(context: Context): Command[] {
  return [verifyCommand(context), extendCommand(context), refuseCommand(context), cancelCommand(context), replyCommand(context)];
}

/** Does it, then tells where the request stands. */
async function doing(
  context: Context,
  command: Command,
  id: string,
  act: (project: Project, globals: Globals) => Promise<RequestRow>,
  told: (now: ShownRequest, project: Project) => string,
): Promise<void> {
  const { io, colours } = context;
  await context.withProject(command, async (project, globals) => {
    await act(project, globals);
    const now = await readRequest(project, id);
    if (now === null) throw noSuchRequest(id);
    io.out(globals.json ? JSON.stringify(requestJson(now), null, 2) : `${colours.green('✓')} ${told(now, project)}`);
  });
}

function one(name: string, description: string): Command {
  return new Command(name).description(description).argument('<id>', 'its number, such as R-1001');
}

interface VerifyFlags extends Noted {
  readonly ask?: boolean;
  readonly method?: string;
  readonly evidence?: string;
}

function verifyCommand(context: Context): Command {
  return one('verify', 'Record how the requester showed who they are; or that they were asked, which stops the clock until they answer.')
    .option('--method <how>', VERIFICATION_METHODS.join(', '))
    .option('--evidence <reference>', 'where the evidence is kept, such as the number of the session; no personal data')
    .option('--ask', 'there is doubt about who asks, and they were asked today')
    .option('--note <text>', NOTE)
    .addHelpText('after', '\nUse the mildest method that settles the doubt; a copy of an identity card is the last resort.')
    .addHelpText(
      'after',
      examples('probity request verify R-1001 --method login --evidence SESSION-88', 'probity request verify R-1001 --ask'),
    )
    .action(async (id: string, { ask, method, evidence, note = null }: VerifyFlags, command: Command) => {
      if ((ask === true) === (method !== undefined)) throw new Refused('Say either --method, or --ask');
      if (method !== undefined && evidence === undefined) throw new Refused('--method needs --evidence: where it can be looked up');
      await doing(
        context,
        command,
        id,
        (project, { actor }) =>
          method === undefined
            ? askRequester(project, id, { actor, note })
            : verifyRequest(project, id, { actor, note, method, evidence: evidence ?? '' }),
        (now, { manifest }) =>
          now.state === 'verifying'
            ? `${id}: they were asked${now.clock.paused ? ', and the clock stands still' : '; the clock goes on (California)'}. ${DRAFT} ${id}`
            : `${id} is verified and open, due ${showDay(now.clock.target, manifest.timezone)}`,
      );
    });
}

function extendCommand(context: Context): Command {
  return one('extend', 'Take two months more, for a reason; only if the subject is told within the first month.')
    .requiredOption('--reason <why>', EXTENSION_REASONS.join(', '))
    .option('--note <text>', NOTE)
    .addHelpText('after', examples('probity request extend R-1001 --reason complexity'))
    .action(async (id: string, { reason, note = null }: Noted & { reason: string }, command: Command) => {
      await doing(
        context,
        command,
        id,
        (project, { actor }) => extendRequest(project, id, { actor, note, reason }),
        (now, { manifest }) => `${id} is due ${showDay(now.clock.target, manifest.timezone)}. Tell them now. ${DRAFT} ${id}`,
      );
    });
}

function refuseCommand(context: Context): Command {
  return one('refuse', 'Refuse a request by an article of the law, and draft the reply with the remedies.')
    .requiredOption('--article <number>', 'such as 17(3)(b); the list is below')
    .option('--note <text>', NOTE)
    .addHelpText('after', articleHelp())
    .addHelpText(
      'after',
      examples('probity request refuse R-1001 --article "17(3)(b)"', 'probity request refuse R-1001 --article 12(5)-excessive'),
    )
    .action(async (id: string, { article, note = null }: Noted & { article: string }, command: Command) => {
      const { io } = context;
      await context.withProject(command, async (project, { actor, json }) => {
        await refuseRequest(project, id, { actor, note, article });
        const now = await readRequest(project, id);
        if (now === null) throw noSuchRequest(id);
        const draft = await draftReply(project, now);
        if (json) return io.out(JSON.stringify({ ...(requestJson(now) as object), reply: draft }, null, 2));
        io.err(`${context.colours.green('✓')} ${id} is refused. The reply, as a draft:`);
        io.out(draft);
      });
    });
}

function articleHelp(): string {
  const lines = REFUSAL_ARTICLES.map(
    ({ code, article, because, kinds }) =>
      `  ${code.padEnd(16)}${because} (${article}${kinds === null ? '' : `; ${kinds.length > 2 ? 'where identity matters' : kinds.join(', ')}`})`,
  );
  return `\nArticles:\n${lines.join('\n')}\nA withdrawal cannot be refused, nor an objection to direct marketing.`;
}

function cancelCommand(context: Context): Command {
  return one(
    'cancel',
    'End a request that its requester has taken back, or that should not have been opened. The consent ledger stays as it is.',
  )
    .requiredOption('--reason <why>', CANCEL_REASONS.join(', '))
    .option('--note <text>', NOTE)
    .addHelpText('after', examples('probity request cancel R-1001 --reason duplicate'))
    .action(async (id: string, { reason, note = null }: Noted & { reason: string }, command: Command) => {
      await doing(
        context,
        command,
        id,
        (project, { actor }) => cancelRequest(project, id, { actor, note, reason }),
        () => `${id} is cancelled`,
      );
    });
}

function replyCommand(context: Context): Command {
  const { io } = context;
  return one('reply', 'Draft the words to the subject for where a request stands, in English and without personal data.')
    .option('--sent', 'record that they were told; that closes what is done by it (rectification, restriction, objection)')
    .option('--note <text>', NOTE)
    .addHelpText('after', examples('probity request reply R-1001 > reply.txt', 'probity request reply R-1001 --sent'))
    .action(async (id: string, { sent, note = null }: Noted & { sent?: boolean }, command: Command) => {
      if (sent === true) {
        await doing(
          context,
          command,
          id,
          (project, { actor }) => repliedTo(project, id, { actor, note }),
          (now) => (now.state === 'closed' ? `${id} is closed` : `${id}: recorded that they were told`),
        );
        return;
      }
      await context.withProject(command, async (project, { json }) => {
        const found = await readRequest(project, id);
        if (found === null) throw noSuchRequest(id);
        const draft = await draftReply(project, found);
        io.out(json ? JSON.stringify({ id, state: found.state, reply: draft }, null, 2) : draft);
      });
    });
}
