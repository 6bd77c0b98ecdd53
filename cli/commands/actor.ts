import { Command } from 'commander';
import {
  addActor,
  DEFAULT_TOKEN_DAYS,
  hasAdmin,
  listActors,
  revokeActor,
  rotateActor,
  type ActorChanger,
  type IssuedToken,
  type ListedActor,
} from '../../client/actors.ts';
import type { Project } from '../../client/project.ts';
import { Refused } from '../../client/refused.ts';
import { showDay } from '../../client/times.ts';
import { givenToken, withoutTokenOption } from '../actor-token.ts';
import type { Context, Globals } from '../context.ts';
import { examples } from '../help.ts';
import { textTable } from '../table.ts';

export function actorCommand(context: Context): Command {
  const { io, colours } = context;
  const group = new Command('actor').description('People who decide on requests, each known by a token.');

  withoutTokenOption(group.command('add'))
    .description('Add somebody. The token is shown once and stored nowhere; the first must be an admin, who then adds the others.')
    .argument('<name>', 'stands in every decision: a name or pseudonym, no address')
    .requiredOption(
      '--role <role...>',
      'admin adds actors, officer works on requests, approver approves plans; or another that the manifest names',
    )
    .option('--days <n>', 'how long the token works', String(DEFAULT_TOKEN_DAYS))
    .addHelpText(
      'after',
      examples('probity actor add root --role admin', 'PROBITY_ACTOR_TOKEN=… probity actor add anna --role officer approver --days 90'),
    )
    .action(async (name: string, { role, days }: { readonly role: readonly string[]; readonly days: string }, command: Command) => {
      await context.withProject(command, async (project, globals) => {
        show(await addActor(project, { name, roles: role, days: dayCount(days) }, await changer(project, globals)), project, globals);
      });
    });

  withoutTokenOption(group.command('list'))
    .description('List everybody who was ever added.')
    .addHelpText('after', examples('probity actor list'))
    .action(async (_options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const found = await listActors(project);
        if (json) return io.out(JSON.stringify(found, null, 2));
        io.out(
          found.length === 0 ? 'No actor: `probity actor add NAME --role admin`' : listText(found, project.manifest.timezone, io.width),
        );
      });
    });

  withoutTokenOption(group.command('rotate'))
    .description('Give an actor a new token, shown once; the old one stops working. Admins may, and the actor with the old token.')
    .argument('<name>', 'the actor')
    .option('--days <n>', 'how long the token works', String(DEFAULT_TOKEN_DAYS))
    .addHelpText('after', examples('probity actor rotate anna'))
    .action(async (name: string, { days }: { readonly days: string }, command: Command) => {
      await context.withProject(command, async (project, globals) => {
        show(await rotateActor(project, { name, days: dayCount(days) }, await changer(project, globals)), project, globals);
      });
    });

  withoutTokenOption(group.command('revoke'))
    .description('End an actor for good. Approvals of plans that are not yet carried out no longer count; the name is never given again.')
    .argument('<name>', 'the actor')
    .addHelpText('after', examples('probity actor revoke anna'))
    .action(async (name: string, _options: unknown, command: Command) => {
      await context.withProject(command, async (project, globals) => {
        await revokeActor(project, name, await changer(project, globals));
        io.out(globals.json ? JSON.stringify({ revoked: name }) : `${colours.green('✓')} ${name} is revoked`);
      });
    });

  return group;

  /** Nobody is asked for a token where there is no admin to have one. */
  async function changer(project: Project, { actor }: Globals): Promise<ActorChanger> {
    return { token: (await hasAdmin(project)) ? await givenToken(context) : null, name: actor };
  }

  function show({ actor, token, expiresAt }: IssuedToken, { manifest }: Project, { json }: Globals): void {
    if (json) return io.out(JSON.stringify({ ...actor, token, expiresAt }, null, 2));
    io.err(
      `${colours.green('✓')} ${actor.name} (${actor.roles.join(', ')}); the token works until ${showDay(expiresAt, manifest.timezone)} and is shown only now: PROBITY_ACTOR_TOKEN=`,
    );
    io.out(token);
  }
}

function dayCount(text: string): number {
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1) throw new Refused('--days is a whole number from 1 on');
  return days;
}

function listText(found: readonly ListedActor[], zone: string, width: number | null): string {
  const rows = found.map(({ name, roles, expiresAt, revokedAt, addedAt, addedBy }) => [
    name,
    roles.join(', '),
    revokedAt !== null
      ? `revoked ${showDay(revokedAt, zone)}`
      : `${expiresAt.getTime() <= Date.now() ? 'ENDED' : 'until'} ${showDay(expiresAt, zone)}`,
    showDay(addedAt, zone),
    addedBy,
  ]);
  return textTable(
    ['actor', 'roles', 'token', 'added', 'by'].map((title) => ({ title })),
    rows,
    width,
  );
}
