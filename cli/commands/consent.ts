import { Command } from 'commander';
import type { Context } from '../context.ts';
import { evidenceCommands } from './consent-evidence.ts';
import { importCommand } from './consent-import.ts';
import { pruneCommand } from './consent-prune.ts';
import { recordCommands } from './consent-record.ts';
import { reportCommand } from './consent-report.ts';
import { showCommands } from './consent-show.ts';
import { syncCommand } from './consent-sync.ts';

/** What people have decided: recorded, shown, proven. Identities come from standard input, a file or a prompt, never as arguments. */
export function consentCommand(context: Context): Command {
  const group = new Command('consent').description('Consent: record decisions, show what they permit, and prove what was recorded.');
  const commands = [
    ...recordCommands(context),
    ...showCommands(context),
    importCommand(context),
    syncCommand(context),
    reportCommand(context),
    ...evidenceCommands(context),
    pruneCommand(context),
  ];
  for (const command of commands) group.addCommand(command);
  return group;
}
