import { sql, type Transaction } from 'kysely';
import { sealOf, type ConsentSeal, type SealedRecord } from '../../domain/evidence/consent.ts';
import { inTransaction, type Store } from '../store.ts';

/** A tree of sixteen levels: read, hashed and marked in about a second, and small enough to be checked in memory. */
export const MOST_A_SEAL = 65_536;
/** Sealers wait for each other only; recorders take no such lock. */
const SEALER = 'probity consent seal';

export interface Sealed {
  readonly seals: number;
  readonly records: number;
}

/**
 * Seals every record of the home store that was committed before the call. Records that commit meanwhile are never waited for: whatever
 * comes late is sealed later. `wait: false` leaves the work to another sealer that is at it already.
 */
export async function sealConsents(home: Store, { wait = true }: { readonly wait?: boolean } = {}): Promise<Sealed> {
  const done = { seals: 0, records: 0 };
  for (;;) {
    const count = await inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) => sealOnce(trx, wait));
    if (count > 0) done.seals++;
    done.records += count;
    if (count < MOST_A_SEAL) return done;
  }
}

async function sealOnce(trx: Transaction<unknown>, wait: boolean): Promise<number> {
  if (!(await locked(trx, wait))) return 0;
  // Nobody but a sealer ever changes a record, so the lock above is enough.
  const { rows: records } = await sql<SealedRecord>`
    select record_id as "recordId", ref, ${utc('received_at')} as "receivedAt", encode(commitment, 'hex') as commitment
    from probity.consent_record where seal_id is null order by record_id limit ${MOST_A_SEAL}`.execute(trx);
  if (records.length === 0) return 0;
  const { rows: before } = await sql<Pick<ConsentSeal, 'sealId' | 'head'> & { now: string }>`
    select seal_id as "sealId", encode(head, 'hex') as head from probity.consent_seal order by seal_id desc limit 1`.execute(trx);
  const { rows: clock } = await sql<{ now: string }>`select ${utc('clock_timestamp()')} as now`.execute(trx);
  const seal = sealOf(records, before[0] ?? null, clock[0]!.now);
  await sql`
    insert into probity.consent_seal (seal_id, count, root, head, sealed_at, leaves)
    values (${seal.sealId}, ${seal.count}, decode(${seal.root}, 'hex'), decode(${seal.head}, 'hex'), ${seal.sealedAt}::timestamptz,
      decode(${seal.index}, 'hex'))`.execute(trx);
  await sql`
    update probity.consent_record set seal_id = ${seal.sealId}
    where record_id = any (${records.map(({ recordId }) => recordId)}::bigint[])`.execute(trx);
  return records.length;
}

async function locked(trx: Transaction<unknown>, wait: boolean): Promise<boolean> {
  const key = sql`hashtextextended(${SEALER}, 0)`;
  if (wait) {
    await sql`select pg_advisory_xact_lock(${key})`.execute(trx);
    return true;
  }
  const { rows } = await sql<{ taken: boolean }>`select pg_try_advisory_xact_lock(${key}) as taken`.execute(trx);
  return rows[0]?.taken === true;
}

/** A time as evidence spells it; Postgres's own functions only, since ours may have been altered with the records. */
function utc(expression: 'received_at' | 'clock_timestamp()') {
  return sql`to_char(${sql.raw(expression)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
