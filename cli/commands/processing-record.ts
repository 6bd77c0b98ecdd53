import { Command } from 'commander';
import { basisWords, keepingWords, processingPage, recordOfProcessing, type ProcessingRecord } from '../../client/processing.ts';
import { writeReport } from '../../client/report-file.ts';
import { SHOWN_HASH } from '../../client/versions.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { examples } from '../help.ts';
import { count } from '../numbers.ts';
import { textTable } from '../table.ts';

export function processingRecordCommand(context: Context): Command {
  const { io } = context;
  return new Command('processing-record')
    .description(
      'The record of processing activities (Art. 30 GDPR), from the manifest and the live catalog, with what is missing. Reads no rows.',
    )
    .option('--html <file>', 'also write it as a page to read, print and hand over')
    .option('--strict', 'exit code 1 when something is missing')
    .addHelpText(
      'after',
      examples('probity processing-record', 'probity processing-record --html record.html', 'probity processing-record --strict --json'),
    )
    .action(async ({ html, strict = false }: { readonly html?: string; readonly strict?: boolean }, command: Command) => {
      await context.withProject(command, async (project, { json }) => {
        const record = await recordOfProcessing(project);
        if (html !== undefined) await writeReport(html, processingPage(record));
        if (json) io.out(JSON.stringify(record, null, 2));
        else {
          for (const line of summary(record, context)) io.out(line);
          if (html !== undefined) io.out(`${context.colours.green('✓')} written to ${html}`);
        }
        if (strict && record.missing.length > 0) context.exit(EXIT.findings);
      });
    });
}

function summary(record: ProcessingRecord, { io, colours }: Context): string[] {
  const lacking = colours.yellow('MISSING');
  const who = record.controller;
  const lines = [
    colours.bold(
      `${record.organisation} · record of processing activities (Art. 30 GDPR) · manifest ${record.manifest.slice(0, SHOWN_HASH)}`,
    ),
    `Controller  ${who === null ? lacking : [who.name, who.address ?? who.country, who.contact].filter((it) => it !== null).join(' · ')}`,
    `Officer     ${who?.dpo ?? lacking}`,
    '',
    purposes(record, io.width),
    '',
    recipients(record, io.width),
    '',
    keeping(record, io.width),
    '',
    `Measures    ${record.measures.declared.length} of the organisation, ${record.measures.built.length} built in${record.mode === 'observe' ? ' (observing: nothing is deleted yet)' : ''}`,
    `Stores      ${record.stores.map((it) => `${it.store} (${it.tables} tables, PostgreSQL ${it.postgres})`).join(' · ')}`,
    '',
  ];
  if (record.missing.length === 0) return [...lines, `${colours.green('✓')} nothing that can be known here is missing`];
  lines.push(
    `${colours.yellow('!')} ${record.missing.length} ${record.missing.length === 1 ? 'particular is' : 'particulars are'} ${lacking}`,
  );
  for (const it of record.missing)
    lines.push(`  ${colours.bold(it.path)}  ${it.what} (${it.provision})`, `    ${colours.dim('write:')} ${it.write}`);
  return lines;
}

function purposes({ activities }: ProcessingRecord, width: number | null): string {
  const rows = activities.map((it) => [
    it.purpose,
    it.bases.map((one) => basisWords({ ...one, provision: one.provision.replace(' GDPR', '') })).join('; ') || 'MISSING',
    it.subjects.map(({ subject, people }) => (people === null ? subject : `${subject} (${count(people)})`)).join(', ') || '–',
    it.data.map((one) => `${one.category ?? 'MISSING'}${one.special.length > 0 ? ' (Art. 9)' : ''}`).join(', ') || '–',
  ]);
  return textTable([{ title: 'purpose' }, { title: 'basis' }, { title: 'about' }, { title: 'personal data' }], rows, width);
}

function recipients({ recipients: all }: ProcessingRecord, width: number | null): string {
  const rows = all.map((it) => [
    it.name,
    it.role,
    it.purposes.join(', ') || 'MISSING',
    it.receives.join(', ') || 'MISSING',
    it.country ?? 'MISSING',
    it.transfer ? (it.safeguard ?? 'MISSING') : '–',
  ]);
  return textTable(
    [{ title: 'recipient' }, { title: 'role' }, { title: 'for' }, { title: 'receives' }, { title: 'country' }, { title: 'transfer' }],
    rows,
    width,
  );
}

function keeping({ keeping: all }: ProcessingRecord, width: number | null): string {
  const rows = all.map((it) => [
    it.table,
    keepingWords(it) ?? (it.personal ? 'MISSING' : '–'),
    it.floor ? `${it.floor.keep} ${it.floor.rule}` : '–',
  ]);
  return textTable([{ title: 'table' }, { title: 'kept' }, { title: 'legal floor' }], rows, width);
}
