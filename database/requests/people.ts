import { sql, type Kysely } from 'kysely';
import type { CatalogColumn } from '../../domain/catalog.ts';
import { inStore } from '../../manifest/ids.ts';
import type { Subject } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import { tableRef } from '../identifiers.ts';
import { keyMatch } from '../permission/keys.ts';
import { inTransaction, type Store } from '../store.ts';

/** By the primary key's index: longer, and somebody else is in the way. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 30_000;

/** Those of the keys that the subject's table has. */
export async function existingKeys(
  store: Store,
  subject: Subject,
  columns: readonly CatalogColumn[],
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const match = keyMatch(columns);
  const { rows } = await inTransaction(store, { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, (trx) =>
    sql<{ key: string }>`
      select k.key from unnest(${[...new Set(keys)]}::text[]) k (key)${match.parts}
      where exists (select from ${tableRef(inStore(subject.table))} s where ${match.condition}) order by k.key collate "C"`.execute(trx),
  );
  return new Set(rows.map(({ key }) => key));
}

export interface Person {
  readonly subject: string;
  readonly key: string;
}

/** The regime of each, in order; null where the home store cannot tell. */
export async function regimesOfPeople(home: Store, people: readonly Person[]): Promise<(string | null)[]> {
  const regimes = new Map<string, string | null>();
  for (const [subject, some] of Map.groupBy(people, (it) => it.subject)) {
    const keys = [...new Set(some.map(({ key }) => key))];
    const { rows } = await translating(home, () =>
      sql<{ key: string; regime: string | null }>`
        select f.key, f.regime from probity.subject_facts(${subject}, ${keys}::text[]) f order by f.key`.execute(home.db),
    );
    for (const { key, regime } of rows) regimes.set(`${subject}\n${key}`, regime);
  }
  return people.map(({ subject, key }) => regimes.get(`${subject}\n${key}`) ?? null);
}

/** Purposes of which somebody has once granted the use, whatever they said later. */
export async function grantedPurposes(db: Kysely<unknown>, { subject, key }: Person): Promise<string[]> {
  const { rows } = await sql<{ purpose: string }>`
    select distinct c.purpose from probity.consent_link l cross join lateral probity.consent_group(array[l.ref]) g
    join probity.consent_content c on c.ref = g.ref and c.decision = 'granted'
    where l.subject = ${subject} and l.key = ${key} order by c.purpose`.execute(db);
  return rows.map(({ purpose }) => purpose);
}
