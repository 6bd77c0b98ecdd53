import { Command } from 'commander';
import { startSync, syncStatus, type ConsentsResult, type SyncState } from '../../client/consent/sync.ts';
import { requireManifest } from '../../client/manifest.ts';
import { titles } from '../../client/tables.ts';
import { tellAnalysed } from '../analysed.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { count, seconds } from '../numbers.ts';
import { textTable } from '../table.ts';

interface SyncFlags {
  readonly wait?: boolean;
  readonly full?: boolean;
  readonly status?: boolean;
}

export function syncCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('sync')
    .description("Read what is new in the company's own tables of consent (the manifest's consents:) into the ledger. A worker does it.")
    .argument('[name]', 'one table, such as shop.public.choice or choice (default: all)')
    .option('--wait', 'return when it is done')
    .option('--full', 'read from the beginning: finds rows that came late; what is known changes nothing')
    .option('--status', 'tell how far each table has been read, and how old the newest decision is; start nothing')
    .addHelpText('after', examples('probity consent sync --wait', 'probity consent sync choice --full', 'probity consent sync --status'))
    .action(async (name: string | undefined, options: SyncFlags, command: Command) => {
      if (options.status === true) {
        await context.withProject(command, async (project, { json }) => {
          const states = await syncStatus(project);
          io.out(json ? JSON.stringify(states, null, 2) : syncStatusText(states, io.width));
        });
        return;
      }
      const { manifest: path, json, taskQueue } = context.globals(command);
      const { manifest } = await requireManifest(path);
      await context.withTemporal(async (client) => {
        const { runId, result } = await startSync(client, manifest, { taskQueue, name: name ?? null, full: options.full ?? false });
        if (options.wait !== true)
          return io.out(json ? JSON.stringify({ run: runId }) : `${runId} is started; how far it is: probity consent sync --status`);
        const ended = await result();
        io.out(json ? JSON.stringify({ run: runId, ...ended }, null, 2) : endedText(ended, context));
        for (const analysed of new Set(ended.sources.map((it) => it.analysed))) tellAnalysed(analysed, context);
        if (ended.outcome !== 'complete' || ended.sources.some(({ rejected }) => rejected > 0)) context.exit(EXIT.findings);
      });
    });

  function endedText({ outcome, sources }: ConsentsResult, { io: { width } }: Context): string {
    const named = titles(sources.map(({ source }) => source));
    const table = textTable(
      [{ title: 'table' }, ...COUNTS],
      sources.map((it) => [named.get(it.source) ?? it.source, ...[it.read, it.recorded, it.known, it.rejected].map(count)]),
      width,
    );
    const failures = sources.flatMap(({ source, failure }) => (failure === null ? [] : [`${colours.red('failed')} ${source}: ${failure}`]));
    return [table, ...failures, outcome === 'complete' ? colours.green('complete') : colours.red('incomplete')].join('\n');
  }
}

const COUNTS = ['read', 'recorded', 'known', 'rejected'].map((title) => ({ title, align: 'right' }) as const);

/** Also in the report. */
export function syncStatusText(states: readonly SyncState[], width: number | null): string {
  if (states.length === 0) return 'The manifest names no tables of consent (consents:)';
  const named = titles(states.map(({ source }) => source));
  const age = (ms: number | null): string => (ms === null ? '–' : seconds(Math.max(ms, 0) / 1_000));
  const table = textTable(
    [{ title: 'table' }, { title: 'read to its end' }, { title: 'newest decision' }, ...COUNTS],
    states.map((it) => [
      named.get(it.source) ?? it.source,
      it.running ? 'now' : it.sinceMs === null ? 'never' : `${age(it.sinceMs)} ago`,
      it.lagMs === null ? '–' : `${age(it.lagMs)} old`,
      ...[it.read, it.recorded, it.known, it.rejected].map(count),
    ]),
    width,
  );
  const reasons = states.flatMap((it) =>
    Object.entries(it.reasons).map(([reason, times]) => `${named.get(it.source) ?? it.source}: ${count(times)} rejected, ${reason}`),
  );
  return [table, ...reasons].join('\n');
}
