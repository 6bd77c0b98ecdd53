import { sql, type RawBuilder } from 'kysely';
import type { Catalog, CatalogColumn, CatalogTable } from '../../domain/catalog.ts';
import type { SharedValues, Uncounted } from '../../domain/check/frequent.ts';
import { comparisonOf } from '../../domain/requests/identities.ts';
import { MOST_DIGITS, PHONE_TAIL } from '../../domain/requests/phones.ts';
import { MOST_OF_ONE } from '../../domain/requests/resolve.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { StoreError } from '../errors.ts';
import { ident } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { addressAlone, addressText } from './erasure/reach.ts';

/** Rows of a table that are looked at; of more, pages at random. */
export const MOST_ROWS = 500_000;
const LIMITS = { readOnly: true, lockTimeoutMs: 500, settings: { search_path: 'pg_catalog' } } as const;
/** Milliseconds, of one identity and of all in a store. */
const ONE_MS = 5_000;
const ALL_MS = 20_000;
/** The most frequent values of an identity that leave the database. */
const MOST_VALUES = 1_000;
/** What stands for no value is short. Characters. */
const LONGEST = 60;

/** How many rows share a value, of each identity that this store has and our role may read. Reads each table once an identity, and not for long. */
export async function countShared(
  store: Store,
  catalog: Catalog,
  manifest: Manifest,
  mostRows = MOST_ROWS,
): Promise<(SharedValues | Uncounted)[]> {
  const deadline = performance.now() + ALL_MS;
  const counted: (SharedValues | Uncounted)[] = [];
  for (const { subject, identity, live, column } of identitiesIn(store.name, catalog, manifest)) {
    const left = Math.min(ONE_MS, Math.round(deadline - performance.now()));
    if (left <= 0) {
      counted.push({ subject, identity, why: 'others took too long before it' });
      continue;
    }
    try {
      const found = await inTransaction(store, { ...LIMITS, statementTimeoutMs: left }, (trx) =>
        counts(identity, live, column, mostRows).execute(trx),
      );
      const { read, many } = found.rows[0] ?? { read: 0, many: 0 };
      const all = percentOf(live, mostRows) >= 100 && read < mostRows;
      counted.push({
        subject,
        identity,
        sample: all ? null : read,
        many,
        frequent: found.rows.map(({ value, rows }) => ({ value, rows })),
      });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      counted.push({ subject, identity, why: error.kind === 'busy' ? 'its table is locked, or slow to read' : `SQLSTATE ${error.code}` });
    }
  }
  return counted;
}

interface Known {
  readonly subject: string;
  readonly identity: string;
  readonly live: CatalogTable;
  readonly column: CatalogColumn;
}

function identitiesIn(store: string, catalog: Catalog, { subjects }: Manifest): Known[] {
  return Object.entries(subjects).flatMap(([subject, { table, identities }]) => {
    const live = storeOf(table) === store ? catalog.tables[inStore(table)] : undefined;
    if (live === undefined || !live.privileges.select || live.rowSecurity.filtersUs) return [];
    return Object.entries(identities).flatMap(([identity, name]) => {
      const column = live.columns.find((it) => it.name === name);
      const unique = comparisonOf(identity) === 'exact' && live.uniques.some((it) => it.length === 1 && it[0] === name);
      return column === undefined || unique ? [] : [{ subject, identity, live, column }];
    });
  });
}

interface Row {
  readonly value: string | null;
  readonly rows: number;
  readonly many: number;
  readonly read: number;
}

function counts(identity: string, live: CatalogTable, column: CatalogColumn, mostRows: number): RawBuilder<Row> {
  const value = ident('s', column.name);
  const percent = percentOf(live, mostRows);
  const pages = percent < 100 ? sql`tablesample system (${percent}::real) repeatable (1)` : sql``;
  return sql<Row>`
    with s as (select ${ident(column.name)} from ${ident(live.schema, live.name)} ${pages} limit ${mostRows}::int),
    shared as (
      select min(${value}::text collate "C") as value, count(*) as rows from s
       where ${addressAlone(value)} <> '' group by ${comparedBy(identity, value)} having count(*) > 1)
    select case when length(value) <= ${LONGEST}::int then value end as value, rows,
           count(*) filter (where rows > ${MOST_OF_ONE}::int) over () as many, (select count(*) from s) as read
      from shared order by rows desc, shared.value limit ${MOST_VALUES}::int`;
}

/** As far as it is cheap, what people are looked up by: numbers of the same digits, with or without what is dialled before them. */
function comparedBy(identity: string, value: RawBuilder<unknown>): RawBuilder<unknown> {
  switch (comparisonOf(identity)) {
    case 'address':
      return addressText(value);
    case 'phone': {
      const digits = sql`regexp_replace(${value}::text, '\\D', '', 'g')`;
      const isNumber = sql`length(${digits}) between ${sql.lit(PHONE_TAIL)} and ${sql.lit(MOST_DIGITS)}`;
      return sql`case when ${isNumber} then ltrim(${digits}, '0') else '=' || ${addressText(value)} end`;
    }
    default:
      return value;
  }
}

/** Of the pages of a table whose size is known. */
function percentOf({ kind, estimatedRows }: CatalogTable, mostRows: number): number {
  const sampled = (kind === 'table' || kind === 'partitioned') && estimatedRows > mostRows;
  return sampled ? (100 * mostRows) / estimatedRows : 100;
}
