import type { Analysed } from '../client/consent/import.ts';
import type { Context } from './context.ts';

const WHY: Readonly<Partial<Record<Analysed, string>>> = {
  refused: "the role of this store neither owns the ledger's tables nor has MAINTAIN on them (Postgres 17), so it could not analyse them",
  later: "the ledger's tables could not be analysed now",
};

/** Says, beside the result, when the planner has not been told of what was taken in: until then views and look-ups may be slow. */
export function tellAnalysed(analysed: Analysed, { io, colours }: Context): void {
  const why = WHY[analysed];
  if (why !== undefined)
    io.err(`${colours.yellow('!')} ${why}: views and look-ups may be slow until the server does so by itself, within minutes`);
}
