import { sql, type Kysely } from 'kysely';
import { StoreError, translating } from './errors.ts';
import { inTransaction, type Store } from './store.ts';

/**
 * How long a run keeps a table after its last sign of life. Too short, and a long checkpoint hands the table to another run
 * (which only costs time: the fence keeps it right); too long, and a dead worker blocks the next run.
 */
export const LEASE_MS = 60_000;
// A takeover waits for the batch in flight under the old fence. One that takes longer is better asked again than waited for with a connection.
const TAKE_TIMEOUT_MS = 5_000;

export interface Lease {
  readonly table: string;
  readonly runId: string;
  readonly fence: number;
}

/**
 * Takes the table for a run, or renews what the run has. Returns null, without waiting, while another run holds it. A new fence
 * waits for every batch that still works under the old one, since those hold the row's key share; throws `busy` when that takes long.
 */
export async function takeLease(store: Store, table: string, runId: string, leaseMs = LEASE_MS): Promise<Lease | null> {
  const { rows } = await inTransaction(store, { lockTimeoutMs: TAKE_TIMEOUT_MS }, (trx) =>
    sql<{ fence: number }>`
      insert into probity.lease as l (table_name, run_id, fence, expires_at)
      select ${table}::text, ${runId}::text, 1, clock_timestamp() + ${leaseMs} * interval '1 millisecond'
      where not exists (
        select from probity.lease held
        where held.table_name = ${table} and held.run_id <> ${runId} and held.expires_at >= clock_timestamp())
      on conflict (table_name) do update set
        run_id = excluded.run_id,
        fence = case when l.run_id = excluded.run_id then l.fence else l.fence + 1 end,
        expires_at = excluded.expires_at
      where l.run_id = excluded.run_id or l.expires_at < clock_timestamp()
      returning l.fence`.execute(trx),
  );
  const [row] = rows;
  return row === undefined ? null : { table, runId, fence: row.fence };
}

/** Keeps the lease alive without disturbing batches. Throws when it was lost. */
export async function renewLease(store: Store, lease: Lease, leaseMs = LEASE_MS): Promise<void> {
  const { rows } = await translating(store, () =>
    sql<{ fence: number }>`
      update probity.lease set expires_at = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
      where table_name = ${lease.table} and run_id = ${lease.runId} and fence = ${lease.fence} returning fence`.execute(store.db),
  );
  if (rows.length === 0) throw fenced(store.name, lease.table);
}

/** The lease outlives a few renewals that fail. Milliseconds. */
const RENEW_MS = LEASE_MS / 6;

/** Keeps leases alive by the clock, whatever a single batch takes. `lost`: one could not be renewed. */
export async function whileLeased<T>(store: Store, leases: readonly Lease[], act: (lost: () => boolean) => Promise<T>): Promise<T> {
  let failure: unknown = null;
  const renewals = setInterval(() => {
    for (const lease of leases) renewLease(store, lease).catch((error: unknown) => (failure = error));
  }, RENEW_MS);
  try {
    return await act(() => failure !== null);
  } finally {
    clearInterval(renewals);
  }
}

/**
 * Lets the next run have the table at once. The new fence shuts out a worker of this run that was thought dead, and waits for
 * the batch that it may be in: when this returns, nothing more happens under the lease.
 */
export async function releaseLease(store: Store, lease: Lease): Promise<void> {
  await translating(store, () =>
    sql`
      update probity.lease set fence = fence + 1, expires_at = '-infinity'
      where table_name = ${lease.table} and run_id = ${lease.runId} and fence = ${lease.fence}`.execute(store.db),
  );
}

/** Inside a step: the lease is still ours, and nobody can take it before this transaction ends. */
export function holdLease(trx: Kysely<unknown>, store: string, lease: Lease): Promise<void> {
  return holdLeases(trx, store, [lease]);
}

/** The same for several tables. */
export async function holdLeases(trx: Kysely<unknown>, store: string, leases: readonly Lease[]): Promise<void> {
  const [tables, runs, fences] = [leases.map((it) => it.table), leases.map((it) => it.runId), leases.map((it) => it.fence)];
  // Key shares do not exclude each other, so steps cannot deadlock over them.
  const { rows } = await sql<{ table: string }>`
    select l.table_name as table from probity.lease as l
    where exists (
      select from unnest(${tables}::text[], ${runs}::text[], ${fences}::bigint[]) as it (table_name, run_id, fence)
      where it.table_name = l.table_name and it.run_id = l.run_id and it.fence = l.fence)
    for key share of l`.execute(trx);
  const ours = new Set(rows.map((row) => row.table));
  const lost = leases.find((lease) => !ours.has(lease.table));
  if (lost !== undefined) throw fenced(store, lost.table);
}

function fenced(store: string, table: string): StoreError {
  return new StoreError({ store, table, code: 'PB001', kind: 'fenced', retryable: false });
}
