import { planErasure } from '../requests/erasure.ts';
import { missingIndexes } from '../requests/indexes.ts';
import { placeOfTable, tableName, type StoreCheck } from './context.ts';

/** What requests look people up by, beside references inside the store, can be found fast: said here once, and not in every plan. */
export function checkLookUps(check: StoreCheck): void {
  const { manifest, catalog, edges } = check;
  const everything = { ended: null, remaining: [] };
  for (const subject of Object.keys(manifest.subjects)) {
    const { tables } = planErasure(subject, everything, catalog, manifest);
    for (const { table, columns, sql } of missingIndexes(tables, catalog)) {
      const isReference = edges.some((edge) => edge.from === table && edge.columns.join() === columns.join());
      if (isReference && !sql.includes('lower(')) continue;
      const message = `requests read all of \`${tableName(catalog.tables[table]!)}\` for each ${subject}, whom they look up there by ${columns.join(', ')}`;
      check.add('P108', placeOfTable(check, table), message, sql);
    }
  }
}
