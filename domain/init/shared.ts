import { is } from '../words.ts';
import { endsWith, GROUPS } from './names.ts';
import type { ReferenceGuess } from './references.ts';
import type { SubjectGuess } from './subjects.ts';
import type { SurveyedTable } from './survey.ts';

export interface SharedGuess {
  readonly table: SurveyedTable;
  readonly owners: SurveyedTable;
  readonly reason: string;
}

/** What goes with the last who has it: households and the like, and files that attachments name. */
export function guessShared(
  tables: readonly SurveyedTable[],
  subjects: readonly SubjectGuess[],
  references: readonly ReferenceGuess[],
): readonly SharedGuess[] {
  return [...households(tables, subjects), ...files(tables, references)];
}

/** Named so, and joined to a subject by a table that references both. */
function households(tables: readonly SurveyedTable[], subjects: readonly SubjectGuess[]): readonly SharedGuess[] {
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

const FILE = 'filename|file_name|original_filename|content_type|mime_type|byte_size|file_size|checksum';

/** `active_storage_blobs`: described like files, and named by a table that says what of (`record_type`, `record_id`) it is attached to. */
function files(tables: readonly SurveyedTable[], references: readonly ReferenceGuess[]): readonly SharedGuess[] {
  const attaches = (it: SurveyedTable): boolean =>
    references.some(({ from, when }) => from.startsWith(`${it.id}.`) && Object.keys(when).length > 0);
  return tables.flatMap((table) => {
    if (table.columns.filter(({ column }) => is(column.name, FILE)).length < 2) return [];
    const owners = tables.find(
      (it) => it.store === table.store && attaches(it) && it.table.foreignKeys.some((key) => key.references === table.local),
    );
    if (owners === undefined || references.some(({ from }) => from.startsWith(`${table.id}.`))) return [];
    const reason = `files: a row goes with the last row of ${owners.local} that names it; the files themselves lie in a storage service, which belongs under recipients`;
    return [{ table, owners, reason }];
  });
}
