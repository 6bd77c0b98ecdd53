import { Command } from 'commander';
import type { Context } from '../context.ts';

export function pruneCommand(_context: Context): Command {
  return new Command('prune');
}
