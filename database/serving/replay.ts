import { sql } from 'kysely';
import type { SinkEntry } from '../../domain/serving/sink-line.ts';
import { recordEntries, LINKED_ELSEWHERE, type RecordEntry } from '../permission/record.ts';
import { StoreError } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';

export interface ServingState {
  readonly store: string;
  readonly open: boolean;
  /** The database is another than the one that was opened: restored, copied or failed over. */
  readonly restored: boolean;
  /** False: it was never opened; `probity apply`, or in another store a worker, does it. */
  readonly opened: boolean;
  /** Null: it never ends, as in the home store; negative: it has ended. Milliseconds. */
  readonly leaseLeftMs: number | null;
  readonly refreshedAt: Date | null;
}

export async function servingState(store: Store): Promise<ServingState> {
  const { rows } = await sql<Omit<ServingState, 'store'>>`
    select probity.serving_open() as open, incarnation is not null as opened,
      coalesce(incarnation <> probity.incarnation(), false) or coalesce(replayed <> probity.incarnation(), false) as restored,
      case when isfinite(valid_until) then (extract(epoch from valid_until - clock_timestamp()) * 1000)::float8 end as "leaseLeftMs",
      refreshed_at as "refreshedAt"
    from probity.serving`.execute(store.db);
  const [row] = rows;
  if (row === undefined) throw new Error('The store does not say whether it serves');
  return { store: store.name, ...row };
}

/** What a consent entry of the sink says; names are the queue's. */
interface ConsentBody {
  readonly record: number;
  readonly subject: string;
  readonly key: string;
  readonly purpose: string;
  readonly channel: string | null;
  readonly decision: string;
  readonly captured_at: string;
}

export interface ReplayedConsents {
  readonly applied: number;
  /** Of purposes or channels that the manifest in force does not have: nothing uses them. */
  readonly unused: number;
}

/**
 * Records what the home store does not have: by what was said, and by number where its content was pruned. Under the entry's own id, so
 * that doing it again changes nothing.
 */
export async function replayConsents(home: Store, entries: readonly SinkEntry[]): Promise<ReplayedConsents> {
  if (entries.length === 0) return { applied: 0, unused: 0 };
  const said = entries.map(({ entry, body }) => ({ ...(body as unknown as ConsentBody), entry }));
  const { rows } = await sql<{ entry: string; used: boolean }>`
    select it.entry, it.purpose = '*' or exists (
        select from probity.purpose_rule r where r.purpose = it.purpose and (it.channel is null or r.channel = it.channel)) as used
    from jsonb_to_recordset(${JSON.stringify(said)}::jsonb) it
      (entry text, record bigint, subject text, key text, purpose text, channel text, decision text, captured_at timestamptz)
    where not exists (
      select from probity.consent_link l join probity.consent_content c on c.ref = l.ref
      where l.subject = it.subject and l.key = it.key and c.purpose = it.purpose and c.channel is not distinct from it.channel
        and c.decision = it.decision and c.at = it.captured_at)
    and not exists (
      select from probity.consent_link l join probity.consent_record r on r.ref = l.ref
      where l.subject = it.subject and l.key = it.key and r.record_id = it.record
        and not exists (select from probity.consent_content c where c.record_id = r.record_id))`.execute(home.db);
  const used = new Set(rows.filter((row) => row.used).map(({ entry }) => entry));
  const missing = entries
    .filter(({ entry }) => used.has(entry))
    .map(({ entry, body }) => ({ ...NOTHING_SAID, ...body, door: 'replay', id: entry }));
  const recorded = await recordEntries(home, missing as unknown as RecordEntry[]);
  return { applied: recorded.filter(({ recordId }) => recordId !== null).length, unused: rows.filter((row) => !row.used).length };
}

const NOTHING_SAID: Omit<RecordEntry, 'subject' | 'key' | 'purpose' | 'decision' | 'door' | 'id'> = {
  channel: null,
  captured_at: null,
  touchpoint: null,
  notice: null,
  language: null,
  given_by: null,
  proof: null,
  actor: 'replay',
};

/** Links again who was linked. False: they were, or one of them belongs to somebody else by now. */
export async function replayLink(home: Store, { body }: SinkEntry): Promise<boolean> {
  try {
    return await inTransaction(home, {}, async (trx) => {
      const { rows } = await sql<{ linked: boolean }>`
        select probity.link_consents(${body['subject']}::text, ${body['key']}::text, ${body['person']}::text, ${body['person_key']}::text) as linked`.execute(
        trx,
      );
      return rows[0]?.linked === true;
    });
  } catch (error) {
    if (error instanceof StoreError && error.code === LINKED_ELSEWHERE) return false;
    throw error;
  }
}

/** Lets the home store answer again, and notes why it may. */
export async function openHome(
  home: Store,
  { actor, acceptedLoss, counts }: { readonly actor: string; readonly acceptedLoss: string | null; readonly counts: unknown },
): Promise<void> {
  await inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    await sql`
      insert into probity.restore (incarnation, actor, accepted_loss, counts)
      values (probity.incarnation(), ${actor}, ${acceptedLoss}, ${JSON.stringify(counts)}::jsonb)`.execute(trx);
    await sql`
      update probity.serving set incarnation = probity.incarnation(), replayed = probity.incarnation(), valid_until = 'infinity'`.execute(
      trx,
    );
  });
}

/** Says that another store has back what it had lost; its answers come by a full refresh. */
export async function markReplayed(store: Store): Promise<void> {
  await sql`update probity.serving set replayed = probity.incarnation()`.execute(store.db);
}

export interface OpenedAgain {
  readonly at: Date;
  readonly actor: string;
  readonly acceptedLoss: string | null;
  readonly counts: Readonly<Record<string, number>>;
}

export async function lastRestore(home: Store): Promise<OpenedAgain | null> {
  const { rows } = await sql<OpenedAgain>`
    select opened_at as at, actor, accepted_loss as "acceptedLoss", counts from probity.restore order by restore_id desc limit 1`.execute(
    home.db,
  );
  return rows[0] ?? null;
}
