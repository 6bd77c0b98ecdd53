import { Command } from 'commander';
import { Refused } from '../../client/refused.ts';
import { status, workflowProgress, type RunStatus } from '../../client/retention.ts';
import { titles } from '../../client/tables.ts';
import { showTime } from '../../client/times.ts';
import { isClosed } from '../../client/wording.ts';
import type { Context } from '../context.ts';
import { exitOfState, followRun } from '../follow.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';
import { idOf, shortHash } from '../plan-text.ts';
import { outcomeTable } from '../result.ts';
import { textTable } from '../table.ts';

export function statusCommand(context: Context): Command {
  const { io } = context;
  return new Command('status')
    .description('Tell how far a run has come, from the ledgers of the stores: needs no Temporal.')
    .argument('<run>', 'the id of the run')
    .option('--watch', 'follow it until it ends or waits for a person')
    .addHelpText(
      'after',
      examples('probity retention status retention-1f2e3d4c5b6a', 'probity retention status retention-1f2e3d4c5b6a --watch'),
    )
    .action(async (runId: string, options: { readonly watch?: boolean }, command: Command) => {
      await context.withProject(command, async (project, { json, taskQueue }) => {
        const now = await status(project, runId);
        if (now === null) throw new Refused(await unknown(context, runId));
        const watch = options.watch === true && !isClosed(now.run.state);
        const found = watch ? ((await followRun(context, { project, client: null, runId, taskQueue, quiet: json })).status ?? now) : now;
        context.exit(exitOfState(found.run.state));
        io.out(json ? JSON.stringify(asJson(found), null, 2) : text(found, context));
      });
    });
}

/** A run that no worker has opened is known to Temporal only. */
async function unknown(context: Context, runId: string): Promise<string> {
  const queued = await context
    .withTemporal((client) => workflowProgress(client, runId))
    .then(
      (progress) => progress !== null,
      () => false,
    );
  return queued
    ? `The run ${runId} is planning`
    : `The home store knows no run ${runId}: it does not exist, or no worker has opened it yet`;
}

function asJson({ run, plan, changed, failed, certificate }: RunStatus): unknown {
  const tables = (plan?.tables ?? []).map((table, index) => ({
    table: idOf(table),
    planned: table.rows,
    along: table.along,
    changed: changed[index] ?? 0,
    failed: failed[index] ?? 0,
    kept: table.kept,
  }));
  return { ...run, tables, serial: certificate?.certificate.serial ?? null };
}

function text({ run, plan, changed, failed, certificate }: RunStatus, { io, colours }: Context): string {
  const zone = plan?.timezone ?? 'UTC';
  const head = [
    colours.bold(run.runId),
    run.state,
    ...(plan === null ? [] : [`plan ${shortHash(plan)}`]),
    `as of ${showTime(run.asOf, zone)}`,
    `started by ${run.actor}`,
    ...(run.approvedBy === null ? [] : [`approved by ${run.approvedBy}`]),
  ].join(' · ');
  if (certificate !== null) {
    const { serial, keyId, tables, statements } = certificate.certificate;
    return [
      head,
      outcomeTable(tables, io.width),
      ...statements.map((one) => colours.dim(one)),
      `certificate no. ${serial}, key ${keyId}`,
    ].join('\n');
  }
  if (plan === null) return head;
  const named = titles(plan.tables.map(idOf));
  const rows = plan.tables.map((table, index) => [
    named.get(idOf(table)) ?? idOf(table),
    count(table.rows),
    count(changed[index] ?? 0),
    count(failed[index] ?? 0),
  ]);
  const right = 'right' as const;
  const columns = [
    { title: 'table' },
    { title: 'planned', align: right },
    { title: 'changed', align: right },
    { title: 'failed steps', align: right },
  ];
  return [head, textTable(columns, rows, io.width)].join('\n');
}
