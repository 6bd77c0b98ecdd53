import { Command } from 'commander';
import { linkIdentity, recordConsents, type RecordedConsent } from '../../client/consent/record.ts';
import { durability, type Durability } from '../../client/serving.ts';
import { followingStores, requireKnown, showConsents, type ShownConsents } from '../../client/consent/show.ts';
import { sealLater } from '../../client/consent/evidence.ts';
import { keyParts } from '../../client/consent/identity.ts';
import type { Project } from '../../client/project.ts';
import { Refused } from '../../client/refused.ts';
import { parseTime, showDay } from '../../client/times.ts';
import type { Decision } from '../../manifest/model.ts';
import { useText, whyText, yesNo } from '../consent-text.ts';
import type { Context } from '../context.ts';
import { tellDurability } from '../durability.ts';
import { examples } from '../help.ts';
import { IDENTITY_HELP, readIdentity, readPair, withIdentity, type IdentityOptions } from '../identity.ts';
import { textTable } from '../table.ts';

interface RecordFlags extends IdentityOptions {
  readonly purpose?: string;
  readonly channel?: string;
  readonly decision: string;
  readonly touchpoint?: string;
  readonly notice?: string;
  readonly language?: string;
  readonly givenBy?: string;
  readonly proof?: string;
  readonly capturedAt?: string;
  readonly id?: string;
  readonly unknown?: boolean;
}

export function recordCommands(context: Context): Command[] {
  return [recordCommand(context), linkCommand(context)];
}

function recordCommand(context: Context): Command {
  const { io } = context;
  return withIdentity(new Command('record'))
    .description('Record a decision. It is in force when this returns; what it changed is printed.')
    .option('--purpose <name>', 'which purpose; not with a restriction, which is of all of them')
    .option('--channel <name>', 'only this channel; without, the purpose as a whole')
    .requiredOption(
      '--decision <word>',
      'asked, pending, granted, refused, withdrawn, objected, objection_upheld, objection_rejected, restricted, restriction_lifted',
    )
    .option('--touchpoint <where>', 'where it was captured: onboarding, service_update, trial, preference_centre …')
    .option('--notice <version>', 'the notice that was shown')
    .option('--language <code>', 'in which it was shown')
    .option('--given-by <who>', 'self or parent')
    .option('--proof <reference>', 'where a proof is kept, such as the number of a form; no personal data')
    .option('--captured-at <time>', 'when it was said, if not now')
    .option('--id <id>', 'of this decision: recorded once, however often it is sent')
    .option('--unknown', 'also for a key that the subject’s table does not have')
    .addHelpText('after', IDENTITY_HELP)
    .addHelpText(
      'after',
      examples(
        'probity consent record --purpose newsletter --decision withdrawn --touchpoint preference_centre < key.txt',
        'probity consent record --by email --purpose newsletter --channel email --decision granted --notice 2026-03 --language de --from address.txt',
        'probity consent record --decision restricted --proof CASE-12 < key.txt',
      ),
    )
    .action(async (flags: RecordFlags, command: Command) => {
      await context.withProject(command, async (project, { actor, json }) => {
        const who = await readIdentity(project, flags, context);
        if (flags.unknown !== true) await requireKnown(project, who);
        const before = await showConsents(project, who);
        const { givenBy } = flags;
        if (givenBy !== undefined && givenBy !== 'self' && givenBy !== 'parent') throw new Refused('--given-by is self or parent');
        const [recorded] = await recordConsents(
          project,
          [
            {
              subject: who.subject,
              key: keyParts(who.key, project.manifest.subjects[who.subject]?.key.length ?? 1),
              purpose: flags.purpose ?? null,
              channel: flags.channel ?? null,
              // Checked there: an unknown word is refused with the nearest one.
              decision: flags.decision as Decision,
              capturedAt: flags.capturedAt === undefined ? null : parseTime(flags.capturedAt, project.manifest.timezone),
              touchpoint: flags.touchpoint ?? null,
              notice: flags.notice ?? null,
              language: flags.language ?? null,
              givenBy: givenBy ?? null,
              proof: flags.proof ?? null,
              id: flags.id ?? null,
            },
          ],
          { actor, door: 'command' },
        );
        const after = await showConsents(project, who);
        const told: Told = {
          recorded: recorded!,
          before,
          after,
          stores: await followingStores(project),
          durability: await durability(project),
        };
        await sealLater(project);
        if (json) io.out(JSON.stringify(asJson(told), null, 2));
        else io.out(recordedText(told, who.found, flags, project, context));
        tellDurability(told.durability, context);
      });
    });
}

interface Told {
  readonly recorded: RecordedConsent;
  readonly before: ShownConsents;
  readonly after: ShownConsents;
  readonly stores: readonly string[];
  readonly durability: Durability;
}

function changes({ before, after }: Told) {
  return after.permissions.map((now) => ({
    ...now,
    before: before.permissions.find((it) => it.purpose === now.purpose && it.channel === now.channel)?.allowed ?? false,
  }));
}

function ended({ before, after }: Told): string[] {
  return before.segments.filter((segment) => !after.segments.includes(segment));
}

function asJson(told: Told): unknown {
  const { recordId, requestId, dueAt } = told.recorded;
  return {
    record: recordId,
    repeated: recordId === null,
    idReused: told.recorded.idReused,
    request: requestId,
    due: dueAt,
    effect: changes(told).map(({ purpose, channel, before, allowed, reason }) => ({ purpose, channel, before, after: allowed, reason })),
    segmentsLeft: ended(told),
    storesThatFollow: told.stores,
    durable: told.durability.durable,
  };
}

function recordedText(told: Told, found: boolean, flags: RecordFlags, { manifest }: Project, { io, colours }: Context): string {
  const { recordId, requestId, dueAt } = told.recorded;
  const all = changes(told);
  const about = all.filter(
    ({ purpose, before, allowed }) => flags.purpose === undefined || purpose === flags.purpose || before !== allowed,
  );
  const table = textTable(
    ['purpose', 'before', 'now', 'why'].map((title) => ({ title })),
    about.map((it) => [useText(it), yesNo(it.before), yesNo(it.allowed), whyText(it)]),
    io.width,
  );
  const left = ended(told);
  return [
    recordId === null
      ? `${colours.yellow('!')} the same had been recorded before: nothing changed`
      : `${colours.green('✓')} record ${recordId}: ${flags.decision}${flags.purpose === undefined ? '' : ` ${flags.purpose}`}${flags.channel === undefined ? '' : ` · ${flags.channel}`}, in force now`,
    ...(told.recorded.idReused
      ? [`${colours.yellow('!')} its id stands for another decision of this person already: recorded all the same, without the id`]
      : []),
    ...(found ? [] : ['  nobody has this address: it is kept by its hash, and holds for whoever it is linked to']),
    table,
    ...(requestId === null ? [] : [`request ${requestId}${dueAt === null ? '' : `, due ${showDay(dueAt, manifest.timezone)}`}`]),
    ...(left.length === 0 ? [] : [`left ${left.length === 1 ? 'the segment' : 'the segments'} ${left.join(', ')}`]),
    ...(told.stores.length === 0
      ? []
      : [
          `${told.stores.join(', ')} will follow; until ${told.stores.length === 1 ? 'it has' : 'they have'}, a lease bounds how long the old answer stands`,
        ]),
  ].join('\n');
}

function linkCommand(context: Context): Command {
  const { io, colours } = context;
  return withIdentity(new Command('link'))
    .description('Say that a device or an address is a person. Of what the two have said the stricter holds for both.')
    .requiredOption('--kind <kind>', 'device (its id) or email (an address): what is linked; it stands in the first line of the input')
    .addHelpText(
      'after',
      `${IDENTITY_HELP}\nThe first line is the device or the address, the lines after it the person's key (or with --by its identity).`,
    )
    .addHelpText(
      'after',
      examples('probity consent link --kind device < pair.txt', 'probity consent link --kind email --by email --from pair.txt'),
    )
    .action(async ({ kind, ...flags }: IdentityOptions & { readonly kind: string }, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        if (kind !== 'device' && kind !== 'email') throw new Refused('--kind is device or email');
        const { stranger, who } = await readPair(project, flags, context);
        const linked = await linkIdentity(project, kind === 'email' ? { email: stranger } : { subject: kind, key: stranger }, who);
        if (json) return io.out(JSON.stringify({ linked, known: !linked }, null, 2));
        io.out(linked ? `${colours.green('✓')} linked: what one has said holds for both` : 'They were linked already: nothing changed');
      });
    });
}
