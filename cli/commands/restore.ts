import { Command } from 'commander';
import { replay, restoreStatus, type ReplayCounts, type Replayed, type RestoreStatus } from '../../client/restore.ts';
import { showTime } from '../../client/times.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';

export function restoreCommand(context: Context): Command {
  const { io } = context;
  const group = new Command('restore').description(
    'After a restore: get withdrawals and holds back that the backup did not know, and open again.',
  );
  group
    .command('status')
    .description('Tell whether the stores are the databases that were opened. Exit code 1 when one is not.')
    .addHelpText('after', examples('probity restore status', 'probity restore status --json'))
    .action(async (_options: unknown, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const status = await restoreStatus(project);
        if (status.stores.some(({ restored }) => restored)) context.exit(EXIT.findings);
        io.out(json ? JSON.stringify(status, null, 2) : statusText(status, project.manifest.timezone));
      });
    });
  group
    .command('replay')
    .description('Read the sink to its end, apply what the stores do not have, and open the home store. May be repeated.')
    .option('--accept-loss <why>', 'open although the sink is missing or damaged; the reason is recorded')
    .addHelpText('after', examples('probity restore replay', 'probity restore replay --accept-loss "sink lost in the fire, DPO informed"'))
    .action(async ({ acceptLoss }: { readonly acceptLoss?: string }, command: Command) => {
      await context.withProject(command, async (project, { json, actor }) => {
        const onProgress = io.terminal && !json ? (entries: number): void => io.err(`${count(entries)} entries read`) : undefined;
        const replayed = await replay(project, { actor, acceptLoss: acceptLoss ?? null, ...(onProgress && { onProgress }) });
        if (!replayed.open) context.exit(EXIT.findings);
        io.out(json ? JSON.stringify(replayed, null, 2) : replayedText(replayed, context));
      });
    });
  return group;
}

function statusText({ stores, sink, last }: RestoreStatus, zone: string): string {
  const lines = stores.map(({ store, restored, opened, open }) => {
    if (restored) return `${store}: restored, copied or failed over since it was opened; closed until probity restore replay`;
    if (!opened) return `${store}: never opened`;
    return `${store}: ${open ? 'open' : 'closed, but the database that was opened'}`;
  });
  const opened =
    last === null
      ? []
      : [
          `opened again ${showTime(last.at, zone)} by ${last.actor}${last.acceptedLoss === null ? '' : `, accepting loss: ${last.acceptedLoss}`}`,
        ];
  return [...lines, sink === null ? 'no sink' : `sink ${sink}`, ...opened].join('\n');
}

const APPLIED: readonly (readonly [keyof ReplayCounts, string])[] = [
  ['consents', 'withdrawals and other decisions recorded again'],
  ['links', 'links made again'],
  ['holds', 'holds placed again'],
  ['releases', 'holds released again'],
  ['erasures', 'people erased before, of whom the backup did not know it'],
  ['people', 'of them found again and erased'],
  ['rows', 'rows erased, masked or cut off again'],
  ['unused', 'decisions about purposes that the manifest does not have any more'],
  ['torn', 'writes cut off, which nobody was told of'],
];
const MISSED: readonly (readonly [keyof ReplayCounts, string])[] = [
  ['damaged', 'lines damaged or altered'],
  ['otherKey', 'lines under another key: set PROBITY_SINK_KEY, or what the manifest names, to that of the time'],
  ['elsewhere', 'entries of stores that the manifest does not name'],
];

function replayedText({ counts, erasures, complete, open }: Replayed, { colours }: Context): string {
  const told = (parts: typeof APPLIED): string[] =>
    parts.filter(([key]) => counts[key] > 0).map(([key, what]) => `  ${count(counts[key])} ${what}`);
  const missed = [...told(MISSED), ...erasures.left.map((line) => `  ${line}`)].map((line) => colours.red(line));
  const more = [
    ...erasures.held.map((store) => `  ${store}: rows under a hold stay; when it is released: probity restore replay`),
    ...(erasures.certificates.length > 0 ? [`  certificates ${erasures.certificates.join(', ')}`] : []),
    ...(erasures.people > 0 && erasures.certificates.length === 0 ? ['  no certificate was issued: PROBITY_SIGNING_KEY is not set'] : []),
  ];
  const end = open
    ? `${colours.green('✓')} open${complete ? '' : ', with the loss accepted'}`
    : `${colours.red('✗')} still closed: mend the sink, or open it with --accept-loss "why"`;
  return [`${count(counts.entries)} entries read`, ...told(APPLIED), ...more, ...missed, end].join('\n');
}
