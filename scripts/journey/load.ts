import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadTable } from '../sample/copy.ts';
import type { CopyTable, CopyValue, LoadProgress } from '../sample/copy.ts';
import { claimDatabase, markComplete, withClient } from '../sample/marker.ts';
import { readColumns } from './parquet.ts';
import type { ColumnKind, ParquetTable } from './parquet.ts';

/** The instant from which the example looks back: the year of the data is over, in the shops' own zone. */
export const JOURNEY_NOW = new Date('2018-01-01T05:00:00Z');

const FILES: Readonly<Record<string, Readonly<Record<string, ColumnKind>>>> = {
  demographics: {
    household_id: 'integer',
    age: 'text',
    income: 'text',
    home_ownership: 'text',
    marital_status: 'text',
    household_size: 'text',
    household_comp: 'text',
    kids_count: 'text',
  },
  products: {
    product_id: 'integer',
    manufacturer_id: 'integer',
    department: 'text',
    brand: 'text',
    product_category: 'text',
    product_type: 'text',
    package_size: 'text',
  },
  campaign_descriptions: { campaign_id: 'integer', campaign_type: 'text', start_date: 'date', end_date: 'date' },
  campaigns: { campaign_id: 'integer', household_id: 'integer' },
  coupons: { coupon_upc: 'integer', product_id: 'integer', campaign_id: 'integer' },
  coupon_redemptions: { household_id: 'integer', coupon_upc: 'integer', campaign_id: 'integer', redemption_date: 'date' },
  transactions: {
    household_id: 'integer',
    store_id: 'integer',
    basket_id: 'integer',
    product_id: 'integer',
    quantity: 'integer',
    sales_value: 'money',
    retail_disc: 'money',
    coupon_disc: 'money',
    coupon_match_disc: 'money',
    week: 'integer',
    transaction_timestamp: 'instant',
  },
};
/** Tables that the files do not have. */
const OWN_TABLES = ['households', 'redemptions_daily'];
const JOURNEY_NAME = 'complete-journey';

export interface JourneyOptions {
  readonly url: string;
  /** Folder of the seven parquet files. */
  readonly from: string;
  readonly progress?: (progress: LoadProgress) => void;
}

export interface JourneySummary {
  /** Rows by table. */
  readonly tables: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly seconds: number;
}

export class MissingFile extends Error {
  override readonly name = 'MissingFile';
}

/**
 * Loads The Complete Journey into a database: tables, rows by COPY, keys and indexes, statistics, and the mark that it is ours.
 * A database that we loaded before is loaded anew. Throws MissingFile before any change if a file is not there, and
 * NotOurDatabase if the database has a table which we did not make.
 */
export async function loadCompleteJourney({ url, from, progress = () => undefined }: JourneyOptions): Promise<JourneySummary> {
  const started = performance.now();
  for (const name of Object.keys(FILES)) await requireFile(from, name);
  const schema = await readFile(new URL('schema.sql', import.meta.url), 'utf8');
  const [before = '', after = ''] = schema.split('-- after the load\n');
  const tables: Record<string, number> = {};
  await withClient(url, async (client) => {
    await claimDatabase(client, { name: JOURNEY_NAME, seed: null, scale: null }, [...Object.keys(FILES), ...OWN_TABLES]);
    await client.query(before);
    const households = new Set<number>();
    for (const [name, columns] of Object.entries(FILES)) {
      const data = await readColumns(join(from, `${name}.parquet`), columns);
      noteHouseholds(households, data, Object.keys(columns));
      tables[name] = await loadTable(client, copyTable(name, Object.keys(columns), data), progress);
    }
    const ids = [...households].sort((a, b) => a - b);
    const copy: CopyTable = { table: 'households', columns: ['household_id'], rows: () => ids.map((id) => [id]) };
    tables['households'] = await loadTable(client, copy, progress);
    await client.query(after);
    await client.query('analyze');
    await markComplete(client);
  });
  const rows = Object.values(tables).reduce((sum, count) => sum + count, 0);
  return { tables, rows, seconds: (performance.now() - started) / 1000 };
}

async function requireFile(from: string, name: string): Promise<void> {
  try {
    await access(join(from, `${name}.parquet`));
  } catch (cause) {
    throw new MissingFile(`${name}.parquet is not in ${from}; docs/complete-journey.md says where to get it.`, { cause });
  }
}

function copyTable(table: string, columns: readonly string[], data: ParquetTable): CopyTable {
  const numbered = table === 'coupons';
  return {
    table,
    columns: numbered ? ['coupon_line', ...columns] : columns,
    *rows() {
      for (let row = 0; row < data.rows; row++) {
        const values: CopyValue[] = numbered ? [row + 1] : [];
        for (const column of data.column) values.push(column(row));
        yield values;
      }
    },
  };
}

function noteHouseholds(households: Set<number>, data: ParquetTable, columns: readonly string[]): void {
  const column = data.column[columns.indexOf('household_id')];
  if (column === undefined) return;
  for (let row = 0; row < data.rows; row++) households.add(Number(column(row)));
}
