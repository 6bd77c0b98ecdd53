import { Command } from 'commander';
import { showTime } from '../../client/times.ts';
import { GIVE_UP_REASONS, giveUpRecipient, isSettled, noticesOf, noticeText, settleRecipient } from '../../client/requests/notices.ts';
import { readActorToken, withoutTokenOption } from '../actor-token.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

const NUMBER = 'its number, such as R-1001';
const RECIPIENT = 'as the manifest names it';

/** Telling whoever received the data (Art. 19). */
export function requestNotices(context: Context): Command[] {
  return [recipientsCommand(context), acknowledgeCommand(context), toldCommand(context), giveUpCommand(context)];
}

function recipientsCommand(context: Context): Command {
  const { io } = context;
  return new Command('recipients')
    .description('Tell which recipients were to hear of a request, and how far that is; exit code 3 while one has not.')
    .argument('<id>', NUMBER)
    .addHelpText('after', examples('probity request recipients R-1001'))
    .action(async (id: string, _options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const notices = await noticesOf(project, id);
        if (notices.some((it) => !isSettled(it))) context.exit(EXIT.person);
        if (json) return io.out(JSON.stringify(notices, null, 2));
        if (notices.length === 0) return io.out('No recipient is to be told, or not yet');
        const zone = project.manifest.timezone;
        const titles = ['recipient', 'news', 'how', 'people', 'since', 'tried', 'stands', 'id'].map((title) => ({ title }));
        const now = new Date();
        const rows = notices.map((it) => [
          it.recipient,
          it.news,
          it.way,
          String(it.people),
          showTime(it.openedAt, zone),
          String(it.attempts),
          noticeText(it, now).slice(it.recipient.length + 1),
          it.id,
        ]);
        io.out(textTable(titles, rows, io.width));
      });
    });
}

function acknowledgeCommand(context: Context): Command {
  return settling(context, 'acknowledge', 'acknowledged', 'Record that a recipient has said that it acted on what it was told.');
}

function toldCommand(context: Context): Command {
  return settling(context, 'told', 'told', 'Record that a person has told a recipient: what a task asks for, or where a webhook fails.');
}

function settling(context: Context, name: string, as: 'acknowledged' | 'told', description: string): Command {
  const { io, colours } = context;
  return new Command(name)
    .description(description)
    .argument('<id>', NUMBER)
    .requiredOption('--recipient <name>', RECIPIENT)
    .addHelpText('after', examples(`probity request ${name} R-1001 --recipient agency`))
    .action(async (id: string, { recipient }: { readonly recipient: string }, command: Command) => {
      await context.withProject(command, async (project, { json, actor }) => {
        await settleRecipient(project, id, { recipient, as, actor });
        io.out(json ? JSON.stringify({ request: id, recipient, state: as }) : `${colours.green('✓')} ${recipient}: recorded, by ${actor}`);
      });
    });
}

function giveUpCommand(context: Context): Command {
  const { io, colours } = context;
  const command = new Command('give-up')
    .description('Decide, signed, that a recipient need not be told: impossible, or out of proportion (Art. 19).')
    .argument('<id>', NUMBER)
    .requiredOption('--recipient <name>', RECIPIENT)
    .requiredOption('--reason <why>', GIVE_UP_REASONS.join(', '))
    .addHelpText('after', examples('PROBITY_ACTOR_TOKEN=… probity request give-up R-1001 --recipient ads --reason unreachable'))
    .action(async (id: string, flags: { readonly recipient: string; readonly reason: string }, self: Command) => {
      await context.withProject(self, async (project, { json }) => {
        const decision = await giveUpRecipient(project, id, flags, await readActorToken(context));
        io.out(
          json
            ? JSON.stringify(decision, null, 2)
            : `${colours.green('✓')} ${flags.recipient} is given up, signed by ${decision.statement.actor}`,
        );
      });
    });
  return withoutTokenOption(command);
}
