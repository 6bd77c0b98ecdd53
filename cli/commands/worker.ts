import { Command } from 'commander';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';

export function workerCommand(context: Context): Command {
  return new Command('worker')
    .description('Run a worker until SIGINT or SIGTERM: it takes jobs from the task queue and does them.')
    .addHelpText('after', examples('PROBITY_SIGNING_KEY_FILE=key.pem probity worker', 'probity worker --task-queue bulk'))
    .action(async (_options: unknown, command: Command) => {
      const { manifest, taskQueue } = context.globals(command);
      // Temporal's native part takes a second to load, and no other command needs it.
      const { runWorker } = await import('../../worker/main.ts');
      await runWorker({ ...context.io.env, PROBITY_MANIFEST: manifest, PROBITY_TASK_QUEUE: taskQueue });
    });
}
