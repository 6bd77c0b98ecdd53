import { sql } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { translating } from '../errors.ts';
import { ACTIVE } from '../holds.ts';
import type { Store } from '../store.ts';
import type { HeldElsewhere } from './erasure/keys.ts';

/**
 * People of a run who are under a hold in one of the stores. A hold stands only where a key leads to its subject, and an erasure reaches
 * further, by addresses: so what one store holds, all of them do.
 */
export async function heldAnywhere(stores: Iterable<Store>, runId: string): Promise<HeldElsewhere[]> {
  const found = new Map<number, string>();
  for (const store of new Set(stores)) {
    const { rows } = await translating(store, () =>
      sql<HeldElsewhere>`
        select k.person, min(h.hold_id) as hold from probity.run_key k
        join probity.hold h on h.subject = k.subject and h.subject_key = k.parts and ${ACTIVE}
        where k.run_id = ${runId} and k.identity = ${KEY_IDENTITY} group by k.person order by k.person`.execute(store.db),
    );
    for (const { person, hold } of rows) if (!found.has(person)) found.set(person, hold);
  }
  return [...found].map(([person, hold]) => ({ person, hold }));
}
