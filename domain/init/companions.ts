import { snake } from '../words.ts';
import { isPersonal } from './categories.ts';
import type { SurveyedTable } from './survey.ts';

/** What a reference is called without the words that only say that it is one: `approver_id` is `approver`. */
export function stem(column: string): string {
  return snake(column).replace(/_(id|uuid|ref|key|no|number|email|phone|login)$/, '');
}

/** What says who somebody is, if it stands behind what they are to the row. */
const TELLING =
  /^((full|first|last|middle|given|family|display)_?)?(name|login|username|email|email_address|phone|address|ip|ip_address|user_agent)$/;

/** Columns that say who it is, too (`approver_id`, `approver_name`): named alike, and by no other reference more closely. */
export function companions(column: string, it: SurveyedTable, referring: readonly string[]): readonly string[] {
  const bound = new Set([...referring, ...(it.table.primaryKey ?? []), ...it.table.foreignKeys.flatMap((key) => key.columns)]);
  const fits = (name: string, other: string): boolean => snake(name).startsWith(`${stem(other)}_`);
  return it.columns.flatMap(({ column: { name }, guess }) => {
    if (bound.has(name) || !fits(name, column)) return [];
    if (!isPersonal(guess) && !TELLING.test(snake(name).slice(stem(column).length + 1))) return [];
    return referring.some((other) => fits(name, other) && stem(other).length > stem(column).length) ? [] : [name];
  });
}
