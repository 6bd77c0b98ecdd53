import { sql, type Transaction } from 'kysely';
import type { ConsentSeal } from '../../domain/evidence/consent.ts';
import type { ConsentEvidence } from '../../domain/evidence/consent-chain.ts';
import { inTransaction, type Store } from '../store.ts';

/** Rows of one round trip: some megabytes. */
const PAGE = 10_000;

export type ConsentItem =
  | { readonly kind: 'seal'; readonly seal: ConsentSeal }
  | { readonly kind: 'record'; readonly record: ConsentEvidence; readonly subject: string | null; readonly key: string | null };

/** Columns of `consent_content c`, read by Postgres's own functions only: ours may have been altered with the records. */
const CONTENT = sql`
  case when c.record_id is not null then json_build_object(
    'ref', c.ref, 'salt', encode(c.salt, 'hex'), 'purpose', c.purpose, 'channel', c.channel, 'decision', c.decision,
    'at', ${utc('c.at')}, 'capturedAt', ${utc('c.captured_at')}, 'receivedAt', ${utc('c.received_at')}, 'touchpoint', c.touchpoint,
    'notice', c.notice, 'language', c.language, 'givenBy', c.given_by, 'proof', c.proof, 'actor', c.actor, 'door', c.door,
    'basis', c.basis, 'expiresAt', ${utc('c.expires_at')}, 'manifestHash', c.manifest_hash) end`;

interface RecordRow extends ConsentEvidence {
  readonly subject: string | null;
  readonly key: string | null;
}

/**
 * Hands everything that proves what was recorded to `take`, from one snapshot: each seal followed by its records, at last the records that
 * are not sealed. Stops when `take` returns false.
 */
export async function readEvidence(home: Store, take: (item: ConsentItem) => boolean | Promise<boolean>): Promise<void> {
  await inTransaction(home, { readOnly: true, isolation: 'repeatable read' }, async (trx) => {
    for (let seal = await nextSeal(trx, null); seal !== null; seal = await nextSeal(trx, seal.sealId)) {
      if (!(await take({ kind: 'seal', seal })) || !(await records(trx, seal.sealId, take))) return;
    }
    await records(trx, null, take);
  });
}

async function nextSeal(trx: Transaction<unknown>, after: number | null): Promise<ConsentSeal | null> {
  const { rows } = await sql<ConsentSeal>`
    select seal_id as "sealId", count, encode(root, 'hex') as root, encode(head, 'hex') as head, ${utc('sealed_at')} as "sealedAt",
      encode(leaves, 'hex') as index
    from probity.consent_seal where ${after}::bigint is null or seal_id > ${after} order by seal_id limit 1`.execute(trx);
  return rows[0] ?? null;
}

async function records(
  trx: Transaction<unknown>,
  sealId: number | null,
  take: (item: ConsentItem) => boolean | Promise<boolean>,
): Promise<boolean> {
  for (let after = -1; ;) {
    const { rows } = await sql<RecordRow>`
      select r.record_id as "recordId", r.ref, ${utc('r.received_at')} as "receivedAt", encode(r.commitment, 'hex') as commitment,
        r.seal_id as "sealId", ${CONTENT} as content, l.subject, l.key
      from probity.consent_record r
      left join probity.consent_content c on c.record_id = r.record_id
      left join probity.consent_link l on l.ref = r.ref
      where ${sealId === null ? sql`r.seal_id is null` : sql`r.seal_id = ${sealId}`} and r.record_id > ${after}
      order by r.record_id limit ${PAGE}`.execute(trx);
    for (const { subject, key, ...record } of rows) if (!(await take({ kind: 'record', record, subject, key }))) return false;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return true;
    after = last.recordId;
  }
}

/** Number of records, for progress. */
export async function countRecords(home: Store): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from probity.consent_record`.execute(home.db);
  return rows[0]?.count ?? 0;
}

/** Where a record is that was missed elsewhere: null when it is nowhere. */
export async function findRecord(home: Store, recordId: number): Promise<{ readonly sealId: number | null } | null> {
  const { rows } = await sql<{ sealId: number | null }>`
    select seal_id as "sealId" from probity.consent_record where record_id = ${recordId}`.execute(home.db);
  return rows[0] ?? null;
}

/** The first content of which the record has gone; a foreign key forbids it as long as it is enforced. */
export async function orphanContent(home: Store): Promise<number | null> {
  const { rows } = await sql<{ recordId: number }>`
    select c.record_id as "recordId" from probity.consent_content c
    where not exists (select from probity.consent_record r where r.record_id = c.record_id) order by c.record_id limit 1`.execute(home.db);
  return rows[0]?.recordId ?? null;
}

function utc(column: string) {
  return sql`to_char(${sql.raw(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** The first seal that records name and that is not there; a foreign key forbids it as long as it is enforced. */
export async function lostSeal(home: Store): Promise<number | null> {
  const { rows } = await sql<{ sealId: number | null }>`
    select min(r.seal_id) as "sealId" from probity.consent_record r
    where r.seal_id is not null and not exists (select from probity.consent_seal s where s.seal_id = r.seal_id)`.execute(home.db);
  return rows[0]?.sealId ?? null;
}
