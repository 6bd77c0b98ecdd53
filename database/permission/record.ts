import { sql, type Transaction } from 'kysely';
import { DECIDED_FIELDS, type Decided } from '../../domain/consent/decided.ts';
import { inTransaction, type Store } from '../store.ts';

/** `probity.consent_entry`: one decision as every door hands it in. Names are the type's. */
export interface RecordEntry extends Omit<Decided, 'decision' | 'captured_at'> {
  readonly subject: string;
  readonly key: string;
  readonly decision: string;
  /** ISO 8601; null: now. */
  readonly captured_at: string | null;
  readonly actor: string;
  readonly door: string;
}

/** In the order of the type: `id` stands at its end. */
export const ENTRY_FIELDS: readonly (keyof RecordEntry)[] = [
  'subject',
  'key',
  ...DECIDED_FIELDS.filter((field) => field !== 'id'),
  'actor',
  'door',
  'id',
];
/** The same with their types, for tables and records that hold entries. */
export const ENTRY_COLUMNS = ENTRY_FIELDS.map((field) => `${field} ${field === 'captured_at' ? 'timestamptz' : 'text'}`).join(', ');

/** A row of `alias`, which has these columns, as an entry. */
export const entryOf = (alias: string): string =>
  `row(${ENTRY_FIELDS.map((field) => `${alias}.${field}`).join(', ')})::probity.consent_entry`;

export interface RecordedEntry {
  /** Null: the same had been said before. */
  readonly recordId: number | null;
  /** Fields in which the entry is another than the decision that its id stands for: it refuses something, and was recorded without the id. */
  readonly differs: string | null;
  readonly requestId: string | null;
  readonly dueAt: Date | null;
}

/** SQLSTATEs that `record_consents` and `link_consents` raise. */
export const UNKNOWN_PURPOSE = 'PB010';
export const WRONG_RESTRICTION = 'PB012';
export const LINKED_ELSEWHERE = 'PB013';

/** An entry, by its place among the others, says something else under an id that stands for a decision of the same person. Nothing was recorded. */
export class IdReused extends Error {
  override readonly name = 'IdReused';
  readonly entry: number;
  readonly differs: string;

  constructor(entry: number, differs: string) {
    super(`the id of entry ${entry + 1} stands for another decision of the same person (another ${differs})`);
    this.entry = entry;
    this.differs = differs;
  }
}

/** Records entries in one transaction: when it returns they are committed and in force. One result an entry, in order. Throws `IdReused`. */
export async function recordEntries(home: Store, entries: readonly RecordEntry[]): Promise<RecordedEntry[]> {
  if (entries.length === 0) return [];
  return inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) => recordIn(trx, entries));
}

/** The same as part of a transaction of the caller's, which is read committed and must not commit after an error. */
export async function recordIn(trx: Transaction<unknown>, entries: readonly RecordEntry[]): Promise<RecordedEntry[]> {
  if (entries.length === 0) return [];
  const { rows } = await sql<RecordedEntry>`
    select it.record_id as "recordId", it.request_id as "requestId", it.due_at as "dueAt", it.differs
    from probity.record_consents((
      select array_agg(${sql.raw(entryOf('e'))} order by e.n)
      from rows from (jsonb_to_recordset(${JSON.stringify(entries)}::jsonb) as (${sql.raw(ENTRY_COLUMNS)}))
        with ordinality e (${sql.raw(ENTRY_FIELDS.join(', '))}, n)
    ), false) it
    order by it.n`.execute(trx);
  // An entry that got no answer was not recorded: the transaction must not commit.
  if (rows.length !== entries.length) throw new Error('the ledger answered for another number of entries');
  const reused = rows.findIndex(({ recordId, differs }) => recordId === null && differs !== null);
  if (reused >= 0) throw new IdReused(reused, rows[reused]!.differs!);
  return rows;
}

/** Says that a device or an address is a person. False: that was known. */
export async function linkEntries(home: Store, kind: string, kindKey: string, subject: string, key: string): Promise<boolean> {
  const { rows } = await inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) =>
    sql<{ linked: boolean }>`select probity.link_consents(${kind}, ${kindKey}, ${subject}, ${key}) as linked`.execute(trx),
  );
  return rows[0]?.linked === true;
}
