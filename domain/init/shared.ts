import { endsWith, GROUPS } from './names.ts';
import type { SubjectGuess } from './subjects.ts';
import type { SurveyedTable } from './survey.ts';

export interface SharedGuess {
  readonly table: SurveyedTable;
  readonly owners: SurveyedTable;
  readonly reason: string;
}

/** Households and the like: named so, and joined to a subject by a table that references both. */
export function guessShared(tables: readonly SurveyedTable[], subjects: readonly SubjectGuess[]): readonly SharedGuess[] {
  const groups = tables.filter((it) => endsWith(it.table.name, GROUPS) && !subjects.some((subject) => subject.table === it));
  return groups.flatMap((table) => {
    const references = (it: SurveyedTable, target: SurveyedTable) =>
      it.store === target.store && it.table.foreignKeys.some((key) => key.references === target.local);
    const owners = tables.find(
      (it) => it !== table && references(it, table) && subjects.some((subject) => subject.table !== it && references(it, subject.table)),
    );
    return owners === undefined ? [] : [{ table, owners, reason: `named like a group, and ${owners.local} joins it to people` }];
  });
}
