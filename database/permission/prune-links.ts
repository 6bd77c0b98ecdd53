import { sql, type Transaction } from 'kysely';
import { isBusy } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';

/** Deleting links keeps recorders out for a moment; rather leave them for the next time than queue behind a long import. */
export const LINK_LOCK_MS = 1_000;

/** False: recorders were busy for longer than anybody should wait for this. */
export async function pruneLinks(home: Store): Promise<{ readonly links: number; readonly linksDone: boolean }> {
  try {
    return { links: await inTransaction(home, { lockTimeoutMs: LINK_LOCK_MS }, deleteLinks), linksDone: true };
  } catch (error) {
    if (isBusy(error)) return { links: 0, linksDone: false };
    throw error;
  }
}

/**
 * Deletes the links of people about whom nothing is left. A recorder that found a link just before must not lose its record: so recorders,
 * who all begin by writing to this table, wait meanwhile. Links of an open request stay.
 */
export async function deleteLinks(trx: Transaction<unknown>): Promise<number> {
  const busy = (ref: string) => sql`
    (exists (select from probity.consent_content c where c.ref = ${sql.ref(ref)})
      or exists (select from probity.request r where r.ref = ${sql.ref(ref)} and r.closed_at is null))`;
  const empty = sql`
    select l.ref from probity.consent_link l
    where not ${busy('l.ref')}
      and not exists (select from probity.consent_alias a where a.person = l.ref and ${busy('a.ref')})
      and not exists (
        select from probity.consent_alias a
        where a.ref = l.ref
          and (${busy('a.person')} or exists (select from probity.consent_alias o where o.person = a.person and ${busy('o.ref')})))`;
  const { rows: found } = await sql<{ ref: string }>`${empty}`.execute(trx);
  if (found.length === 0) return 0;
  await sql`lock table probity.consent_link in share row exclusive mode`.execute(trx);
  const { rows } = await sql<{ ref: string }>`
    delete from probity.consent_link d where d.ref = any (${found.map(({ ref }) => ref)}::uuid[]) and d.ref in (${empty}) returning d.ref`.execute(
    trx,
  );
  return rows.length;
}
