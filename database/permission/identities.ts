import { sql } from 'kysely';
import type { CatalogColumn } from '../../domain/catalog.ts';
import { storedForms } from '../../domain/address.ts';
import { inStore } from '../../manifest/ids.ts';
import type { Subject } from '../../manifest/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { keyTextIn } from '../subject-key.ts';
import { keyMatch } from './keys.ts';

/** Somebody waits for the answer; a table of millions without an index is read in this time. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 30_000;

export interface FoundIdentity {
  /** Place in the list of values that was asked for. */
  readonly n: number;
  /** The subject's key as text. */
  readonly key: string;
}

/**
 * Who has one of these values in an identity's column, read from the subject's own table. Addresses (`email`) are compared without case and
 * outer white space: by the index on `lower(btrim(column))` or `lower(column)` where there is one, and by reading the table where there is none.
 */
export async function findByIdentity(
  store: Store,
  subject: Subject,
  column: string,
  values: readonly string[],
  email: boolean,
): Promise<FoundIdentity[]> {
  return inTransaction(store, { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, async (trx) => {
    const table = tableRef(inStore(subject.table));
    const col = ident('s', column);
    let match = sql`${col} = v.value`;
    if (email) {
      const { rows } = await sql<{ definition: string }>`
        select pg_get_indexdef(i.indexrelid, 1, true) as definition from pg_catalog.pg_index i
        where i.indrelid = to_regclass(${sql`format('%I.%I', ${inStore(subject.table).split('.')[0]}::text, ${inStore(subject.table).split('.')[1]}::text)`})
          and i.indisvalid and i.indpred is null`.execute(trx);
      const blanks = rows.some(({ definition }) => /^lower\((b?trim|TRIM\(BOTH FROM)/i.test(definition));
      const plain = rows.some(({ definition }) => /^lower\(/i.test(definition));
      match = !blanks && plain ? sql`lower(${col}::text) = lower(v.value)` : sql`lower(btrim(${col}::text)) = lower(v.value)`;
    }
    const asked = values.flatMap((value, index) => (email ? storedForms(value) : [value]).map((form) => ({ n: index + 1, form })));
    const { rows } = await sql<FoundIdentity>`
      select distinct v.n::integer as n, ${keyTextIn('s', subject.key)} as key
      from unnest(${asked.map(({ form }) => form)}::text[], ${asked.map(({ n }) => n)}::integer[]) v (value, n) join ${table} s on ${match} order by 1, 2`.execute(
      trx,
    );
    return rows.map(({ n, key }) => ({ n: n - 1, key }));
  });
}

/** Whether the subject's table has a row with this key. */
export async function keyExists(store: Store, subject: Subject, columns: readonly CatalogColumn[], key: string): Promise<boolean> {
  const match = keyMatch(columns);
  const { rows } = await inTransaction(store, { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, (trx) =>
    sql<{ found: boolean }>`
      select exists (select from unnest(${[key]}::text[]) k (key)${match.parts} join ${tableRef(inStore(subject.table))} s on ${match.condition}) as found`.execute(
      trx,
    ),
  );
  return rows[0]?.found === true;
}
