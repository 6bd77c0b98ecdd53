import type { SubjectEnd, TableView, Way } from '../../domain/views/model.ts';
import type { StoreViews } from '../../domain/views/model.ts';

/** `schema.table` → the columns that the owner of the views must be able to read: what is shown, and what decides what is shown. */
export function neededColumns(planned: StoreViews): ReadonlyMap<string, ReadonlySet<string>> {
  const needed = new Map<string, Set<string>>();
  const add = (table: string, columns: readonly string[]): void => {
    const known = needed.get(table) ?? new Set();
    columns.forEach((column) => known.add(column));
    needed.set(table, known);
  };
  for (const purpose of planned.purposes) {
    for (const view of purpose.views) ofView(view, add);
    for (const end of purpose.channels) ofEnd(end, add);
  }
  return needed;
}

type Add = (table: string, columns: readonly string[]) => void;

function ofView(view: TableView, add: Add): void {
  add(
    view.table,
    view.columns.map((column) => column.name),
  );
  for (const column of view.columns) {
    if (column.kind !== 'pseudonym') continue;
    for (const { when } of column.domains) add(view.table, Object.keys(when));
    if (column.shownIf !== null) ofWay(view.table, column.shownIf, add);
  }
  for (const way of view.ways) ofWay(view.table, way, add);
}

function ofWay(table: string, { steps, end, capture }: Way, add: Add): void {
  for (const step of steps) {
    add(step.from, [...step.columns, ...Object.keys(step.when)]);
    add(step.to, step.toColumns);
  }
  ofEnd(end, add);
  if (capture !== null && capture !== 'unknown') add(capture.hop === 0 ? table : (steps[capture.hop - 1]?.to ?? table), [capture.column]);
}

function ofEnd({ table, columns, judged }: SubjectEnd, add: Add): void {
  add(table, columns);
  if (judged.by !== 'facts') return;
  const { facts } = judged;
  add(facts.table, [...facts.key, ...[facts.regime, facts.birth, facts.ends].flatMap((it) => (it === null ? [] : [it.column]))]);
}
