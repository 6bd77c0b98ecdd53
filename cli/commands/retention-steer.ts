import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { afterApproval, approve, cancel, pause, resume, status } from '../../client/retention.ts';
import type { TemporalClient } from '../../client/temporal.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { SHORT_HASH } from '../plan-text.ts';

export const pauseCommand = (context: Context): Command =>
  steering(context, 'pause', 'Stop a run at its next batch; what is committed stays.', 'will stop at its next batch', pause);

export const resumeCommand = (context: Context): Command =>
  steering(context, 'resume', 'Let a paused run go on, or a parked one after a person has looked.', 'goes on', resume);

export const cancelCommand = (context: Context): Command =>
  steering(context, 'cancel', 'End a run; it still gets a certificate of what it did.', 'will end after its batch', cancel);

type Steer = (client: TemporalClient['client'], runId: string) => Promise<void>;

function steering({ io, colours, withTemporal }: Context, name: string, description: string, then: string, steer: Steer): Command {
  return new Command(name)
    .description(description)
    .argument('<run>', 'the id of the run')
    .addHelpText('after', examples(`probity retention ${name} retention-1f2e3d4c5b6a`))
    .action(async (runId: string) => {
      await withTemporal((client) => steer(client, runId));
      io.out(`${colours.green('✓')} ${runId} ${then}`);
    });
}

export function approveCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('approve')
    .description('Approve the plan that a run waits with. Nobody approves what they started themselves.')
    .argument('<run>', 'the id of the run')
    .requiredOption('--plan <hash>', 'the plan that you looked at, or the first digits of its hash')
    .addHelpText('after', examples('probity retention approve retention-1f2e3d4c5b6a --plan 7f3a --actor jane.doe'))
    .action(async (runId: string, { plan }: { readonly plan: string }, command: Command) => {
      if (plan.length < SHORT_HASH) throw new Refused(`Give at least ${SHORT_HASH} digits of the plan's hash`);
      await context.withProject(command, async (project, { actor }) => {
        const found = await status(project, runId);
        if (found === null) throw new Refused(`The home store knows no run ${runId}`);
        const { state, planHash } = found.run;
        if (state !== 'waiting' || planHash === null) throw new Refused(`The run ${runId} does not wait for an approval: it is ${state}`);
        if (!planHash.startsWith(plan))
          throw new Refused(`The run ${runId} waits with another plan, ${planHash.slice(0, SHORT_HASH)}: look at it first`);
        const then = await context.withTemporal(async (client) => {
          await approve(client, runId, planHash, actor);
          return afterApproval(client, project, runId, planHash);
        });
        const short = planHash.slice(0, SHORT_HASH);
        if (then === 'drifted') {
          context.exit(EXIT.person);
          return io.out(`The data have moved away from plan ${short}: ${runId} waits with another plan; look at it first`);
        }
        const goes = then === 'running' ? 'goes on' : 'counts once more and goes on';
        io.out(`${colours.green('✓')} ${runId} ${goes} with plan ${short}, approved by ${actor}`);
      });
    });
}
