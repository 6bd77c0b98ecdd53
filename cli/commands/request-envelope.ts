import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import {
  approveEnvelope,
  readEnvelope,
  type EnvelopePlan,
  type ListedException,
  type ShownEnvelope,
} from '../../client/requests/envelope.ts';
import { showDay } from '../../client/times.ts';
import { readActorToken, withoutTokenOption } from '../actor-token.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';
import { SHOWN_HASH } from '../../client/versions.ts';
import { textTable } from '../table.ts';

export function envelopeCommand(context: Context): Command {
  const { io, colours } = context;
  const command = new Command('envelope')
    .description(
      'Show what is planned and carried out every night without an approval of each plan, and who has pre-approved that. Exit code 3: it waits for a pre-approval.',
    )
    .option('--approve <hash>', `pre-approve the envelope that was shown, by the first ${SHOWN_HASH} digits of its hash at least`)
    .addHelpText('after', examples('probity request envelope', 'PROBITY_ACTOR_TOKEN=… probity request envelope --approve 7f3a91c2d0be'))
    .action(async ({ approve }: { readonly approve?: string }, self: Command) => {
      await context.withProject(self, async (project, { json }) => {
        const shown = await readEnvelope(project);
        if (shown === null) throw new Refused('The manifest in force has no envelope: `requests: { envelope: … }`');
        if (approve !== undefined && (approve.length < SHOWN_HASH || !shown.hash.startsWith(approve)))
          throw new Refused(`The envelope is another one (${shown.hash.slice(0, SHOWN_HASH)}): look at it before you approve it`);
        const preapproval =
          approve === undefined
            ? shown.preapproval
            : (await approveEnvelope(project, shown.hash, await readActorToken(context))).preapproval;
        if (!preapproval.approved) context.exit(EXIT.person);
        if (json) return io.out(JSON.stringify({ ...shown, preapproval }, null, 2));
        io.out(envelopeText({ ...shown, preapproval }, colours));
      });
    });
  return withoutTokenOption(command);
}

function envelopeText({ envelope, hash, timezone, preapproval }: ShownEnvelope, colours: Context['colours']): string {
  const short = hash.slice(0, SHOWN_HASH);
  const { approved, by, needed, unverified } = preapproval;
  const stands = approved
    ? `${colours.green('✓')} pre-approved by ${by.join(', ')}`
    : `NOT pre-approved (${by.length} of ${needed}), so nothing is carried out by it: PROBITY_ACTOR_TOKEN=… probity request envelope --approve ${short}`;
  return [
    `Envelope ${colours.bold(short)} · every night from ${envelope.at} (${timezone}): ${envelope.kinds.join(', ')}, at most ${count(envelope.mostPeople)} people and ${count(envelope.mostRows)} rows`,
    stands,
    ...(unverified > 0 ? [colours.red(`${count(unverified)} pre-approvals do not count: their signature is not the service’s`)] : []),
  ].join('\n');
}

const STATES: Readonly<Record<Exclude<EnvelopePlan['state'], 'approved' | 'waiting'>, string>> = {
  none: 'The manifest in force has no envelope',
  observe: 'The manifest only observes, so nothing would happen: `probity apply --enforce` one in mode enforce',
  unapproved: 'The envelope is not pre-approved: probity request envelope',
  nothing: 'No request is ready within the envelope',
};

/** What `plan --envelope` has done. */
export function envelopePlanText({ state, batch, people, exceptions }: EnvelopePlan): string {
  const what =
    state === 'approved'
      ? `${batch}: ${count(people)} ${people === 1 ? 'request' : 'requests'} within the envelope; a worker carries it out. Follow it: probity request status ${batch} --watch`
      : state === 'waiting'
        ? `${batch}: ${count(people)} ${people === 1 ? 'request' : 'requests'}, and the plan is not within the envelope: probity request plan ${batch}`
        : STATES[state];
  return [what, ...exceptions.map(({ id, code }) => `${id} is left for a person: ${WHY[code]}`)].join('\n');
}

export function exceptionsText(exceptions: readonly ListedException[], zone: string, width: number | null): string {
  if (exceptions.length === 0) return 'No exceptions: the envelope has left nothing for a person';
  const columns = ['id', 'due', 'why'].map((title) => ({ title }));
  const rows = exceptions.map(({ id, code, dueAt }) => [id, dueAt === null ? '–' : showDay(dueAt, zone), WHY[code]]);
  return textTable(columns, rows, width);
}

const WHY: Readonly<Record<ListedException['code'], string>> = {
  held: 'under a legal hold',
  doubt: 'nobody can tell whom it is about',
  problem: 'the manifest does not say how it could be carried out: probity request plan says what to do',
  shared: 'rows are shared with others, and would stay',
  own: 'whoever pre-approved the envelope has opened it',
  kind: 'of another kind than the envelope lets pass',
  too_many_people: 'more people than the envelope lets pass',
  too_many_rows: 'more rows than the envelope lets pass: the plan waits for an approval',
};
