import { sql, type Kysely, type Transaction } from 'kysely';
import { holdLease, type Lease } from '../lease.ts';
import { inTransaction, type Store } from '../store.ts';

/** One answer of the home store: during this time the purpose may use the data of this key on these channels. */
export interface ReplicaSpan {
  readonly purpose: string;
  readonly subject: string;
  readonly key: string;
  readonly channels: readonly string[];
  /** As Postgres prints them; they go back unread. */
  readonly from: string;
  readonly until: string;
  readonly open: boolean;
}

export interface Target {
  readonly subject: string;
  readonly key: string;
}

/** The home store's incarnation, and the hash of all by which it judges and of what is replicated. */
export interface Origin {
  readonly home: string;
  readonly rulesHash: string;
  /** Whether the manifest names a sink. */
  readonly sink: boolean;
}

/** A store that hangs must not keep a transaction of the home store open for longer. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** A full refresh compares whole tables. */
const SWAP_TIMEOUT_MS = 10 * 60_000;

const COLUMNS = sql`purpose, subject, key, regime, channels, every_channel, allows, from_at, until_at, open, of_age_at, of_age`;
const NEXT = 'probity.permission_span_next';
/** Stands in the room of a refresh from its beginning: a crash of the server empties the room, and nothing must be taken from it then. */
const MARK: ReplicaSpan = { purpose: '', subject: '', key: '', channels: [], from: '-infinity', until: 'infinity', open: false };
const LEASED = { settings: { synchronous_commit: 'on' } };

/** The store's clock before the home store is read, and whether its answers are whole. */
export async function replicaState(store: Store, origin: Origin): Promise<{ readonly clock: string; readonly whole: boolean }> {
  const { rows } = await sql<{ clock: string; whole: boolean }>`
    select clock_timestamp()::text as clock, coalesce(incarnation = probity.incarnation() and home = ${origin.home}
      and rules_hash = ${origin.rulesHash}, false) as whole from probity.serving`.execute(store.db);
  return rows[0] ?? { clock: '-infinity', whole: false };
}

/** Puts the answers for these keys in the place of what was there; into the room of a refresh under way too. */
export async function writeSpans(
  store: Store,
  lease: Lease,
  purposes: readonly string[],
  targets: readonly Target[],
  spans: readonly ReplicaSpan[],
  refreshing: boolean,
): Promise<void> {
  await inTransaction(store, { ...LEASED, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, async (trx) => {
    await holdLease(trx, store.name, lease);
    await replace(trx, 'probity.permission_span', purposes, targets, spans);
    if (refreshing) await replace(trx, NEXT, purposes, targets, spans);
  });
}

async function replace(
  trx: Transaction<unknown>,
  table: string,
  purposes: readonly string[],
  targets: readonly Target[],
  spans: readonly ReplicaSpan[],
): Promise<void> {
  await sql`
    delete from ${sql.table(table)} s
    using unnest(${targets.map(({ subject }) => subject)}::text[], ${targets.map(({ key }) => key)}::text[]) t (subject, key)
    cross join unnest(${purposes}::text[]) p (purpose)
    where s.purpose = p.purpose and s.subject = t.subject and s.key = t.key`.execute(trx);
  await insertSpans(trx, table, spans);
}

async function insertSpans(trx: Kysely<unknown>, table: string, spans: readonly ReplicaSpan[]): Promise<void> {
  if (spans.length === 0) return;
  await sql`
    insert into ${sql.table(table)} (${COLUMNS})
    select it.purpose, it.subject, it.key, '*', it.channels, false, true, it."from", it.until, it.open, null, null
    from jsonb_to_recordset(${JSON.stringify(spans)}::jsonb) it
      (purpose text, subject text, key text, channels text[], "from" timestamptz, until timestamptz, open boolean)`.execute(trx);
}

/** Says that everything which the home store knew at `clock` (the store's, before home was read) is here: it may answer for `leaseMs` from then. */
export async function extendLease(
  store: Store,
  lease: Lease,
  origin: Origin,
  clock: string,
  readAt: Date,
  leaseMs: number,
): Promise<boolean> {
  return inTransaction(store, { statementTimeoutMs: STATEMENT_TIMEOUT_MS }, async (trx) => {
    await holdLease(trx, store.name, lease);
    const { rows } = await sql<{ open: boolean }>`
      update probity.serving set valid_until = ${clock}::timestamptz + ${leaseMs} * interval '1 millisecond', replicated_at = ${readAt}, sink = ${origin.sink}
      where incarnation = probity.incarnation() and home = ${origin.home} and rules_hash = ${origin.rulesHash}
        -- A restored store may hold people who were erased: it stays closed until they are again.
        and coalesce(replayed, probity.incarnation()) = probity.incarnation()
      returning true as open`.execute(trx);
    return rows.length > 0;
  });
}

/** Closes the store at once, as the home store is. */
export async function closeServing(store: Store, lease: Lease): Promise<void> {
  await inTransaction(store, { statementTimeoutMs: STATEMENT_TIMEOUT_MS }, async (trx) => {
    await holdLease(trx, store.name, lease);
    await sql`update probity.serving set valid_until = '-infinity'`.execute(trx);
  });
}

/** Clears the room for a full refresh. */
export async function beginRefresh(store: Store, lease: Lease): Promise<void> {
  await inTransaction(store, { statementTimeoutMs: STATEMENT_TIMEOUT_MS }, async (trx) => {
    await holdLease(trx, store.name, lease);
    await sql`truncate probity.permission_span_next`.execute(trx);
    await insertSpans(trx, NEXT, [MARK]);
  });
}

export async function addToRefresh(
  store: Store,
  lease: Lease,
  purposes: readonly string[],
  targets: readonly Target[],
  spans: readonly ReplicaSpan[],
): Promise<void> {
  await inTransaction(store, { statementTimeoutMs: STATEMENT_TIMEOUT_MS }, async (trx) => {
    await holdLease(trx, store.name, lease);
    await replace(trx, NEXT, purposes, targets, spans);
  });
}

/**
 * Makes what was prepared the store's answers, by their differences, in one transaction; from now on they are those of `origin`. Returns
 * false when a crash of the server has emptied the room.
 */
export async function finishRefresh(store: Store, lease: Lease, origin: Origin): Promise<boolean> {
  return inTransaction(store, { ...LEASED, statementTimeoutMs: SWAP_TIMEOUT_MS }, async (trx) => {
    await holdLease(trx, store.name, lease);
    const { rows } = await sql`delete from probity.permission_span_next where purpose = ${MARK.purpose} returning purpose`.execute(trx);
    if (rows.length === 0) return false;
    await sql`set local enable_nestloop = off`.execute(trx);
    const same = sql`o.purpose = s.purpose and o.subject = s.subject and o.key = s.key and o.regime = s.regime and o.channels = s.channels
      and o.from_at = s.from_at and o.until_at = s.until_at and o.open = s.open and o.allows = s.allows`;
    await sql`delete from probity.permission_span s where not exists (select from probity.permission_span_next o where ${same})`.execute(
      trx,
    );
    await sql`
      insert into probity.permission_span (${COLUMNS})
      select ${COLUMNS} from probity.permission_span_next s where not exists (select from probity.permission_span o where ${same})`.execute(
      trx,
    );
    await sql`truncate probity.permission_span_next`.execute(trx);
    await sql`
      update probity.serving set incarnation = probity.incarnation(), home = ${origin.home}, rules_hash = ${origin.rulesHash},
        sink = ${origin.sink}, refreshed_at = clock_timestamp(), replayed = coalesce(replayed, probity.incarnation()),
        -- A lease that a backup brought back is none.
        valid_until = case when incarnation = probity.incarnation() then valid_until else '-infinity' end`.execute(trx);
    return true;
  });
}
