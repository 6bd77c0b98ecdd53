import { Command } from 'commander';
import type { Context } from '../context.ts';
import { explainCommand } from './retention-explain.ts';
import { listCommand } from './retention-list.ts';
import { planCommand } from './retention-plan.ts';
import { runCommand } from './retention-run.ts';
import { statusCommand } from './retention-status.ts';
import { approveCommand, cancelCommand, pauseCommand, resumeCommand } from './retention-steer.ts';

const COMMANDS = [
  planCommand,
  runCommand,
  statusCommand,
  listCommand,
  explainCommand,
  approveCommand,
  pauseCommand,
  resumeCommand,
  cancelCommand,
] as const;

export function retentionCommand(context: Context): Command {
  const group = new Command('retention').description('Plan, run and follow purges: rows live exactly as long as their rules say.');
  for (const create of COMMANDS) group.addCommand(create(context));
  return group;
}
