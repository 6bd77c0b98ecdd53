import type { AddGuess, ColumnGuess } from './guess.ts';
import { UNREVIEWED } from './purpose.ts';
import { rowsOf, type RetentionGuess } from './retention.ts';
import type { SubjectGuess } from './subjects.ts';
import type { SurveyedTable } from './survey.ts';
import { flow, list, scalar } from './write.ts';

/** A comment above the table: its size, and what in it needs care. */
export function describeTable(it: SurveyedTable): string[] {
  const facts = [
    `about ${rowsOf(it).toLocaleString('en-US')} rows`,
    ...(it.table.partitioning === null ? [] : [`${it.table.partitioning.partitions.length} partitions`]),
    ...(it.table.triggers.some((trigger) => trigger.enabled && trigger.events.includes('delete')) ? ['a trigger fires on delete'] : []),
  ];
  return [`  # ${facts.join(', ')}`];
}

export function writeTable(it: SurveyedTable, rule: RetentionGuess | null, subjects: readonly SubjectGuess[], guess: AddGuess): string[] {
  const at = ['tables', it.id];
  return [
    `  ${scalar(it.id)}:`,
    `    purposes: ${list([UNREVIEWED])}${guess([...at, 'purposes'], UNREVIEWED, 'REVIEW: why is this data kept?')}`,
    '    columns:',
    ...it.columns.map(({ column, guess: about }) => {
      const comment = about.reason === null ? '' : guess([...at, 'columns', column.name], about.category, about.reason);
      return `      ${scalar(column.name)}: ${columnValue(about)}${comment}`;
    }),
    ...writeJson(it, subjects, guess),
    ...writeRule(it, rule, guess),
  ];
}

function columnValue(about: ColumnGuess): string {
  const pairs: [string, string][] = [
    ['category', scalar(about.category)],
    ...(about.identifying ? [['identifying', 'true'] as [string, string]] : []),
    ...(about.protected !== null ? [['protected', scalar(about.protected)] as [string, string]] : []),
    ...(about.special !== null ? [['special', scalar(about.special)] as [string, string]] : []),
  ];
  return pairs.length === 1 ? scalar(about.category) : flow(pairs);
}

function writeJson(it: SurveyedTable, subjects: readonly SubjectGuess[], guess: AddGuess): string[] {
  const found = it.columns.flatMap(({ column, shape }) => (shape?.contactPaths ?? []).map((path) => ({ column: column.name, ...path })));
  if (found.length === 0) return [];
  const lines = found.map(({ column, path, kind }, index) => {
    const known = subjects.filter((subject) => kind in subject.identities);
    const subject = known.find((candidate) => candidate.table.store === it.store) ?? known[0];
    const refers = subject === undefined ? [] : [['refers', scalar(`${subject.name}.${kind}`)] as const];
    const reason = `sampled values at this path look like ${kind === 'email' ? 'e-mail addresses' : 'phone numbers'}`;
    const pairs = [['column', scalar(column)] as const, ['path', scalar(path)] as const, ...refers];
    return `      - ${flow(pairs)}${guess(['tables', it.id, 'json', index], path, reason)}`;
  });
  return ['    json:', ...lines];
}

function writeRule(it: SurveyedTable, rule: RetentionGuess | null, guess: AddGuess): string[] {
  if (rule === null) return [];
  const pairs: [string, string][] = [
    ['keep', rule.keep],
    ['after', scalar(rule.after)],
    ...(rule.zoneless === null ? [] : [['zoneless', rule.zoneless] as [string, string]]),
  ];
  const review = `REVIEW the period: ${rule.reason}`;
  const comment = guess(['tables', it.id, 'retention'], `${rule.keep} after ${rule.after}${rule.active ? '' : ' (proposed)'}`, review);
  if (rule.active) return [`    retention: ${flow(pairs)}${comment}`];
  return [`    # retention: ${flow(pairs)}${comment}`];
}
