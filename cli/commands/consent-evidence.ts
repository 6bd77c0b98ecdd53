import { Command } from 'commander';
import { exportConsents, verifyConsentFile, verifyConsents, type VerifiedConsents } from '../../client/consent/evidence.ts';
import { Refused } from '../../client/refused.ts';
import type { Context } from '../context.ts';
import { counter } from '../counter.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';

export function evidenceCommands(context: Context): Command[] {
  return [verifyCommand(context), exportCommand(context)];
}

function verifyCommand(context: Context): Command {
  const { io } = context;
  return new Command('verify')
    .description(
      'Recompute every proof of the consent ledger; exit code 1 names the first record that was altered, is missing, or was moved.',
    )
    .option('--file <export>', 'check an export, without any service')
    .option('--against <export>', 'also that the ledger still holds what this earlier export held')
    .addHelpText(
      'after',
      examples('probity consent verify', 'probity consent verify --against 2026-10.jsonl', 'probity consent verify --file 2026-10.jsonl'),
    )
    .action(async ({ file, against }: { readonly file?: string; readonly against?: string }, command: Command) => {
      if (file !== undefined && against !== undefined) throw new Refused('Give --file or --against, not both');
      const told = (verified: VerifiedConsents): void => {
        if (verified.fault !== null) context.exit(EXIT.findings);
        io.out(
          context.globals(command).json
            ? JSON.stringify({ valid: verified.fault === null, ...verified }, null, 2)
            : verdict(verified, context),
        );
      };
      if (file !== undefined) return told(await verifyConsentFile(file));
      await context.withProject(command, async (project) =>
        told(await verifyConsents(project, { against: against ?? null, onProgress: counter(io, 'records checked') })),
      );
    });
}

function exportCommand(context: Context): Command {
  const { io, colours } = context;
  return new Command('export')
    .description('Write the consent ledger with its proofs as JSON lines, to be kept or checked elsewhere. The file is personal data.')
    .requiredOption('--out <file>', 'a new file that only you may read')
    .option('--with-keys', 'also whom each record is about')
    .addHelpText('after', examples('probity consent export --out 2026-10.jsonl', 'probity consent export --with-keys --out ledger.jsonl'))
    .action(async ({ out, withKeys }: { readonly out: string; readonly withKeys?: boolean }, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const written = await exportConsents(project, out, { keys: withKeys ?? false, onProgress: counter(io, 'records written') });
        if (json) return io.out(JSON.stringify({ file: out, ...written }, null, 2));
        io.out(
          `${colours.green('✓')} ${out}: ${records(written.records)}, ${seals(written.seals)}${written.keys ? ', with keys: keep it as you keep your customers’ data' : ''}`,
        );
        io.out(`  head ${written.head}\n  check it anywhere: probity consent verify --file ${out}`);
      });
    });
}

function verdict({ fault, ...it }: VerifiedConsents, { colours }: Context): string {
  const head = it.seals === 0 ? 'no seal yet' : `head ${it.head}`;
  if (fault === null) {
    const gone = it.pruned === 0 ? '' : `; contents of ${count(it.pruned)} pruned, chain intact`;
    const open = it.unsealed === 0 ? '' : `; ${count(it.unsealed)} not sealed yet`;
    const agrees = it.agreesTo === null ? '' : `\n  as the earlier export says, up to seal ${it.agreesTo}`;
    return `${colours.green('✓')} ${records(it.records)} in ${seals(it.seals)}, none altered, missing or moved${gone}${open}\n  ${head}${agrees}`;
  }
  const where = fault.sealId === null || fault.of === 'seal' ? '' : ` of seal ${fault.sealId}`;
  const what = fault.of === 'content' ? `the content of record ${fault.number}` : `${fault.of} ${fault.number}`;
  const how = {
    altered: 'was altered after it was written',
    missing: 'is missing',
    reordered: 'is not where it was written',
    surplus: 'was not there when it was sealed',
  }[fault.fault];
  return `${colours.red('✗')} ${what}${where} ${how}\n  ${records(it.records)} before it ${it.records === 1 ? 'is as it was' : 'are as they were'} written`;
}

const records = (value: number): string => `${count(value)} record${value === 1 ? '' : 's'}`;
const seals = (value: number): string => `${count(value)} seal${value === 1 ? '' : 's'}`;
