import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { planEnvelopeNow } from '../../client/requests/envelope.ts';
import {
  approveRequest,
  certificateOf,
  planBatch,
  planBulk,
  planOfRequest,
  planRequest,
  resumeRequest,
  type BoundPlan,
  type LeftOut,
} from '../../client/requests/plan.ts';
import { SHOWN_HASH } from '../../client/versions.ts';
import { readActorToken, withoutTokenOption } from '../actor-token.ts';
import { handOver } from '../certificate.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { envelopePlanText } from './request-envelope.ts';
import { requestFound } from './request-found.ts';
import { requestPlanText } from '../request-plan-text.ts';

const NUMBER = 'its number, such as R-1001, or that of a batch, such as B-1001';

export function requestPlans(context: Context): Command[] {
  return [planCommand(context), approveCommand(context), ...requestFound(context), resumeCommand(context), certificateCommand(context)];
}

interface PlanFlags {
  readonly bulk?: boolean;
  readonly envelope?: true;
  readonly kind?: string;
  readonly limit?: string;
  readonly columns?: true;
}

/** Beyond it a plan takes minutes, and its transaction locks that many requests. */
const MOST_AT_ONCE = '10000';

function planCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('plan')
    .description(
      'Count, table by table, what carrying out a request, or several as one batch, would do; changes nothing of the company’s. Exit code 3: it waits for an approval.',
    )
    .argument('[ids...]', 'its number, such as R-1001, or that of a batch, such as B-1001; several numbers make a batch')
    .option(
      '--bulk',
      'make one batch of all requests that are ready: verified erasures, withdrawals and objections that every store follows',
    )
    .option(
      '--envelope',
      'do now what the night does: one batch of all that is within the pre-approved envelope, which is then carried out',
    )
    .option('--columns', 'show for each table which columns of masked rows change, and what they hold afterwards (in --json always)')
    .option('--kind <kind>', 'with --bulk: withdrawal, objection or erasure only')
    .option('--limit <n>', `with --bulk: at most so many, those due first (${MOST_AT_ONCE})`)
    .addHelpText(
      'after',
      examples(
        'probity request plan R-1001',
        'probity request plan R-1001 --columns',
        'probity request plan R-1001 R-1002',
        'probity request plan --bulk --kind withdrawal --limit 1000',
        'probity request plan --envelope',
      ),
    )
    .action(async (ids: readonly string[], { bulk, envelope, kind, limit, columns }: PlanFlags, command: Command) => {
      if (envelope === true) {
        if (ids.length > 0 || bulk === true || kind !== undefined || limit !== undefined)
          throw new Refused('--envelope goes alone: the envelope says what is planned');
        return planWithin(context, command);
      }
      if (bulk === true ? ids.length > 0 : ids.length === 0)
        throw new Refused('Name the requests to be planned, or say --bulk for all that are ready');
      if (bulk !== true && (kind !== undefined || limit !== undefined)) throw new Refused('--kind and --limit go with --bulk');
      const most = Number(limit ?? MOST_AT_ONCE);
      if (!Number.isInteger(most) || most < 1) throw new Refused('--limit is a whole number from 1 on');
      if (kind !== undefined && !isPlannedKind(kind)) throw new Refused('--kind is withdrawal, objection or erasure');
      await context.withProject(command, async (project, { json, actor }) => {
        const by = { actor, progress: (store: string): void => io.err(`Looking into ${store} …`) };
        const bound: (BoundPlan & { readonly unknown?: readonly LeftOut[] }) | null =
          bulk === true
            ? await planBulk(project, { kind: kind ?? null, limit: most }, by)
            : ids.length === 1
              ? await planRequest(project, ids[0]!, by)
              : await planBatch(project, ids, by);
        if (bound === null) return io.out(json ? 'null' : 'No request is ready to be planned');
        context.exit(EXIT.person);
        if (json) return io.out(JSON.stringify(bound, null, 2));
        io.out(requestPlanText(bound, { colours, width: io.width, columns: columns === true }));
        for (const left of bound.unknown ?? []) io.err(`${left.id} is not in it: ${left.why}`);
        const id = bound.plan.request;
        io.out(`To let it happen: PROBITY_ACTOR_TOKEN=… probity request approve ${id} --plan ${bound.hash.slice(0, SHOWN_HASH)}`);
      });
    });
}

async function planWithin(context: Context, command: Command): Promise<void> {
  await context.withProject(command, async (project, { json, actor }) => {
    const planned = await planEnvelopeNow(project, { actor });
    if (planned.state === 'waiting' || planned.state === 'unapproved') context.exit(EXIT.person);
    else if (planned.exceptions.length > 0) context.exit(EXIT.findings);
    context.io.out(json ? JSON.stringify(planned, null, 2) : envelopePlanText(planned));
  });
}

function isPlannedKind(kind: string): kind is 'withdrawal' | 'objection' | 'erasure' {
  return kind === 'withdrawal' || kind === 'objection' || kind === 'erasure';
}

function approveCommand(context: Context): Command {
  const { io, colours } = context;
  const command = new Command('approve')
    .description('Approve the plan of a request, in the name of whoever the token belongs to: then the workers carry it out.')
    .argument('<id>', NUMBER)
    .requiredOption('--plan <hash>', `the plan that was shown, by the first ${SHOWN_HASH} digits of its hash at least`)
    .addHelpText('after', examples('PROBITY_ACTOR_TOKEN=… probity request approve R-1001 --plan 7f3a91c2d0be'))
    .action(async (id: string, { plan }: { readonly plan: string }, self: Command) => {
      await context.withProject(self, async (project, { json }) => {
        const bound = await planOfRequest(project, id);
        if (bound === null) throw new Refused(`${id} has no plan: probity request plan ${id}`);
        if (plan.length < SHOWN_HASH || !bound.hash.startsWith(plan))
          throw new Refused(`${id} has another plan (${bound.hash.slice(0, SHOWN_HASH)}): look at it before you approve it`);
        const { approval, state } = await approveRequest(project, id, bound.hash, await readActorToken(context));
        if (!approval.approved) context.exit(EXIT.person);
        if (json) return io.out(JSON.stringify({ request: id, state, approval }, null, 2));
        if (approval.approved)
          io.out(`${colours.green('✓')} ${id} is approved: a worker carries it out. Follow it: probity request status ${id} --watch`);
        else io.out(`${id}: ${approval.by.length} of ${approval.needed} approvals; somebody else must approve it, too`);
      });
    });
  return withoutTokenOption(command);
}

function resumeCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('resume')
    .description('What kept a request, such as rows that came faster than they went, has been mended: have the workers go on.')
    .argument('<id>', NUMBER)
    .option('--note <text>', 'what was mended, in free text; kept in a row that can be deleted')
    .addHelpText('after', examples('probity request resume R-1001', 'probity request resume B-1001 --note "the import is off"'))
    .action(async (id: string, { note = null }: { readonly note?: string | null }, command: Command) => {
      await context.withProject(command, async (project, { json, actor }) => {
        await resumeRequest(project, id, { actor, note });
        io.out(
          json
            ? JSON.stringify({ request: id, resumed: true })
            : `${colours.green('✓')} a worker goes on with ${id}: probity request status ${id} --watch`,
        );
      });
    });
}

function certificateCommand(context: Context): Command {
  const { io } = context;
  return new Command('certificate')
    .description('Hand over the signed account of what was done; exit code 3 while there is none.')
    .argument('<id>', NUMBER)
    .option('--out <file>', 'where to write it; never overwritten', '-')
    .addHelpText('after', examples('probity request certificate R-1001 --out R-1001.json', 'probity evidence verify R-1001.json'))
    .action(async (id: string, { out }: { readonly out: string }, command: Command) => {
      await context.withProject(command, async (project) => {
        const file = await certificateOf(project, id);
        if (file === null) {
          context.exit(EXIT.person);
          return io.err(`${id} has no certificate yet: probity request status ${id}`);
        }
        await handOver(context, file, out);
      });
    });
}
