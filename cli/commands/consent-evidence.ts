import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function evidenceCommands(_context: Context): Command[] {
  return [];
}
