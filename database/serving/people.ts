import { sql, type RawBuilder, type Transaction } from 'kysely';
import type { Catalog, CatalogColumn } from '../../domain/catalog.ts';
import { EMAIL } from '../../domain/serving/replica.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { addressAlone } from '../requests/erasure/reach.ts';
import { keyMatch } from '../permission/keys.ts';
import { keyTextIn } from '../subject-key.ts';

/** A subject of the home store's tables. */
export interface Person {
  /** Its key as the ledger spells it. */
  readonly key: string;
  /** SHA-256 of its e-mail address; null where it has none. */
  readonly hash: string | null;
  /** The values of its key columns, to go on from. */
  readonly position: readonly string[];
}

/** How the subjects of one kind are read from the home store. */
export interface People {
  /** In the order of the key, `limit` at a time. */
  readonly page: (trx: Transaction<unknown>, after: readonly string[] | null, limit: number) => Promise<Person[]>;
  /** Those of the keys that are there. */
  readonly byKey: (trx: Transaction<unknown>, keys: readonly string[]) => Promise<Person[]>;
}

/** Null when the home store does not hold the subject's table as declared: then nobody can be judged. */
export function peopleOf(manifest: Manifest, name: string, catalog: Catalog): People | null {
  const subject = manifest.subjects[name];
  if (subject === undefined || storeOf(subject.table) !== catalog.store) return null;
  const live = catalog.tables[inStore(subject.table)];
  const key = subject.key.map((column) => live?.columns.find((it) => it.name === column));
  if (live === undefined || key.some((column) => column === undefined)) return null;
  const columns = key as CatalogColumn[];
  const email = subject.identities[EMAIL];
  const hash = live.columns.some((column) => column.name === email) ? addressHash(email ?? '') : sql`null::text`;
  const names = columns.map((column) => ident('s', column.name));
  const position = sql`array[${sql.join(names.map((it) => sql`${it}::text`))}]`;
  const read = sql`${keyTextIn('s', subject.key)} as key, ${hash} as hash, ${position} as position`;
  const table = tableRef(inStore(subject.table));
  return {
    page: async (trx, after, limit) => {
      const from =
        after === null
          ? sql`true`
          : sql`(${sql.join(names)}) > (${sql.join(columns.map((column, index) => typed(column, after[index] ?? '')))})`;
      const { rows } = await sql<Person>`select ${read} from ${table} s where ${from} order by ${sql.join(names)} limit ${limit}`.execute(
        trx,
      );
      return rows;
    },
    byKey: async (trx, keys) => {
      const match = keyMatch(columns);
      const { rows } = await sql<Person>`
        select ${read} from unnest(${keys}::text[]) k (key)${match.parts} join ${table} s on ${match.condition}`.execute(trx);
      return rows;
    },
  };
}

/** The type as the catalog spells it, quoted where it must be. */
function typed(column: CatalogColumn, value: string): RawBuilder<unknown> {
  return sql`cast(${value}::text as ${sql.raw(column.type)})`;
}

/** As people write one address in several ways: no outer white space, no case. */
function addressHash(column: string): RawBuilder<string> {
  const address = addressAlone(ident('s', column));
  return sql<string>`case when ${address} <> '' then encode(sha256(convert_to(${address}, 'UTF8')), 'hex') end`;
}
