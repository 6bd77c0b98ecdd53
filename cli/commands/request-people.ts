import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { addIdentity, decideIdentity } from '../../client/requests/identity.ts';
import { revealPeople, type RevealedPerson } from '../../client/requests/reveal.ts';
import { showTime } from '../../client/times.ts';
import { vaultLooks } from '../../client/vault.ts';
import { readActorToken, withoutTokenOption } from '../actor-token.ts';
import type { Context } from '../context.ts';
import { examples } from '../help.ts';
import { readWho, withIdentity, type IdentityOptions } from '../identity.ts';
import { count } from '../numbers.ts';
import { textTable } from '../table.ts';

const DEFAULT_LIMIT = 20;

/** Whom requests are about: taken in, decided, and shown to whoever may see it. */
export function requestPeople(context: Context): Command[] {
  return [identityCommand(context), revealCommand(context), looksCommand(context)];
}

interface IdentityFlags extends IdentityOptions {
  readonly accept?: string;
  readonly reject?: string;
  readonly note?: string;
}

function identityCommand(context: Context): Command {
  const { io, colours } = context;
  const command = new Command('identity')
    .description(
      'Take in by what else the subject is known, such as a former address; or decide whose an identity is that several people have.',
    )
    .argument('<id>', 'its number, such as R-1001')
    .option('--accept <subject.identity>', 'whoever has it is this one person, all of them')
    .option('--reject <subject.identity>', 'it is not theirs alone: it leads to nobody, and to no rows')
    .option('--note <text>', 'in free text; kept in a row that can be deleted')
    .addHelpText(
      'after',
      `
The key or identity is read from standard input, a file (--from) or when asked; never from an argument. It is kept in the vault, and needs the master key.
Make sure first that it is theirs. A plan that was made without it is dropped; what is closed is opened again, within own.complaint_window.
${examples('probity request identity R-1001 --by email < address.txt', 'probity request identity R-1001 --subject contact < key.txt', 'probity request identity R-1001 --reject contact.email')}`,
    );
  return withIdentity(command, 1).action(async (id: string, flags: IdentityFlags, self: Command) => {
    const { accept, reject, note = null } = flags;
    const about = accept ?? reject;
    if (accept !== undefined && reject !== undefined) throw new Refused('Say either --accept or --reject');
    if (about !== undefined && (flags.by !== undefined || flags.from !== undefined))
      throw new Refused('Decide, or give an identity: one at a time');
    await context.withProject(self, async (project, { actor, json }) => {
      const by = { actor, note };
      const row =
        about === undefined
          ? await addIdentity(project, id, await readWho(project, flags, io), by)
          : await decideIdentity(project, id, about, accept === undefined ? 'reject' : 'accept', by);
      if (json) return io.out(JSON.stringify({ request: id, state: row.state }, null, 2));
      io.out(
        `${colours.green('✓')} ${id} is ${row.state}. ${row.state === 'received' || row.state === 'verifying' ? 'Next: probity request verify' : 'To be planned with it: probity request plan'} ${id}`,
      );
    });
  });
}

function revealCommand(context: Context): Command {
  const { io } = context;
  const command = new Command('reveal')
    .description(
      'Show whom a request or a batch is about: keys and identities, in every store. That you looked, and why, is recorded first.',
    )
    .argument('<id>', 'its number, such as R-1001, or that of a batch, such as B-1001')
    .requiredOption('--why <text>', 'why you must know; kept as it stands, in a row that can be deleted')
    .option('--limit <n>', 'of a batch: at most so many people', String(DEFAULT_LIMIT))
    .addHelpText('after', '\nNeeds the role officer. Prints personal data: mind where it goes.')
    .addHelpText('after', examples('PROBITY_ACTOR_TOKEN=… probity request reveal R-1001 --why "the requester is on the phone"'))
    .action(async (id: string, { why, limit }: { readonly why: string; readonly limit: string }, self: Command) => {
      const most = Number(limit);
      if (!Number.isInteger(most) || most < 1) throw new Refused('--limit is a whole number from 1 on');
      await context.withProject(self, async (project, { json }) => {
        const found = await revealPeople(project, id, { why, limit: most }, await readActorToken(context));
        if (json) return io.out(JSON.stringify(found, null, 2));
        io.out(found.people.map(personText).join('\n\n'));
        if (found.requests > found.people.length) io.err(`… and ${count(found.requests - found.people.length)} more: --limit`);
      });
    });
  return withoutTokenOption(command);
}

function personText({ request, keys, identities, ambiguous, apart, shared }: RevealedPerson): string {
  const lines = [
    ...keys.map(({ subject, key }) => `  ${subject}  ${key.join(' · ')}`),
    ...Object.entries(identities).map(([identity, values]) => `  ${identity}  ${values.join(' · ')}`),
    ...ambiguous.map(({ subject, identity, rows }) => `  ? ${rows} of ${subject} would be this one person by ${identity}`),
    ...apart.map(({ subject, identity, rows }) => `  ! ${rows} of ${subject} with the same ${identity}, not taken for them`),
    ...shared.map(({ subject, identity, rows }) => `  ! ${rows} of ${subject} with one ${identity}, which is not used`),
  ];
  return [request, ...(lines.length === 0 ? ['  nobody is known behind it any more'] : lines)].join('\n');
}

function looksCommand(context: Context): Command {
  const { io } = context;
  return new Command('looks')
    .description('List who has looked at whom a request is about, and why; the service itself looks when a request is planned.')
    .argument('<id>', 'its number, such as R-1001')
    .addHelpText('after', examples('probity request looks R-1001'))
    .action(async (id: string, _options: unknown, self: Command) => {
      await context.withProject(self, async (project, { json }) => {
        const looks = await vaultLooks(project, id);
        if (json) return io.out(JSON.stringify(looks, null, 2));
        if (looks.length === 0) return io.out('Nobody has looked');
        const titles = ['when', 'who', 'as', 'why'].map((title) => ({ title }));
        const rows = looks.map((it) => [showTime(it.at, project.manifest.timezone), it.actor, it.roles.join(', '), it.why ?? '–']);
        io.out(textTable(titles, rows, io.width));
      });
    });
}
