import { sql } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { addressText } from './erasure/reach.ts';

/** The subject's table may be read whole. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 300_000;

/**
 * Addresses, numbers and the like among keys that some row of their subject's table has now. Of people who were erased none has: so it is
 * somebody's again. Compared without case and outer blanks, as the laxest reference would. Stays in the process.
 */
export async function identitiesInUse(
  open: (store: string) => Store,
  manifest: Manifest,
  keys: readonly { readonly subject: string; readonly identity: string; readonly parts: readonly string[] }[],
): Promise<{ identity: string; value: string }[]> {
  const found: { identity: string; value: string }[] = [];
  const identities = keys.filter(({ identity }) => identity !== KEY_IDENTITY);
  for (const [name, ofSubject] of Map.groupBy(identities, ({ subject }) => subject)) {
    const subject = manifest.subjects[name];
    for (const [identity, some] of Map.groupBy(ofSubject, (it) => it.identity)) {
      const column = subject?.identities[identity];
      if (subject === undefined || column === undefined) continue;
      const wanted = [...new Set(some.map(({ parts }) => parts[0] ?? ''))];
      const limits = { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS } as const;
      const { rows } = await inTransaction(open(storeOf(subject.table)), limits, (trx) =>
        sql<{ value: string }>`
          select distinct w.value from unnest(${wanted}::text[]) w (value)
          join ${tableRef(inStore(subject.table))} s on ${addressText(ident('s', column))} = ${addressText(sql`w.value`)} order by 1`.execute(
          trx,
        ),
      );
      found.push(...rows.map((row) => ({ identity, value: row.value })));
    }
  }
  return found;
}
