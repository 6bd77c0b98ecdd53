import { percent } from './categories.ts';
import { has, singular, snake } from '../words.ts';
import { endsWith, GROUPS } from './names.ts';
import type { SubjectGuess } from './subjects.ts';
import type { SurveyedTable } from './survey.ts';

export interface RetentionGuess {
  readonly keep: string;
  readonly after: string;
  /** Set for a timestamp without zone, which would otherwise keep every row. */
  readonly zoneless: 'utc' | null;
  /** False: a proposal that stays a comment until somebody uncomments it. */
  readonly active: boolean;
  readonly reason: string;
}

/** From about this size on old rows are worth a rule. Rows. */
const LARGE_ROWS = 10_000;
/** Where a table was never analysed its size has to do: a small row with its indexes. Bytes. */
const ROW_BYTES = 100;

const EVENTS =
  'event|log|view|visit|session|click|track|tracking|history|activity|impression|hit|message|notification|search|metric|telemetry|ping|pageview|access|login|job|queue|delivery|import|export|webhook';
/** Laws, proof or money stand behind these: deleting them by a guess is not even proposed as active. */
const KEPT_BY_LAW =
  'invoice|bill|billing|tax|ledger|accounting|consent|contract|audit|payment|receipt|booking|journal|legal|hold|certificate';
const TRADE = 'order|transaction|purchase|sale|return|refund|shipment|redemption|claim|policy';

/** Names of a moment at which the row came to be, best first. */
const MOMENTS = [
  'at',
  'occurred',
  'event',
  'logged',
  'viewed',
  'visited',
  'timestamp',
  'ts',
  'time',
  'created',
  'inserted',
  'recorded',
  'received',
  'sent',
  'placed',
  'changed',
];
/** Times that say something else: plans, ends, birthdays, or a later change. */
const NOT_THE_ROW =
  'birth|dob|birthday|date_of_birth|expires|expiry|expires_at|until|due|valid|start|starts|end|ends|scheduled|next|deleted|closed|updated|modified|confirmed|verified|opened_on|deadline|renewal|hire|hired|effective';
const ACTIVITY = 'last_seen|last_login|last_active|last_activity|last_visit|last_order|last_used|lastseen|lastlogin';

/**
 * A rule for each table that grows with time: `active` for large event-like tables at the leaves of the foreign keys, a comment for all
 * others. When no table qualifies, the largest other leaf with a time becomes active, so that the first dry run has something to say.
 */
export function guessRetention(
  tables: readonly SurveyedTable[],
  subjects: readonly SubjectGuess[],
): ReadonlyMap<SurveyedTable, RetentionGuess> {
  const guesses = new Map<SurveyedTable, RetentionGuess>();
  for (const table of tables) {
    const guess = guessRule(
      table,
      subjects.some((subject) => subject.table === table),
    );
    if (guess !== null) guesses.set(table, guess);
  }
  if (![...guesses.values()].some((guess) => guess.active)) {
    const leaves = [...guesses].filter(([table]) => isLeaf(table) && !named(table, KEPT_BY_LAW) && rowsOf(table) > 0);
    const [largest] = leaves.sort(([a], [b]) => rowsOf(b) - rowsOf(a) || (a.id < b.id ? -1 : 1));
    if (largest !== undefined)
      guesses.set(largest[0], { ...largest[1], active: true, reason: `the largest table with a time of its own; ${largest[1].reason}` });
  }
  return guesses;
}

function guessRule(it: SurveyedTable, isSubject: boolean): RetentionGuess | null {
  // Members of a group, and the group itself, go with their people and not with time.
  if (isJoin(it) || endsWith(it.table.name, GROUPS)) return null;
  const activity = activityColumn(it);
  // A device or a session lives as long as it is used; a table of people without activity gets no proposal at all.
  const after = isSubject || activity !== null ? activity : momentColumn(it);
  if (after === null) return null;
  const time = it.columns.find(({ column }) => column.name === after)!;
  const zoneless = time.column.baseType === 'timestamp' ? 'utc' : null;
  const events = named(it, EVENTS) || partitionedBy(it, after);
  const lawful = named(it, KEPT_BY_LAW);
  const large = rowsOf(it) >= LARGE_ROWS;
  const keep = lawful
    ? 'P10Y'
    : isSubject || named(it, TRADE)
      ? 'P3Y'
      : named(it, 'log|session|job|queue|metric|telemetry|ping|webhook')
        ? 'P90D'
        : events
          ? 'P13M'
          : 'P2Y';
  const reasons = [
    lawful
      ? 'laws often decide how long this must be kept: ask before deleting anything'
      : isSubject
        ? 'people without activity for long; rows that others reference are kept'
        : events
          ? 'grows with every event'
          : `${after} says when ${activity === null ? 'the row came to be' : 'it was last used'}`,
    ...age(time.shape?.olderThanYears ?? null),
    ...(zoneless === null ? [] : [`${after} has no zone and is read as UTC`]),
  ];
  return {
    keep,
    after,
    zoneless,
    active: events && large && isLeaf(it) && !lawful && !isSubject && !named(it, TRADE),
    reason: reasons.join('; '),
  };
}

function age(older: readonly [number, number, number] | null): string[] {
  if (older === null) return [];
  return [`of the sampled rows ${percent(older[0])} are older than a year and ${percent(older[1])} older than two`];
}

function named(it: SurveyedTable, words: string): boolean {
  return has(it.table.name, words) || has(singular(it.table.name), words);
}

function isJoin({ table }: SurveyedTable): boolean {
  const foreign = new Set(table.foreignKeys.flatMap((key) => key.columns));
  return table.primaryKey !== null && table.foreignKeys.length > 1 && table.primaryKey.every((column) => foreign.has(column));
}

/** Nobody else's rows hang on it, so that deleting an expired row needs no decision about another table. */
function isLeaf(it: SurveyedTable): boolean {
  return it.incoming.every(({ from }) => from === it.local);
}

function partitionedBy({ table }: SurveyedTable, column: string): boolean {
  return table.partitioning?.strategy === 'range' && table.partitioning.columns[0] === column;
}

/** A partitioned table by its time key; otherwise by name, preferring required and indexed columns. */
function momentColumn(it: SurveyedTable): string | null {
  const ranked = it.columns
    .filter(
      ({ column }) =>
        column.typeCategory === 'time' && column.generated === null && !has(column.name, NOT_THE_ROW) && !has(column.name, ACTIVITY),
    )
    .map(({ column }) => {
      const place = MOMENTS.findIndex((moment) => snake(column.name) === moment || has(column.name, `${moment}_(at|on|time|date|ts)`));
      const named = place >= 0 ? 20 - place : has(column.name, 'at|on|date|time|timestamp') ? 3 : 0;
      const indexed = it.table.indexes.some((index) => index.valid && !index.partial && index.columns[0] === column.name) ? 4 : 0;
      return { name: column.name, score: named + indexed + (column.nullable ? 0 : 4) + (partitionedBy(it, column.name) ? 100 : 0) };
    })
    .sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1));
  return ranked[0] !== undefined && ranked[0].score > 0 ? ranked[0].name : null;
}

function activityColumn(it: SurveyedTable): string | null {
  return it.columns.find(({ column }) => column.typeCategory === 'time' && has(column.name, ACTIVITY))?.column.name ?? null;
}

export function rowsOf({ table }: SurveyedTable): number {
  return table.estimatedRows >= 0 ? table.estimatedRows : Math.round(table.bytes / ROW_BYTES);
}
