import { sql, type Kysely, type Transaction } from 'kysely';
import type { EvidenceBody, EvidenceRecord } from '../domain/evidence/chain.ts';
import { GENESIS, nextHead } from '../domain/evidence/chain.ts';
import { StoreError } from './errors.ts';
import type { Faults } from './faults.ts';
import { lockAndReadHolds, type ActiveHolds } from './holds.ts';
import { incarnation } from './incarnation.ts';
import { holdLeases, type Lease } from './lease.ts';
import { inTransaction, type Store } from './store.ts';

export interface StepRequest {
  readonly runId: string;
  readonly lane: number;
  /** The first step of a lane is 1; a step exists only behind its predecessor. */
  readonly seq: number;
  readonly kind: string;
  readonly pass: number;
  readonly cutOff: string | null;
  /** The table that the step is recorded under. */
  readonly lease: Lease;
  /** Of every further table that the step changes. */
  readonly furtherLeases?: readonly Lease[];
  /** What the store was when the run opened. */
  readonly incarnation: string;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** What a step's action reports; it is recorded in the transaction of the action. */
export interface StepEffect {
  readonly range: string | null;
  readonly counts: Readonly<Record<string, number>>;
  /** Where the lane goes on. Stays in the ledger: it may hold a value of a row. */
  readonly cursor: unknown;
}

export interface Step extends EvidenceRecord {
  readonly cursor: unknown;
  /** True when this step had been taken before, and nothing was done now. */
  readonly repeated: boolean;
}

// Between two statements of a step a worker only computes. One that is frozen there holds its locks and the lease: the server ends its session.
const IDLE_TIMEOUT_MS = 30_000;

/**
 * The one way in which an activity changes a store. The step's row is inserted first; it and the effect commit together
 * or not at all. Whoever repeats a step (a retry, a second worker, a worker that was thought dead) gets what was recorded.
 */
export async function takeStep(
  store: Store,
  request: StepRequest,
  act: (trx: Transaction<unknown>, holds: ActiveHolds) => Promise<StepEffect>,
  faults: Faults,
): Promise<Step> {
  const { runId, lane, seq, kind, lease } = request;
  await faults('before transaction');
  const limits = {
    lockTimeoutMs: request.lockTimeoutMs,
    statementTimeoutMs: request.statementTimeoutMs,
    settings: { idle_in_transaction_session_timeout: String(IDLE_TIMEOUT_MS) },
  };
  const step = await inTransaction(store, limits, async (trx): Promise<Step> => {
    await durableCommit(trx);
    await holdLeases(trx, store.name, [lease, ...(request.furtherLeases ?? [])]);
    if ((await incarnation(trx)) !== request.incarnation) throw restored(store.name, lease.table);
    const { rows } = await sql<{ previous: string; transaction: string; at: Date }>`
      with previous as (select head from probity.step where run_id = ${runId} and lane = ${lane} and seq = ${seq - 1} and head is not null)
      insert into probity.step (run_id, lane, seq, kind)
      select ${runId}, ${lane}::integer, ${seq}::integer, ${kind} where ${seq}::integer = 1 or exists (select from previous)
      on conflict do nothing
      returning coalesce((select head from previous), ${GENESIS}) as previous, pg_current_xact_id()::text as transaction, now() as at`.execute(
      trx,
    );
    const [inserted] = rows;
    if (inserted === undefined) {
      const recorded = await readStep(trx, runId, lane, seq);
      if (recorded === null) throw restored(store.name, lease.table);
      return { ...recorded, repeated: true };
    }
    const effect = await act(trx, await lockAndReadHolds(trx));
    await faults('after change');
    const body: EvidenceBody = {
      run: runId,
      store: store.name,
      lane,
      seq,
      kind,
      table: lease.table,
      pass: request.pass,
      range: effect.range,
      cutOff: request.cutOff,
      counts: effect.counts,
      transaction: inserted.transaction,
      at: inserted.at.toISOString(),
    };
    const head = nextHead(inserted.previous, body);
    await sql`
      update probity.step set body = ${JSON.stringify(body)}, next_cursor = ${JSON.stringify(effect.cursor)}, head = ${head}
      where run_id = ${runId} and lane = ${lane} and seq = ${seq}`.execute(trx);
    await faults('before commit');
    return { body, head, cursor: effect.cursor, repeated: false };
  });
  await faults('after commit');
  return step;
}

/** A commit that the server acknowledged must survive a crash, whatever the database's default is. */
async function durableCommit(trx: Kysely<unknown>): Promise<void> {
  await sql`
    select set_config('synchronous_commit', 'on', true)
    where current_setting('synchronous_commit') in ('off', 'local')`.execute(trx);
}

interface StepRow {
  body: EvidenceBody;
  next_cursor: unknown;
  head: string;
}

async function readStep(db: Kysely<unknown>, runId: string, lane: number, seq: number): Promise<Step | null> {
  const { rows } = await sql<StepRow>`
    select body, next_cursor, head from probity.step where run_id = ${runId} and lane = ${lane} and seq = ${seq} and head is not null`.execute(
    db,
  );
  const [row] = rows;
  return row === undefined ? null : { body: row.body, head: row.head, cursor: row.next_cursor, repeated: true };
}

/** The last step of a lane: where it stands, whatever Temporal remembers. */
export async function lastStep(db: Kysely<unknown>, runId: string, lane: number): Promise<Step | null> {
  const { rows } = await sql<StepRow>`
    select body, next_cursor, head from probity.step where run_id = ${runId} and lane = ${lane} and head is not null order by seq desc limit 1`.execute(
    db,
  );
  const [row] = rows;
  return row === undefined ? null : { body: row.body, head: row.head, cursor: row.next_cursor, repeated: true };
}

/** Rows of a physical table that steps of a run have changed so far, over all lanes; a step's range begins with the table's name. */
export async function changedInUnit(db: Kysely<unknown>, runId: string, unit: string): Promise<number> {
  const { rows } = await sql<{ changed: number }>`
    select coalesce(sum(coalesce((body -> 'counts' ->> 'erased')::bigint, 0) + coalesce((body -> 'counts' ->> 'masked')::bigint, 0)), 0)::bigint as changed
    from probity.step where run_id = ${runId} and starts_with(body ->> 'range', ${`${unit} `}) and head is not null`.execute(db);
  return rows[0]?.changed ?? 0;
}

/** All records of a run in this store, lane by lane in order. */
export async function runRecords(db: Kysely<unknown>, runId: string): Promise<EvidenceRecord[]> {
  const { rows } = await sql<StepRow>`
    select body, next_cursor, head from probity.step where run_id = ${runId} and head is not null order by lane, seq`.execute(db);
  return rows.map(({ body, head }) => ({ body, head }));
}

/** The store forgot steps that this run has seen committed, or is not the store that the run began with. */
export function restored(store: string, table: string): StoreError {
  const sentence = 'the store is not what it was when the run began (restored, copied or failed over); the run waits for a person';
  return new StoreError({ store, table, code: 'PB002', kind: 'restored', retryable: false, sentence });
}
