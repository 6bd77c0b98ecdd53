import { sql } from 'kysely';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, Subject } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { ident, tableRef } from '../identifiers.ts';
import { keyMatch } from '../permission/keys.ts';
import { inTransaction, type Store } from '../store.ts';
import type { Person } from './people.ts';

/** By the primary key's index: longer, and somebody else is in the way. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 60_000;

type Identities = readonly (readonly [identity: string, value: string])[];

/** What the subjects' own tables say of people besides their keys; one statement for each kind of subject. Stays in the process. */
export async function identitiesOf(
  stores: ReadonlyMap<string, Store>,
  manifest: Manifest,
  people: readonly Person[],
): Promise<(subject: string, key: string) => Identities> {
  const found = new Map<string, ReadonlyMap<string, Identities>>();
  for (const [name, some] of Map.groupBy(people, ({ subject }) => subject)) {
    const subject = manifest.subjects[name]!;
    found.set(name, await ofSubject(stores.get(storeOf(subject.table))!, subject, [...new Set(some.map(({ key }) => key))])); // prettier-ignore
  }
  return (subject, key) => found.get(subject)?.get(key) ?? [];
}

async function ofSubject(store: Store, subject: Subject, keys: readonly string[]): Promise<ReadonlyMap<string, Identities>> {
  const names = Object.keys(subject.identities).sort();
  const live = (await readCatalog(store)).tables[inStore(subject.table)];
  const column = (name: string) => live?.columns.find((it) => it.name === name);
  const columns = subject.key.flatMap((name) => column(name) ?? []);
  if (names.length === 0 || columns.length !== subject.key.length) return new Map();
  const match = keyMatch(columns);
  const values = names.map((name) => sql`${ident('s', subject.identities[name]!)}::text`);
  const { rows } = await inTransaction(store, { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, (trx) =>
    sql<{ key: string; found: (string | null)[] }>`
      select k.key, array[${sql.join(values)}] as found from unnest(${keys}::text[]) k (key)${match.parts}
      join ${tableRef(inStore(subject.table))} s on ${match.condition}`.execute(trx),
  );
  return new Map(
    rows.map(({ key, found }) => [
      key,
      names.flatMap((name, index) => {
        const value = found[index] ?? null;
        return value === null || value.trim() === '' ? [] : [[name, value] as const];
      }),
    ]),
  );
}
