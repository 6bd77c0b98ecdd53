import { titles } from '../client/tables.ts';
import type { TableOutcome } from '../domain/evidence/certificate.ts';
import type { Context } from './context.ts';
import { EXIT } from './exit.ts';
import type { Followed } from './follow.ts';
import { count, rows, seconds } from './numbers.ts';
import { alongRows, describeFailure, plannedRows } from '../client/wording.ts';
import { alongText, keptText, planText, shortHash } from './plan-text.ts';
import { textTable } from './table.ts';

/** How a run ended, or why nobody waits for it any longer. */
export function resultText(runId: string, followed: Followed, certificateFile: string | null, context: Context): string {
  const { status, ending, exit } = followed;
  const { colours, io } = context;
  if (ending?.outcome === 'failed') return `${colours.red('failed')}: ${ending.message}`;
  if (status === null && exit === EXIT.person) {
    return `${colours.yellow('parked')}: a worker with another home store took it; give each home store a task queue of its own (--task-queue)`;
  }
  if (status === null) return `${colours.yellow('not started')}: no worker took it; it starts as soon as one polls the task queue`;
  if (status.run.state === 'waiting' && status.plan !== null) {
    const shown = planText(status.plan, { previous: null, duty: 1, colours, width: io.width });
    return `${shown}\n${colours.yellow('waits for an approval')} by somebody else: probity retention approve ${runId} --plan ${shortHash(status.plan)} --actor NAME`;
  }
  if (exit === EXIT.person) return `${colours.yellow(status.run.state)}: once that is settled, probity retention resume ${runId}`;
  const outcome = ending?.outcome ?? status.run.state;
  if (outcome === 'observed' && status.plan !== null) {
    return `${planText(status.plan, { previous: null, duty: 1, colours, width: io.width })}\n${colours.green('observed')}: nothing was changed${proofsText(ending, 'would be pruned')}`;
  }
  const certificate = status.certificate?.certificate;
  if (certificate === undefined) return `${outcome}: no certificate was issued`;
  const took = (Date.parse(certificate.finishedAt) - Date.parse(certificate.startedAt)) / 1_000;
  const changed = changedRows(certificate.tables);
  const paint = outcome === 'complete' ? colours.green : colours.red;
  return [
    outcomeTable(certificate.tables, io.width),
    `${paint(outcome)}: ${rows(changed)} changed in ${seconds(took)}${proofsText(ending, 'pruned')} · certificate no. ${certificate.serial}, ${status.certificate?.records.length ?? 0} records, key ${certificate.keyId}`,
    certificateFile === null
      ? `hand it over: probity evidence export ${runId} --out certificate.json`
      : `written to ${certificateFile}; check it: probity evidence verify ${certificateFile}`,
  ].join('\n');
}

/** The consent ledger's own retention, where there was something to prune. */
function proofsText(ending: Followed['ending'], what: string): string {
  const proofs = ending?.outcome === 'failed' ? null : (ending?.proofs ?? null);
  return proofs === null || proofs === 0 ? '' : ` · contents of ${count(proofs)} consent record${proofs === 1 ? '' : 's'} ${what}`;
}

/** The same for programs. */
export function resultJson(runId: string, { status, ending, exit }: Followed, certificateFile: string | null): unknown {
  const failed = ending?.outcome === 'failed' ? { kind: ending.kind, message: ending.message } : null;
  const certificate = status?.certificate?.certificate ?? null;
  return {
    run: runId,
    outcome: ending?.outcome ?? status?.run.state ?? 'not started',
    exitCode: exit,
    plan: status?.run.planHash ?? null,
    planned: status?.plan ? plannedRows(status.plan) : null,
    changed: certificate === null ? 0 : changedRows(certificate.tables),
    failed: certificate === null ? 0 : certificate.tables.reduce((sum, table) => sum + table.failed, 0),
    proofs: ending === null || ending.outcome === 'failed' ? null : ending.proofs,
    failure: failed,
    serial: certificate?.serial ?? null,
    certificateFile: certificate === null ? null : certificateFile,
    tables: certificate?.tables ?? [],
  };
}

function changedRows(tables: readonly TableOutcome[]): number {
  return tables.reduce((sum, table) => sum + table.erased + table.masked + alongRows(table), 0);
}

export function outcomeTable(tables: readonly TableOutcome[], width: number | null): string {
  const named = titles(tables.map((table) => table.table));
  const columns = [
    { title: 'table' },
    { title: 'planned', align: 'right' },
    { title: 'erased', align: 'right' },
    { title: 'masked', align: 'right' },
    { title: 'failed', align: 'right' },
    { title: 'with others', align: 'right' },
    { title: 'kept, and why' },
    { title: 'along with them' },
  ] as const;
  const body = tables.map((table) => [
    named.get(table.table) ?? table.table,
    count(table.planned),
    count(table.erased),
    count(table.masked),
    count(table.failed),
    table.withOthers === 0 ? '–' : count(table.withOthers),
    keptText(table.kept),
    alongText(table.along),
  ]);
  return [textTable(columns, body, width), ...failures(tables, named)].join('\n');
}

/** `order: 12 rows failed: a row would break a constraint (SQLSTATE 23503)` */
function failures(tables: readonly TableOutcome[], named: ReadonlyMap<string, string>): string[] {
  return tables.flatMap(({ table, failedBecause }) =>
    Object.entries(failedBecause ?? {}).map(
      ([reason, failed]) => `${named.get(table) ?? table}: ${rows(failed)} failed: ${describeFailure(reason)}`,
    ),
  );
}
