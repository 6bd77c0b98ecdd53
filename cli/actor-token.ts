import { Option, type Command } from 'commander';
import { Refused } from '../client/refused.ts';
import type { Context } from './context.ts';

const VARIABLE = 'PROBITY_ACTOR_TOKEN';

/** The token of whoever decides: from the environment, or asked for without showing it. Null where neither is to be had. */
export async function givenToken({ io }: Context): Promise<string | null> {
  const given = (io.env[VARIABLE] ?? '').trim();
  if (given !== '') return given;
  if (io.secret === undefined || io.secret === null) return null;
  const typed = (await io.secret('Token of the actor (nothing is shown): ')).trim();
  return typed === '' ? null : typed;
}

/** The same, for what cannot be done without one. */
export async function readActorToken(context: Context): Promise<string> {
  const token = await givenToken(context);
  if (token === null) throw new Refused(`This needs the token of an actor: set ${VARIABLE} (\`probity actor add\` makes one)`);
  return token;
}

/** Refuses a token given as an argument, which shells keep and `ps` shows to everybody. */
export function withoutTokenOption(command: Command): Command {
  const option = new Option('--token [value]').hideHelp().argParser(() => {
    throw new Refused(`A token is not taken as an argument: set ${VARIABLE}, or type it when asked`);
  });
  return command.addOption(option);
}
