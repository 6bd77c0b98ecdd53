import type { Durability } from '../client/durability.ts';
import type { Context } from './context.ts';
import { EXIT } from './exit.ts';

/** Says, beside the result, when what was done would not survive the loss of the database. Where a sink is named that is a failure. */
export function tellDurability(durability: Durability, { io, colours, exit }: Context): void {
  if (durability.durable) return;
  io.err(`${colours.yellow('!')} ${durability.message}`);
  if (durability.why === 'unwritable') exit(EXIT.findings);
}
