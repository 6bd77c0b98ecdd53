import { sql } from 'kysely';
import { cutOff } from '../../domain/time.ts';
import type { Manifest } from '../../manifest/model.ts';
import { inTransaction, type Store } from '../store.ts';

/** Rows that name a request and do not go with its row by themselves, in the order in which they go: after it, but for the first. */
const BEFORE = ['request_suppression', 'outbox'] as const;
const AFTER = ['request_event', 'vault_look', 'request_plan', 'request_decision', 'notice', 'request_start'] as const;

/**
 * Removes what is known of requests that closed longer ago than `own.requests`, at most `limit` of them: rows, events, notes, references, plans
 * and decisions. Certificates stay, with the runs and plans that they are about; rows that a law keeps stand under obligations, which stay, too. Of what
 * was removed only the number is written down. Returns it. In mode observe too: it is our own promise. Safe to repeat.
 */
export async function pruneRequests(home: Store, manifest: Manifest, now: Date, limit: number): Promise<number> {
  const keep = manifest.own['requests'];
  if (keep === undefined) return 0;
  const before = cutOff(now, keep, manifest.timezone);
  return inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const { rows } = await sql<{ id: string }>`
      select r.request_id as id from probity.request r where r.closed_at < ${before}
      order by r.closed_at, r.request_id limit ${limit} for update skip locked`.execute(trx);
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return 0;
    const batches = await sql<{ id: string }>`
      select b.batch_id as id from probity.request_batch b where b.closed_at < ${before} and not exists (
        select from probity.request r where r.batch_id = b.batch_id and r.request_id <> all (${ids}::text[])) order by 1`.execute(trx);
    const gone = [...ids, ...batches.rows.map(({ id }) => id)];
    const plans = await sql<{ hash: string }>`
      select distinct p.plan_hash as hash from probity.request_plan p
      where p.request_id = any (${gone}::text[]) and p.plan_hash is not null order by 1`.execute(trx);
    for (const table of BEFORE) await sql`delete from ${sql.id('probity', table)} where request_id = any (${gone}::text[])`.execute(trx);
    await sql`delete from probity.request where request_id = any (${ids}::text[])`.execute(trx);
    await sql`delete from probity.request_batch where batch_id = any (${gone}::text[])`.execute(trx);
    // Whoever was never told of leaves no keys behind; those of an erasure went with its certificate.
    for (const table of ['run_key', 'run_person'])
      await sql`
        delete from ${sql.id('probity', table)} where run_id in (
          select n.run_id from probity.notice n where n.request_id = any (${gone}::text[]) and n.news <> 'erasure')`.execute(trx);
    for (const table of AFTER) await sql`delete from ${sql.id('probity', table)} where request_id = any (${gone}::text[])`.execute(trx);
    await sql`
      delete from probity.plan p where p.hash = any (${plans.rows.map(({ hash }) => hash)}::text[])
        and not exists (select from probity.run u where u.plan_hash = p.hash)
        and not exists (select from probity.request_plan b where b.plan_hash = p.hash)`.execute(trx);
    await sql`
      insert into probity.pruning (what, rows, closed_before, at) values ('requests', ${ids.length}, ${before}, ${now})`.execute(trx);
    return ids.length;
  });
}
