import type { Catalog } from '../catalog.ts';
import { describeTable, writeTable } from './draft-table.ts';
import { type Addressed, addresses, type Expected } from './addresses.ts';
import { footer } from './footer.ts';
import type { AddGuess, Guess } from './guess.ts';
import { UNREVIEWED } from './purpose.ts';
import { guessReferences, type ReferenceGuess } from './references.ts';
import { guessRetention } from './retention.ts';
import { guessRoles } from './roles.ts';
import type { StoreSamples } from './samples.ts';
import { guessShared, type SharedGuess } from './shared.ts';
import { guessSubjects, type SubjectGuess } from './subjects.ts';
import { survey, type Survey, type SurveyedTable } from './survey.ts';
import { flow, list, MARK, mark, scalar } from './write.ts';

export interface DraftInput extends Addressed {
  /** By the name that the manifest shall give the store; the first one becomes home. */
  readonly catalogs: Readonly<Record<string, Catalog>>;
  readonly samples: Readonly<Record<string, StoreSamples>>;
  readonly organisation?: string;
  readonly timezone?: string;
}

export interface Draft {
  readonly yaml: string;
  /** Everything that a person should look at, in the order of the file. */
  readonly guesses: readonly Guess[];
  /** What could not be drafted, one sentence each. */
  readonly notes: readonly string[];
  readonly expected: readonly Expected[];
}

/**
 * Drafts a manifest from what is known about live databases. Each guess carries `# guess:` and its reason on its line, proposals that need
 * a decision stand as comments, and the mode is `observe`: nothing can be changed by a draft.
 */
export function draftManifest(input: DraftInput): Draft {
  const found = survey(input.catalogs, input.samples);
  const subjects = guessSubjects(found.tables);
  const references = guessReferences(found.tables, subjects);
  const rules = guessRetention(found.tables, subjects);
  const shared = guessShared(found.tables, subjects, references);
  const linked = linkedTables(found.tables, subjects, references, shared);
  const governed = found.tables.filter((it) => it.personal || linked.has(it) || rules.get(it)?.active === true);
  const told = references.filter((it) => concerns(it, governed));
  const inCommon = shared.filter((it) => governed.includes(it.table) && governed.includes(it.owners));
  const { urls, expected } = addresses(input);
  const guesses: Guess[] = [];
  const guess: AddGuess = (path, value, reason) => {
    guesses.push({ path, value, reason });
    return mark(reason);
  };
  const ignored = { ...found.left, ...reasonsToIgnore(found.tables.filter((it) => !governed.includes(it))) };
  const notes = found.unspeakable.map(
    (it) =>
      `${it.store}: ${it.local} holds a dot in its name, which a manifest cannot spell. Until it is renamed its schema is not checked for completeness.`,
  );

  const lines = [
    ...header(input, notes, expected),
    ...writeStores(urls, governed, found.unspeakable, guess),
    ...writePurposes(guess),
    ...writeSubjects(subjects, guess),
    ...section(
      'tables',
      governed.flatMap((it) => ['', ...describeTable(it), ...writeTable(it, rules.get(it) ?? null, subjects, guess)]),
    ),
    ...section(
      'ignore',
      Object.entries(ignored)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([id, why]) => {
          // The reason is the value itself: said once.
          guess(['ignore', id], id, why);
          return `  ${scalar(id)}: ${scalar(why)}${MARK}`;
        }),
    ),
    ...writeReferences(guessRoles(told, { catalogs: input.catalogs, governed, subjects, shared: inCommon }), guess),
    ...writeShared(inCommon, guess),
    ...footer(governed, rules),
  ];
  return { yaml: `${lines.join('\n')}\n`, guesses, notes, expected };
}

function header(input: DraftInput, notes: readonly string[], expected: readonly Expected[]): string[] {
  const servers = Object.entries(input.catalogs).map(
    ([name, it]) => `${name} (PostgreSQL ${Math.floor(it.version / 10000)}, database ${it.database})`,
  );
  return [
    `# Drafted by probity init from ${servers.join(' and ').replaceAll(/\s+/g, ' ')}.`,
    '# Lines marked "guess" were inferred from names, types and the shape of samples: review them, and delete the mark.',
    '# mode observe: Probity plans and reports, and changes nothing.',
    ...(expected.length === 0
      ? []
      : [`# Expects in the environment: ${expected.map(({ variable, store }) => `${variable} (postgres://… of ${store})`).join(', ')}.`]),
    ...notes.map((note) => `# Not included: ${note.replaceAll(/\s+/g, ' ')}`),
    '',
    `organisation: ${scalar(input.organisation ?? Object.values(input.catalogs)[0]?.database ?? 'unnamed')}`,
    `timezone: ${scalar(input.timezone ?? 'UTC')}`,
    'mode: observe',
  ];
}

/** A schema with a table that can be neither declared nor ignored is left out of `schemas`, or no manifest over it could pass a check. */
function writeStores(
  urls: Readonly<Record<string, string>>,
  governed: readonly SurveyedTable[],
  unspeakable: Survey['unspeakable'],
  guess: AddGuess,
): string[] {
  const lines = Object.entries(urls).map(([name, url], index) => {
    const complete = (schema: string) => !unspeakable.some((it) => it.store === name && it.schema === schema);
    const schemas = [...new Set(governed.filter((it) => it.store === name).map((it) => it.table.schema))].filter(complete).sort();
    const pairs: [string, string][] = [
      ['url', JSON.stringify(url)],
      ...(index === 0 ? [['home', 'true'] as [string, string]] : []),
      ['schemas', list(schemas)],
    ];
    const why = schemas.length === 0 ? 'none is complete and looks personal' : 'the schemas with tables that look personal';
    return `  ${scalar(name)}: ${flow(pairs)}${guess(['stores', name, 'schemas'], schemas.join(', '), why)}`;
  });
  return section('stores', lines);
}

function writePurposes(guess: AddGuess): string[] {
  const reason = 'REVIEW: name your real purposes and their legal basis, then remove this one';
  const pairs: [string, string][] = [
    ['basis', 'legitimate_interests'],
    ['description', scalar('Placeholder until somebody says why this data is kept')],
  ];
  return section('purposes', [`  ${UNREVIEWED}: ${flow(pairs)}${guess(['purposes', UNREVIEWED], UNREVIEWED, reason)}`]);
}

function writeSubjects(subjects: readonly SubjectGuess[], guess: AddGuess): string[] {
  return section(
    'subjects',
    subjects.flatMap((it) => [
      `  ${scalar(it.name)}:${guess(['subjects', it.name], it.table.id, it.reason)}`,
      `    table: ${scalar(it.table.id)}`,
      `    key: ${it.key.length === 1 ? scalar(it.key[0]!) : list(it.key)}`,
      ...(Object.keys(it.identities).length > 0
        ? [`    identities: ${flow(Object.entries(it.identities).map(([name, column]) => [name, scalar(column)]))}`]
        : []),
    ]),
  );
}

function writeReferences(references: readonly ReferenceGuess[], guess: AddGuess): string[] {
  return section(
    'references',
    references.map((it, index) => {
      const when = Object.entries(it.when).map(([column, value]) => [column, scalar(value)] as const);
      const pairs = [
        ['from', scalar(it.from)] as const,
        ...(when.length > 0 ? [['when', flow(when)] as const] : []),
        ['to', scalar(it.to)] as const,
        ...(it.as === null ? [] : [['as', it.as] as const]),
        ...(it.with.length > 0 ? [['with', list(it.with)] as const] : []),
      ];
      const value = `${it.from} → ${it.to}${it.as === null ? '' : ` (${it.as})`}`;
      return `  - ${flow(pairs)}${guess(['references', index], value, it.reason)}`;
    }),
  );
}

function writeShared(shared: readonly SharedGuess[], guess: AddGuess): string[] {
  return section(
    'shared',
    shared.map((it, index) => {
      const pairs: [string, string][] = [
        ['table', scalar(it.table.id)],
        ['owners', scalar(it.owners.id)],
      ];
      return `  - ${flow(pairs)}${guess(['shared', index], it.table.id, it.reason)}`;
    }),
  );
}

/** References between tables that nothing personal touches would only be noise. */
function concerns(reference: ReferenceGuess, governed: readonly SurveyedTable[]): boolean {
  const within = (column: string) => governed.some((it) => column.startsWith(`${it.id}.`));
  return within(reference.from) && (reference.to.split('.').length < 4 || within(reference.to));
}

/** Tables from which foreign keys or guessed references lead to a subject: their rows are about people whatever their columns are called. */
function linkedTables(
  tables: readonly SurveyedTable[],
  subjects: readonly SubjectGuess[],
  references: readonly ReferenceGuess[],
  shared: readonly SharedGuess[],
): ReadonlySet<SurveyedTable> {
  const linked = new Set(subjects.map((it) => it.table));
  const referring = (it: SurveyedTable) => references.filter(({ from }) => from.startsWith(`${it.id}.`)).map(({ to }) => to);
  const leads = (it: SurveyedTable): boolean =>
    it.table.foreignKeys.some((key) => [...linked].some((up) => up.store === it.store && up.local === key.references)) ||
    referring(it).some((to) => to.split('.').length < 4 || [...linked].some((up) => to.startsWith(`${up.id}.`))) ||
    shared.some(({ table, owners }) => table === it && linked.has(owners));
  for (let grown = true; grown;) {
    const more = tables.filter((it) => !linked.has(it) && leads(it));
    more.forEach((it) => linked.add(it));
    grown = more.length > 0;
  }
  return linked;
}

function reasonsToIgnore(tables: readonly SurveyedTable[]): Record<string, string> {
  return Object.fromEntries(
    tables.map((it) => {
      const text = it.columns.filter(({ guess }) => guess.category === 'free_text').map(({ column }) => column.name);
      const review = text.length === 0 ? '' : `; REVIEW what people write into ${text.join(', ')}`;
      return [it.id, `no column looks personal and nothing leads to a person${review}`];
    }),
  );
}

function section(name: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${name}:`, ...lines];
}
