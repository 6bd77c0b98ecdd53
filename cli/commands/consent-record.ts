import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function recordCommands(_context: Context): Command[] {
  return [];
}
