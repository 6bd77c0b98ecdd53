import { sql, type RawBuilder } from 'kysely';
import type { Catalog, CatalogColumn } from '../../domain/catalog.ts';
import { storedForms } from '../../domain/address.ts';
import { PHONE_TAIL, phoneTail } from '../../domain/requests/phones.ts';
import { asWritten, comparisonOf } from '../../domain/requests/identities.ts';
import {
  identityNames,
  MOST_HOLDERS,
  referencedIdentities,
  Resolution,
  type Holder,
  type KnownRow,
  type Question,
  type ResolvedPerson,
  type Seed,
} from '../../domain/requests/resolve.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, Subject } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { StoreError } from '../errors.ts';
import { ident, tableRef } from '../identifiers.ts';
import { identityMatch, keyMatch } from '../permission/keys.ts';
import { inTransaction, type Store } from '../store.ts';
import { keyTextIn } from '../subject-key.ts';
import { addressAlone, addressText } from './erasure/reach.ts';

/** A table of millions without an index on the identity is read whole, once for all people. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 120_000;
/** Some megabytes of parameters. */
const BATCH = 10_000;
/** Each round has brought somebody a key, of each kind one unless a person decided otherwise: more would mean that decisions chain strangers. */
const MOST_ROUNDS = 32;

/**
 * Who people are in all stores, in the order of the seeds: keys and identities, found over as many rounds as bring something new. Each round is
 * one query for each subject, and one for each identity of it, however many people there are. Reads the subjects' own tables only.
 * `catalogs`: of stores that were read already. Throws a `StoreError`.
 */
export async function resolvePeople(
  stores: ReadonlyMap<string, Store>,
  manifest: Manifest,
  seeds: readonly Seed[],
  catalogs: ReadonlyMap<string, Catalog> = new Map(),
): Promise<readonly ResolvedPerson[]> {
  const resolution = new Resolution(manifest, seeds);
  const referenced = referencedIdentities(manifest);
  const read = new Map(catalogs);
  const placeOf = async (name: string): Promise<Place | null> => {
    const subject = manifest.subjects[name]!;
    const store = stores.get(storeOf(subject.table));
    if (store === undefined) return null;
    const catalog = read.get(store.name) ?? (await readCatalog(store));
    read.set(store.name, catalog);
    const columns = new Map(catalog.tables[inStore(subject.table)]?.columns.map((it) => [it.name, it]));
    return subject.key.every((it) => columns.has(it)) ? { store, subject, columns } : null;
  };
  for (let round = 0; round < MOST_ROUNDS; round++) {
    for (const [subject, keys] of resolution.unread()) {
      const place = await placeOf(subject);
      resolution.learn(subject, keys, place === null ? [] : await rowsOf(place, keys, identityNames(manifest, subject)));
    }
    const questions = resolution.questions();
    for (const question of questions) {
      const place = await placeOf(question.subject);
      resolution.answer(
        question,
        place === null ? [] : await whoHas(place, question, referenced.has(`${question.subject}.${question.identity}`)),
      );
    }
    resolution.settle();
    if (resolution.unread().size === 0 && resolution.questions().length === 0) return resolution.result();
  }
  const sentence = 'identities lead from person to person without an end: look at what was accepted';
  throw new StoreError({ store: [...stores.keys()].join(', '), code: 'PB004', kind: 'schema', retryable: false, sentence });
}

interface Place {
  readonly store: Store;
  readonly subject: Subject;
  readonly columns: ReadonlyMap<string, CatalogColumn>;
}

async function rowsOf({ store, subject, columns }: Place, keys: readonly string[], names: readonly string[]): Promise<KnownRow[]> {
  const match = keyMatch(subject.key.map((name) => columns.get(name)!));
  const values = names.map((name) =>
    columns.has(subject.identities[name]!) ? sql`${ident('s', subject.identities[name]!)}::text` : sql`null::text`,
  );
  const all = values.length === 0 ? sql`array[]::text[]` : sql`array[${sql.join(values)}]`;
  return inBatches(
    store,
    keys,
    (some) =>
      sql<KnownRow>`
      select k.key, ${all} as values from unnest(${some}::text[]) k (key)${match.parts}
      join ${tableRef(inStore(subject.table))} s on ${match.condition} order by k.key`,
  );
}

async function whoHas({ store, subject, columns }: Place, { identity, forms }: Question, referenced: boolean): Promise<Holder[]> {
  const column = columns.get(subject.identities[identity]!);
  if (column === undefined) return [];
  const value = ident('s', column.name);
  const table = tableRef(inStore(subject.table));
  const row = sql`${keyTextIn('s', subject.key)} as key, ${value}::text as value`;
  switch (comparisonOf(identity)) {
    case 'address': {
      const by = referenced ? addressText(value) : await folding(store, inStore(subject.table), column.name);
      const asked = addressAlone(value);
      const stored = forms.flatMap(storedForms);
      return holders(store, stored, (some) => sql`select ${row}, ${asked} as asked from ${table} s where ${by} = any (${some}::text[])`);
    }
    case 'phone': {
      const texts = forms.filter((form) => asWritten(identity, form) !== null);
      const tails = [...new Set(forms.filter((form) => asWritten(identity, form) === null).map(phoneTail))];
      const tail = sql`right(regexp_replace(${value}::text, '\\D', '', 'g'), ${sql.lit(PHONE_TAIL)})`;
      const numbers = (some: readonly string[]) =>
        sql`select ${row}, ${tail} as asked from ${table} s where ${tail} = any (${some}::text[])`;
      const written = (some: readonly string[]) => sql`
        select ${row}, a.form as asked from unnest(${some}::text[], ${some.map((form) => asWritten(identity, form)!)}::text[]) a (form, written)
        join ${table} s on ${addressText(value)} = ${addressText(sql`a.written`)}`;
      return [...(await holders(store, tails, numbers)), ...(await holders(store, texts, written))];
    }
    default: {
      const match = identityMatch(column);
      return holders(
        store,
        forms,
        (some) => sql`select ${row}, k.key as asked from unnest(${some}::text[]) k (key) join ${table} s on ${match}`,
      );
    }
  }
}

/** Of what is asked for each: at most `MOST_HOLDERS` rows, and how many there are. */
async function holders(store: Store, asked: readonly string[], query: (some: readonly string[]) => RawBuilder<unknown>): Promise<Holder[]> {
  return inBatches(
    store,
    asked,
    (some) => sql`
      select h.key, h.value, h.asked, h.total::integer as total from (
        select w.*, row_number() over (partition by w.asked order by w.key) as place, count(*) over (partition by w.asked) as total
        from (${query(some)}) w) h
      where h.place <= ${sql.lit(MOST_HOLDERS)} order by h.key, h.value`,
  );
}

/**
 * How an address is compared that no references compare, so that an index serves where there is one: on what our own references want, or on
 * `lower(column)`.
 */
async function folding(store: Store, table: string, column: string): Promise<RawBuilder<unknown>> {
  const [schema = '', name = ''] = table.split('.');
  const rows = await inBatches<{ definition: string }>(
    store,
    [`${schema}.${name}`],
    () =>
      sql`
      select pg_get_indexdef(i.indexrelid, 1, true) as definition from pg_catalog.pg_index i
      where i.indrelid = to_regclass(format('%I.%I', ${schema}::text, ${name}::text)) and i.indisvalid and i.indpred is null`,
  );
  const indexed = rows.filter(({ definition }) => definition.includes(column)).map(({ definition }) => definition.toLowerCase());
  const trimmed = indexed.some((it) => /^lower\((btrim|trim\(both from)/.test(it));
  const value = ident('s', column);
  if (!trimmed && indexed.some((it) => it.startsWith('lower('))) return sql`lower(${value}::text)`;
  return sql`lower(btrim(${value}::text))`;
}

async function inBatches<T>(
  store: Store,
  values: readonly string[],
  query: (some: readonly string[]) => RawBuilder<unknown>,
): Promise<T[]> {
  const all: T[] = [];
  for (let from = 0; from < values.length; from += BATCH) {
    const some = values.slice(from, from + BATCH);
    const { rows } = await inTransaction(store, { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, (trx) =>
      (query(some) as RawBuilder<T>).execute(trx),
    );
    all.push(...rows);
  }
  return all;
}
