import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Context } from './context.ts';
import { actorCommand } from './commands/actor.ts';
import { applyCommand } from './commands/apply.ts';
import { checkCommand } from './commands/check.ts';
import { consentCommand } from './commands/consent.ts';
import { evidenceCommand } from './commands/evidence.ts';
import { holdCommand } from './commands/hold.ts';
import { initCommand } from './commands/init.ts';
import { keysCommand } from './commands/keys.ts';
import { manifestCommand } from './commands/manifest.ts';
import { migrateCommand } from './commands/migrate.ts';
import { processingRecordCommand } from './commands/processing-record.ts';
import { requestCommand } from './commands/request.ts';
import { restoreCommand } from './commands/restore.ts';
import { servingCommand } from './commands/serving.ts';
import { retentionCommand } from './commands/retention.ts';
import { schedulesCommand } from './commands/schedules.ts';
import { tombstonesCommand } from './commands/tombstones.ts';
import { viewsCommand } from './commands/views.ts';
import { workerCommand } from './commands/worker.ts';

const EXIT_CODES = `
Exit codes: 0 done, 1 findings or partly failed, 2 wrong usage or manifest, 3 waiting for a person, 4 a service is out of reach.
Environment: PROBITY_MANIFEST, PROBITY_ACTOR, PROBITY_ACTOR_TOKEN, PROBITY_TASK_QUEUE, PROBITY_SIGNING_KEY_FILE, PROBITY_MASTER_KEY_FILE,
TEMPORAL_ADDRESS and Temporal's other settings, and the variables that the manifest names. NO_COLOR turns colours off, PROBITY_DEBUG=1 shows where an error came from.`;

/** The whole command line. It writes through the context and throws instead of ending the process. */
export function createProgram(context: Context): Command {
  const program = new Command('probity')
    .description('Keeps data-governance promises as durable Temporal jobs against your own Postgres tables.')
    .version(version(), '--version', 'print the version')
    .option('-m, --manifest <path>', 'manifest file or folder (default: $PROBITY_MANIFEST, else ./probity.yaml or ./probity/)')
    .option('--json', 'print data as JSON')
    .option('--actor <id>', 'who does this, for the record (default: $PROBITY_ACTOR, else operator)')
    .option('--task-queue <name>', 'where jobs wait for a worker (default: $PROBITY_TASK_QUEUE, else probity)')
    .addHelpText('after', EXIT_CODES);
  for (const create of COMMANDS) program.addCommand(create(context));
  prepare(program, context);
  return program;
}

const COMMANDS = [
  checkCommand,
  initCommand,
  migrateCommand,
  applyCommand,
  manifestCommand,
  processingRecordCommand,
  retentionCommand,
  holdCommand,
  consentCommand,
  requestCommand,
  actorCommand,
  tombstonesCommand,
  restoreCommand,
  servingCommand,
  schedulesCommand,
  evidenceCommand,
  keysCommand,
  viewsCommand,
  workerCommand,
] as const;

/** What each command of the tree needs: added commands do not inherit it. */
function prepare(command: Command, context: Context): void {
  const { io } = context;
  command
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, ...(io.width === null ? {} : { helpWidth: io.width }) })
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
    })
    .showHelpAfterError('(--help tells more)');
  for (const below of command.commands) prepare(below, context);
}

function version(): string {
  const file = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return file.version;
}
