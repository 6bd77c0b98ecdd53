import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { soundsLikeMention } from '../people/mention-names.ts';
import { has, is, singular } from '../words.ts';
import type { ColumnGuess } from './guess.ts';

type Told = Pick<ColumnGuess, 'category' | 'identifying' | 'anything' | 'reason'>;

/** Whole objects written as one value, by what such tables are called. */
const SERIALISED: readonly { readonly tables: string; readonly columns: string; readonly says: string }[] = [
  {
    tables: 'job|queue|task|outbox|inbox|execution|dead_letter',
    columns:
      'handler|arguments|args|payload|params|job_data|serialized_params|serialised_params|message|last_error|error|exception|backtrace',
    says: 'a serialised job may hold anything about anybody',
  },
  { tables: 'session', columns: 'data|payload|value', says: 'a serialised session may hold anything about somebody' },
  {
    tables: 'version|audit|audit_log|history|revision|changelog|change',
    columns: 'object|object_changes|audited_changes|changes|diff|old_values|new_values|before|after|row_data|changed_fields|snapshot',
    says: 'copies of other rows may hold anything about anybody',
  },
];

const SECRETS = 'token|secret|credential|password|otp|api_key|access_key|auth|authentication|authenticator';

/** What a column is where its own name says little, and its table's name or the columns beside it say more. */
export function guessByTable(column: CatalogColumn, table: CatalogTable): Told | null {
  const named = (words: string): boolean => has(table.name, words) || has(singular(table.name), words);
  if (['string', 'json', 'binary'].includes(column.typeCategory)) {
    const serialised = SERIALISED.find((it) => named(it.tables) && is(column.name, it.columns));
    if (serialised !== undefined) return { category: 'free_text', identifying: false, anything: true, reason: serialised.says };
  }
  if (column.typeCategory !== 'string') return null;
  if (named(SECRETS) && is(column.name, 'value|code|digest|hash|data|key|uid|external_id|hashed'))
    return { category: 'credential', identifying: false, anything: false, reason: `in ${table.name}, which is named like secrets` };
  if (is(column.name, 'uid|external_uid|provider_uid') && table.columns.some(({ name }) => is(name, 'provider')))
    return { category: 'contact', identifying: true, anything: false, reason: 'who somebody is to the provider that signs them in' };
  if (isNameOfActor(column.name))
    return { category: 'contact', identifying: true, anything: false, reason: 'named like who did it or received it, written out' };
  return null;
}

/** Roles that programs have, too: alone, such a word is as likely a piece of software. */
const SOFTWARE = 'agent|checker|driver|editor|handler|inspector|modifier|operator|rep|resolver|target|updater|validator|locked_by';

/** `approved_by`, `approver_name`: text, so no reference but the name or the address itself. */
function isNameOfActor(column: string): boolean {
  const written = /_?(full_?)?(name|login)$/i;
  const actor = column.replace(written, '');
  if (!soundsLikeMention(actor)) return false;
  return actor === column ? !has(column, SOFTWARE) && !has(column, 'type|kind|status|role|id|ids') : true;
}
