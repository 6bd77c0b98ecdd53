import { changedRows, planStores, unsearchedText, type BoundPlan, type PlannedTable, type StorePlan } from '../client/requests/plan.ts';
import { titles } from '../client/tables.ts';
import { showDay, showTime } from '../client/times.ts';
import { SHOWN_HASH } from '../client/versions.ts';
import type { Context } from './context.ts';
import { count, seconds } from './numbers.ts';
import { textTable } from './table.ts';

export interface RequestPlanTextOptions {
  readonly colours: Context['colours'];
  readonly width: number | null;
  /** Shows what masked rows hold afterwards. */
  readonly columns?: boolean;
}

/** The plan as a table, in the order of execution, with what frames it. Names nobody. */
export function requestPlanText(
  { plan, hash }: BoundPlan,
  { colours, width, columns: showColumns = false }: RequestPlanTextOptions,
): string {
  const mode = plan.mode === 'observe' ? colours.cyan('OBSERVE, nothing changes') : colours.yellow('ENFORCE');
  const head = `Plan ${colours.bold(hash.slice(0, SHOWN_HASH))} for ${plan.request} · ${askedText(plan)} · as of ${showTime(new Date(plan.asOf), plan.timezone)} · ${mode}`;
  const several = plan.classes.length > 1;
  const lines = plan.stores.flatMap((store) => store.tables.map((table) => ({ store, table })));
  if (lines.length === 0) return `${head}\nNothing is held that this request is about.`;
  const named = titles(lines.map(idOf));
  const columns = [
    { title: 'table' },
    ...(several ? [{ title: 'class' }] : []),
    ...['erase', 'mask', 'detach'].map((title) => ({ title, align: 'right' }) as const),
    { title: 'kept, and why' },
  ];
  const rows = lines.map((line) => [
    named.get(idOf(line)) ?? idOf(line),
    ...(several ? [String(line.store.class + 1)] : []),
    number(line.table.erased),
    number(line.table.masked),
    number(line.table.detached),
    keptText(line.table, line.store, plan.timezone),
  ]);
  const about = seconds(plan.stores.reduce((sum, store) => sum + store.seconds, 0));
  const foot = [
    ...(several
      ? plan.classes.map((it, index) => `class ${index + 1}: ${peopleText(it.people)}${kindText(plan, it)}${keepsText(it)}`)
      : []),
    `${count(changedRows(plan))} rows change · about ${about}`,
    ...lines
      .filter(({ table }) => table.ways.length > 0)
      .map(
        (line) =>
          `${named.get(idOf(line)) ?? idOf(line)}: ${line.table.ways.map(({ way, rows: led }) => `${count(led)} by ${way}`).join(', ')}`,
      ),
    ...(showColumns ? lines.flatMap((line) => columnLines(line, named.get(idOf(line)) ?? idOf(line))) : maskedText(plan)),
    ...stayingText(plan),
    ...(plan.apart ?? []).map(
      ({ subject, identity, people, rows }) =>
        `${count(rows)} of ${subject} ${rows === 1 ? 'has' : 'have'} the ${identity} of ${peopleText(people)} here, and ${rows === 1 ? 'is' : 'are'} not taken for them`,
    ),
    ...(plan.shared ?? []).map((it) => sharedText(it)),
    ...(plan.unsearched ?? []).map((it) => `not searched for afterwards, so the certificate will be scan-limited: ${unsearchedText(it)}`),
    ...planStores(plan).flatMap((name) => {
      const held = plan.stores.reduce((sum, { erasure, heldPeople }) => sum + (erasure.store === name ? heldPeople : 0), 0);
      return held > 0 ? [`${name}: ${heldText(held, plan.people)}`] : [];
    }),
    ...indexText(plan),
  ];
  return [head, textTable(columns, rows, width), ...foot].join('\n');
}

/** Whole tables that the manifest keeps from every request. */
function stayingText({ stores }: BoundPlan['plan']): string[] {
  const found = stores.flatMap(({ erasure }) => (erasure.staying ?? []).map((it) => ({ ...it, id: `${erasure.store}.${it.table}` })));
  const named = titles([...new Set(found.map(({ id }) => id))]);
  const lines = found.map(
    ({ id, basis, because }) => `${named.get(id) ?? id}: rows stay whoever goes (${basis.replaceAll('_', ' ')}): ${because}`,
  );
  return [...new Set(lines)];
}

/** What leads to no rows, since it is not only theirs. */
function sharedText({ subject, identity, people, rows }: NonNullable<BoundPlan['plan']['shared']>[number]): string {
  const whose = rows === 1 ? 'stands for none' : `is that of ${people === 1 ? '' : 'up to '}${count(rows)} of ${subject}`;
  return `the ${identity} of ${peopleText(people)} here ${whose}: rows that name it are left, and it is not searched for`;
}

/** How to mend it says `check`: it is as true of the next plan. */
function indexText({ stores }: BoundPlan['plan']): string[] {
  const missing = new Set(stores.flatMap(({ missingIndexes, erasure }) => missingIndexes.map((sql) => `${erasure.store}: ${sql}`))).size;
  if (missing === 0) return [];
  return [
    `${missing === 1 ? 'a table is' : `${count(missing)} tables or references are`} read whole, for want of an index: probity check names ${missing === 1 ? 'it' : 'them'}`,
  ];
}

/** `erasure`; of several: `998 people: 700 withdrawal, 298 erasure` */
function askedText({ asks, people }: BoundPlan['plan']): string {
  const kinds = [...Map.groupBy(asks, ({ kind }) => kind)].map(([kind, some]) => ({
    kind,
    people: some.reduce((sum, it) => sum + it.people, 0),
  }));
  if (people === 1) return kinds[0]?.kind ?? '';
  return `${peopleText(people)}: ${kinds.map((it) => `${count(it.people)} ${it.kind}`).join(', ')}`;
}

function peopleText(people: number): string {
  return people === 1 ? '1 person' : `${count(people)} people`;
}

/** Somebody may be known as several kinds of subject. */
function kindText({ classes }: BoundPlan['plan'], { subject }: BoundPlan['plan']['classes'][number]): string {
  return classes.every((it) => it.subject === subject) ? '' : ` as ${subject}`;
}

function keepsText({ scope: { remaining } }: BoundPlan['plan']['classes'][number]): string {
  return remaining.length === 0
    ? ', nothing goes on'
    : `, ${remaining.map(({ purpose }) => purpose).join(', ')} ${remaining.length === 1 ? 'goes' : 'go'} on`;
}

function heldText(held: number, people: number): string {
  if (people === 1) return 'the person is under a legal hold, nothing changes';
  return `${peopleText(held)} under a legal hold: nothing of theirs changes, and the certificate waits for the holds’ release`;
}

function idOf({ store, table }: { readonly store: StorePlan; readonly table: PlannedTable }): string {
  return `${store.erasure.store}.${table.table}`;
}

function number(rows: number): string {
  return rows === 0 ? '–' : count(rows);
}

/** `30 by de-hgb-257 until 31 Dec 2033, 2 hold H-12, 4 for tax (Art. 17(3)(b))` */
function keptText(table: PlannedTable, { erasure }: StorePlan, zone: string): string {
  const planned = erasure.tables.find((it) => it.table === table.table);
  const by = (planned?.keptBy ?? []).map(({ purpose, article }) => `${purpose} (${article})`).join(', ');
  const parts = [
    ...(table.floor === null
      ? []
      : [`${count(table.floor.rows)} by ${planned?.floor?.rule ?? 'a floor'}${untilText(table.floor.until, zone)}`]),
    ...Object.entries(table.held).map(([hold, rows]) => `${count(rows)} hold ${hold}`),
    ...(table.kept === 0 ? [] : [`${count(table.kept)} ${by === '' ? 'not asked about' : `for ${by}`}`]),
    ...(table.shared === 0 ? [] : [`${count(table.shared)} shared with others`]),
    ...(table.pinned === 0 ? [] : [`${count(table.pinned)} since rows that stay need them`]),
  ];
  return parts.length === 0 ? '–' : parts.join(', ');
}

/** That rows are masked, of which some a reader would expect to go, and where it is shown how. */
function maskedText({ request, stores }: BoundPlan['plan']): string[] {
  const sum = (of: (table: PlannedTable) => number): number => stores.flatMap(({ tables }) => tables).reduce((all, it) => all + of(it), 0);
  const [masked, needed] = [sum((it) => it.masked), sum((it) => it.needed)];
  if (masked === 0) return [];
  const why = needed === 0 ? '' : `, ${needed === masked ? '' : `${count(needed)} of them `}since rows that stay need them`;
  return [
    `${count(masked)} ${masked === 1 ? 'row is' : 'rows are'} masked and ${masked === 1 ? 'stays' : 'stay'}${why}: probity request plan ${request} --columns shows how`,
  ];
}

/** What the masked rows of a table hold afterwards, a line a column. */
function columnLines({ store, table }: { readonly store: StorePlan; readonly table: PlannedTable }, name: string): string[] {
  const spared = table.masked + table.pinned === 0 ? [] : (store.erasure.tables.find((it) => it.table === table.table)?.spared ?? []);
  if (table.masked === 0 && spared.length === 0) return [];
  const needed =
    table.needed === 0 ? '' : `, ${table.needed === table.masked ? '' : `${count(table.needed)} `}since rows that stay need them`;
  const lines = [
    ...table.columns.map(({ column, becomes }) => [column, becomes] as const),
    ...spared.map(({ column, because }) => [column, `stays as it is${because === null ? '' : `: ${because}`}`] as const),
  ];
  const longest = Math.max(...lines.map(([column]) => column.length));
  return [
    `${name}: ${count(table.masked)} masked${needed}`,
    ...lines.map(([column, becomes]) => `  ${column.padEnd(longest)}  ${becomes}`),
  ];
}

function untilText(until: string | null, zone: string): string {
  return until === null ? '' : ` until ${showDay(new Date(until), zone)}`;
}
