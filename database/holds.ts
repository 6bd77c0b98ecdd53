import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { PersonName } from '../domain/retention/elsewhere.ts';
import type { Condition, Hold } from '../domain/retention/hold.ts';
import { inTransaction, type Store } from './store.ts';

/** One lock per store: batches take it shared, placing a hold takes it exclusively, so neither can overtake the other. */
const HOLDS_LOCK = sql`hashtextextended('probity.holds', 0)`;

// Batches are short; a hold that cannot be placed within this time says so rather than look placed.
const PLACE_TIMEOUT_MS = 60_000;

/** A row is under an active hold while this is true of `h`. */
export const ACTIVE: RawBuilder<boolean> = sql<boolean>`h.released_at is null and (h.ends_at is null or h.ends_at > now())`;

/** What a batch must respect: holds by table, and which subjects have any hold at all. */
export interface ActiveHolds {
  readonly tables: readonly Hold[];
  readonly subjects: readonly string[];
  /** Kinds of people of whom somebody waits for a copy, or is restricted: purges alone keep their rows. */
  readonly requested: readonly string[];
}

export const NO_HOLDS: ActiveHolds = { tables: [], subjects: [], requested: [] };

/** Locks out the placing of holds until the transaction ends, then reads those in force. */
export async function lockAndReadHolds(trx: Kysely<unknown>): Promise<ActiveHolds> {
  await sql`select pg_advisory_xact_lock_shared(${HOLDS_LOCK})`.execute(trx);
  return activeHolds(trx);
}

/** The holds in force now, read without a lock: for plans and reports. */
export async function activeHolds(db: Kysely<unknown>): Promise<ActiveHolds> {
  const { rows } = await sql<HoldRow>`
    select h.hold_id, h.table_name, h.conditions, h.subject, h.subject_key, h.reason, h.actor, h.placed_at, h.ends_at, h.released_at
    from probity.hold h where h.table_name is not null and ${ACTIVE} order by h.hold_id`.execute(db);
  const subjects = await sql<{ subject: string }>`
    select distinct h.subject from probity.hold h where h.subject is not null and ${ACTIVE} order by h.subject`.execute(db);
  const requested = await sql<{ subject: string }>`select distinct p.subject from probity.protected_subject p order by p.subject`.execute(
    db,
  );
  return {
    tables: rows.map(toHold),
    subjects: subjects.rows.map((row) => row.subject),
    requested: requested.rows.map((row) => row.subject),
  };
}

interface HoldRow {
  hold_id: string;
  table_name: string | null;
  conditions: Condition[] | null;
  subject: string | null;
  subject_key: string[] | null;
  reason: string;
  actor: string;
  placed_at: Date;
  ends_at: Date | null;
  released_at: Date | null;
}

function toHold(row: HoldRow): Hold {
  const scope =
    row.table_name !== null
      ? ({ kind: 'table', table: row.table_name, conditions: row.conditions ?? [] } as const)
      : ({ kind: 'subject', subject: row.subject ?? '', key: row.subject_key ?? [] } as const);
  return {
    id: row.hold_id,
    scope,
    reason: row.reason,
    actor: row.actor,
    placedAt: row.placed_at.toISOString(),
    endsAt: row.ends_at?.toISOString() ?? null,
  };
}

/** Every hold of the store, newest first; released ones only on request. */
export async function listHolds(store: Store, options: { readonly released: boolean }): Promise<(Hold & { releasedAt: string | null })[]> {
  const { rows } = await sql<HoldRow>`
    select h.hold_id, h.table_name, h.conditions, h.subject, h.subject_key, h.reason, h.actor, h.placed_at, h.ends_at, h.released_at
    from probity.hold h where ${options.released} or h.released_at is null order by h.placed_at desc, h.hold_id`.execute(store.db);
  return rows.map((row) => ({ ...toHold(row), releasedAt: row.released_at?.toISOString() ?? null }));
}

/** By which a store's rows name whoever a hold is on. */
export interface HeldName extends PersonName {
  readonly hold: string;
}

/** Whether what must not be lost with the store is queued for the sink that the manifest names. */
export interface Queued {
  readonly sink: boolean;
}

const NOT_QUEUED: Queued = { sink: false };

/**
 * Places a hold, with what the store's own rows name the person by. When this returns, no row under it will be changed by any step that has not
 * committed before. Throws a `StoreError` of kind `busy` when batches did not let go in time: the hold is then not placed.
 */
export async function placeHold(
  store: Store,
  hold: Omit<Hold, 'placedAt'>,
  queued = NOT_QUEUED,
  names: readonly PersonName[] = [],
): Promise<void> {
  const { scope } = hold;
  const column = (of: keyof PersonName): RawBuilder<unknown> => sql`${names.map((it) => it[of])}::text[]`;
  await inTransaction(store, { lockTimeoutMs: PLACE_TIMEOUT_MS, settings: { synchronous_commit: 'on' } }, async (trx) => {
    await sql`select pg_advisory_xact_lock(${HOLDS_LOCK})`.execute(trx);
    await sql`
      insert into probity.hold (hold_id, table_name, conditions, subject, subject_key, reason, actor, ends_at)
      values (${hold.id}, ${scope.kind === 'table' ? scope.table : null}, ${JSON.stringify(scope.kind === 'table' ? scope.conditions : null)},
        ${scope.kind === 'subject' ? scope.subject : null}, ${scope.kind === 'subject' ? [...scope.key] : null},
        ${hold.reason}, ${hold.actor}, ${hold.endsAt})`.execute(trx);
    await sql`
      insert into probity.hold_name (hold_id, subject, identity, value)
      select distinct ${hold.id}, it.* from unnest(${column('subject')}, ${column('identity')}, ${column('value')}) as it`.execute(trx);
    if (queued.sink) {
      await sql`
        insert into probity.sink_queue (body) select jsonb_build_object('kind', 'hold') || to_jsonb(h)
        from probity.hold h where h.hold_id = ${hold.id}`.execute(trx);
    }
  });
}

/** Ends a hold. Returns false when there is no such hold in force. */
export async function releaseHold(store: Store, id: string, by: string, reason: string, queued = NOT_QUEUED): Promise<boolean> {
  return inTransaction(store, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const { rows } = await sql<{ hold_id: string }>`
      update probity.hold set released_at = now(), released_by = ${by}, release_reason = ${reason}
      where hold_id = ${id} and released_at is null returning hold_id`.execute(trx);
    await sql`delete from probity.hold_name where hold_id = ${id}`.execute(trx);
    if (rows.length > 0 && queued.sink) {
      await sql`
        insert into probity.sink_queue (body)
        select jsonb_build_object('kind', 'hold_released', 'hold_id', h.hold_id, 'released_at', h.released_at, 'released_by', h.released_by,
          'release_reason', h.release_reason)
        from probity.hold h where h.hold_id = ${id}`.execute(trx);
    }
    return rows.length > 0;
  });
}

/** Brings back a hold, or the end of one, that the store does not have: from the sink, after a restore. Returns whether it was missing. */
export async function restoreHold(store: Store, body: Readonly<Record<string, unknown>>): Promise<boolean> {
  return inTransaction(store, { lockTimeoutMs: PLACE_TIMEOUT_MS, settings: { synchronous_commit: 'on' } }, async (trx) => {
    await sql`select pg_advisory_xact_lock(${HOLDS_LOCK})`.execute(trx);
    const json = JSON.stringify(body);
    const { rows } =
      body['kind'] === 'hold'
        ? await sql`
            insert into probity.hold (hold_id, table_name, conditions, subject, subject_key, reason, actor, placed_at, ends_at)
            select hold_id, table_name, conditions, subject, subject_key, reason, actor, placed_at, ends_at
            from jsonb_populate_record(null::probity.hold, ${json}::jsonb)
            on conflict (hold_id) do nothing returning hold_id`.execute(trx)
        : await sql`
            update probity.hold h set released_at = it.released_at, released_by = it.released_by, release_reason = it.release_reason
            from jsonb_populate_record(null::probity.hold, ${json}::jsonb) it
            where h.hold_id = it.hold_id and h.released_at is null returning h.hold_id`.execute(trx);
    return rows.length > 0;
  });
}
