import { Command } from 'commander';
import { consentHistory, showConsents } from '../../client/consent/show.ts';
import { showTime } from '../../client/times.ts';
import { useText, whyText, yesNo } from '../consent-text.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { IDENTITY_HELP, readIdentity, withIdentity, type IdentityOptions } from '../identity.ts';
import { textTable } from '../table.ts';

export function showCommands(context: Context): Command[] {
  return [showCommand(context), historyCommand(context)];
}

function showCommand(context: Context): Command {
  const { io, colours } = context;
  return withIdentity(new Command('show'))
    .description('Show what each purpose may do with a person’s data now, channel by channel, and why.')
    .addHelpText('after', IDENTITY_HELP)
    .addHelpText('after', examples('probity consent show < key.txt', 'probity consent show --by email --json --from address.txt'))
    .action(async (options: IdentityOptions, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const shown = await showConsents(project, await readIdentity(project, options, context));
        if (json) return io.out(JSON.stringify(shown, null, 2));
        const paint = (allowed: boolean): string => (allowed ? colours.green(yesNo(true)) : colours.red(yesNo(false)));
        io.out(
          textTable(
            ['purpose', 'basis', 'now', 'why'].map((title) => ({ title })),
            shown.permissions.map((it) => [useText(it), it.basis.replaceAll('_', ' '), paint(it.allowed), whyText(it)]),
            io.width,
          ),
        );
        const regime = shown.regime === null ? 'regime not known, so all must allow' : `regime ${shown.regime}`;
        io.out(`${shown.known ? regime : 'no table of the home store knows this person'} · ${shown.records} records`);
      });
    });
}

function historyCommand(context: Context): Command {
  const { io } = context;
  return withIdentity(new Command('history'))
    .description('List what a person has decided, oldest first, with where, how and by whom it was recorded.')
    .addHelpText('after', IDENTITY_HELP)
    .addHelpText('after', examples('probity consent history < key.txt', 'probity consent history --by email --json < address.txt'))
    .action(async (options: IdentityOptions, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const records = await consentHistory(project, await readIdentity(project, options, context));
        if (json) {
          const shown = records.map(({ id, kind, purpose, channel, decision, capturedDate, receivedDate, expiresDate, ...it }) => ({
            record: id, source: kind, purpose, channel, decision, capturedAt: capturedDate, receivedAt: receivedDate, expiresAt: expiresDate,
            touchpoint: it.touchpoint, notice: it.notice, language: it.language, givenBy: it.givenBy, proof: it.proof, actor: it.actor, door: it.door,
            basis: it.basis, seal: it.sealId,
          })); // prettier-ignore
          return io.out(JSON.stringify(shown, null, 2));
        }
        if (records.length === 0) return io.out('Nothing is recorded');
        const { timezone } = project.manifest;
        io.out(
          textTable(
            ['record', 'captured', 'decision', 'purpose', 'touchpoint', 'notice', 'by', 'recorded by', 'sealed'].map((title) => ({
              title,
            })),
            records.map((it) => [
              String(it.id),
              showTime(it.capturedDate, timezone),
              it.decision,
              it.purpose === '*' ? 'all' : useText(it),
              it.touchpoint,
              it.notice === null ? '–' : `${it.notice}${it.language === null ? '' : ` (${it.language})`}`,
              it.kind === 'device' || it.kind === 'email' ? `${it.givenBy}, ${it.kind}` : it.givenBy,
              `${it.actor}, ${it.door}`,
              it.sealId === null ? 'not yet' : `seal ${it.sealId}`,
            ]),
            io.width,
          ),
        );
      });
    });
}
