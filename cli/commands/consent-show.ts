import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function showCommands(_context: Context): Command[] {
  return [];
}
