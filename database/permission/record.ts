import { sql, type Transaction } from 'kysely';
import { inTransaction, type Store } from '../store.ts';

/** `probity.consent_entry`: one decision as every door hands it in. Names are the type's. */
export interface RecordEntry {
  readonly subject: string;
  readonly key: string;
  /** `*` for restrictions. */
  readonly purpose: string;
  readonly channel: string | null;
  readonly decision: string;
  /** ISO 8601; null: now. */
  readonly captured_at: string | null;
  readonly touchpoint: string | null;
  readonly notice: string | null;
  readonly language: string | null;
  readonly given_by: string | null;
  readonly proof: string | null;
  readonly actor: string;
  readonly door: string;
  /** Of the caller's: saying it again under the same id changes nothing. */
  readonly id: string | null;
}

export interface RecordedEntry {
  /** Null: the same had been said before. */
  readonly recordId: number | null;
  readonly requestId: string | null;
  readonly dueAt: Date | null;
}

/** SQLSTATEs that `record_consents` and `link_consents` raise. */
export const UNKNOWN_PURPOSE = 'PB010';
export const WRONG_RESTRICTION = 'PB012';
export const LINKED_ELSEWHERE = 'PB013';

/** Records entries in one transaction: when it returns they are committed and in force. One result an entry, in order. */
export async function recordEntries(home: Store, entries: readonly RecordEntry[]): Promise<RecordedEntry[]> {
  if (entries.length === 0) return [];
  return inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) => recordIn(trx, entries));
}

/** The same as part of a transaction of the caller's, which is read committed. */
export async function recordIn(trx: Transaction<unknown>, entries: readonly RecordEntry[]): Promise<RecordedEntry[]> {
  if (entries.length === 0) return [];
  const { rows } = await sql<RecordedEntry>`
    select it.record_id as "recordId", it.request_id as "requestId", it.due_at as "dueAt"
    from probity.record_consents((
      select array_agg(row(e.subject, e.key, e.purpose, e.channel, e.decision, e.captured_at, e.touchpoint, e.notice, e.language, e.given_by,
        e.proof, e.actor, e.door, e.id)::probity.consent_entry order by e.n)
      from rows from (jsonb_to_recordset(${JSON.stringify(entries)}::jsonb) as (subject text, key text, purpose text, channel text, decision text,
        captured_at timestamptz, touchpoint text, notice text, language text, given_by text, proof text, actor text, door text, id text))
        with ordinality e (subject, key, purpose, channel, decision, captured_at, touchpoint, notice, language, given_by, proof, actor, door, id, n)
    )) it
    order by it.n`.execute(trx);
  // An entry that got no answer was not recorded: the transaction must not commit.
  if (rows.length !== entries.length) throw new Error('the ledger answered for another number of entries');
  return rows;
}

/** Says that a device or an address is a person. False: that was known. */
export async function linkEntries(home: Store, kind: string, kindKey: string, subject: string, key: string): Promise<boolean> {
  const { rows } = await inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) =>
    sql<{ linked: boolean }>`select probity.link_consents(${kind}, ${kindKey}, ${subject}, ${key}) as linked`.execute(trx),
  );
  return rows[0]?.linked === true;
}
